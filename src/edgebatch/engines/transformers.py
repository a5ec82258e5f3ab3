"""Hugging Face transformers as an engine: padded batches that nobody joins, in a child process."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgebatch.engines.base import EngineInfo, GenerationRequest
from edgebatch.engines.child import ChildEngine
from edgebatch.engines.stepping import Cancel
from edgebatch.errors import InputError, MissingExtraError, UnknownNameError
from edgebatch.problem.checks import require_number

DTYPES = {"bf16": "bfloat16", "f16": "float16", "f32": "float32"}
"""What torch calls the types in which it can compute here."""
WEIGHT_BITS = {"w8": 8, "w4": 4}
"""Precisions whose linear layers are stored in integers; these run on the CPU only."""


@dataclass(frozen=True, slots=True)
class TransformersSettings:
    """How torch runs.

    Attributes:
        device: ``cpu`` or ``cuda``, or one of several as ``cuda:1``.
        dtype: one of :data:`DTYPES`: in what ``w8`` and ``w4`` compute, and which precision a
            single folder is hosted in.
        threads: of the CPU; None for torch's own choice, one a core.
        max_batch: most requests of a batch; the others wait for the next one.
        step_timeout_seconds: how long requests may run without a step before the engine counts as
            hung, beside the time for prompts that have not been read.
        start_timeout_seconds: how long loading all precisions may take.
    """

    device: str = "cpu"
    dtype: str = "bf16"
    threads: int | None = None
    max_batch: int = 256
    step_timeout_seconds: float = 30.0
    start_timeout_seconds: float = 600.0

    def __post_init__(self) -> None:
        """Check what torch would refuse later, or in its own words.

        Raises:
            InputError: a number is too small.
            UnknownNameError: there is no such device or type.
        """
        if self.device.partition(":")[0] not in ("cpu", "cuda"):
            raise UnknownNameError("device", self.device, ("cpu", "cuda"))
        if self.dtype not in DTYPES:
            raise UnknownNameError("dtype", self.dtype, DTYPES)
        for name in ("threads", "max_batch"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(name, f"expected at least 1, got {value}")
        for name in ("step_timeout_seconds", "start_timeout_seconds"):
            require_number(name, getattr(self, name), exclusive=True)


@dataclass(frozen=True, slots=True)
class GroupMember(GenerationRequest):
    """A request that was submitted together with others.

    Without knowing of the others, the child would start a batch with the first that it hears of.

    Attributes:
        followers: how many more of the group are sent right behind it.
    """

    followers: int = 0


class TransformersEngine(ChildEngine):
    """Serves a model as transformers saves it, in static batches.

    Those who wait when the engine is idle, and whose precision is that of the first of them, form
    a batch: prompts are padded on the left to the longest, read in one pass, and then every pass
    adds a token to each row until the last member is done. Whoever comes meanwhile waits for the
    next batch. A step is one forward pass.

    Requests that are submitted without giving the event loop a turn are heard of together.

    Args:
        model: the folder of each precision (``bf16``, ``f16``, ``f32``, ``w8``, ``w4``; they may
            be the same folder, each is loaded by itself), or one folder, hosted in
            ``settings.dtype``.
        settings: how it runs.
        model_name: what users know it by; None for the name of the folder.

    Raises:
        InputError: a precision does not run on the device.
        UnknownNameError: there is no such precision.
    """

    def __init__(
        self,
        model: Path | Mapping[str, Path],
        settings: TransformersSettings | None = None,
        model_name: str | None = None,
    ) -> None:
        settings = settings or TransformersSettings()
        self.folders = _folders(model, settings)
        super().__init__(
            "edgebatch.engines.transformers_worker:TransformersStepEngine",
            {
                "model_name": model_name or next(iter(self.folders.values())).resolve().name,
                "folders": {name: str(folder) for name, folder in self.folders.items()},
                "settings": settings,
            },
            name="transformers",
            start_timeout_seconds=settings.start_timeout_seconds,
            step_timeout_seconds=settings.step_timeout_seconds,
            is_padded=True,
            # a folder says all there is to know; nothing is asked of a hub
            environment={"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
        )
        self._is_on_cpu = settings.device == "cpu"
        self._group: list[GenerationRequest] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self) -> EngineInfo:
        """Load the model in every precision.

        Raises:
            EngineError: torch cannot run it, and why.
            InputError: a folder is not a model that transformers can load.
            MissingExtraError: torch or transformers is not installed.
        """
        if any(importlib.util.find_spec(name) is None for name in ("torch", "transformers")):
            raise MissingExtraError("the engine 'transformers'", "transformers")
        for folder in self.folders.values():
            if not (folder / "config.json").is_file():
                raise InputError(str(folder), "expected a folder with config.json, found none")
        self._loop = asyncio.get_running_loop()
        return await super().start()

    async def memory_bytes(self) -> int | None:
        """Return the resident memory of the child; None on a GPU, whose memory that leaves out."""
        return await super().memory_bytes() if self._is_on_cpu else None

    async def stop(self) -> None:
        """End the child."""
        self._group.clear()
        await super().stop()

    def _hand_over(self, message: GenerationRequest | Cancel) -> None:
        """Hold requests back until the caller has submitted all that it submits at once."""
        if isinstance(message, Cancel):
            self._close_group()
            super()._hand_over(message)
            return
        if not self._group and self._loop is not None:
            self._loop.call_soon(self._close_group)
        self._group.append(message)

    def _close_group(self) -> None:
        group, self._group = self._group, []
        for place, asked in enumerate(group, start=1):
            super()._hand_over(
                GroupMember(
                    asked.number,
                    asked.prompt,
                    asked.max_tokens,
                    asked.precision,
                    asked.sampling,
                    followers=len(group) - place,
                )
            )


def _folders(model: Path | Mapping[str, Path], settings: TransformersSettings) -> dict[str, Path]:
    folders = dict(model) if isinstance(model, Mapping) else {settings.dtype: model}
    if not folders:
        raise InputError("precision", "expected at least one to host")
    for name in folders:
        if name not in DTYPES and name not in WEIGHT_BITS:
            raise UnknownNameError("precision", name, (*DTYPES, *WEIGHT_BITS))
        if name in WEIGHT_BITS and settings.device != "cpu":
            raise InputError(
                "precision",
                f"{name!r} runs on the CPU only; on {settings.device} expected {', '.join(DTYPES)}",
            )
    return folders
