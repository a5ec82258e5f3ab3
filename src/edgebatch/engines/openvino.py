"""OpenVINO GenAI as an engine: continuous batching in a child process, one pipeline a precision."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from edgebatch.engines.base import EngineInfo
from edgebatch.engines.child import ChildEngine
from edgebatch.errors import InputError, MissingExtraError, UnknownNameError
from edgebatch.problem.checks import require_number

MODEL_FILE = "openvino_model.xml"
CACHE_BYTES = {"f16": 2.0, "bf16": 2.0, "f32": 4.0, "u8": 1.2}
"""Of a value in the key-value cache; scales and zero points of ``u8`` take a fifth more."""
_LEAST = {
    "threads": 1,
    "max_batch": 1,
    "max_context_tokens": 1,
    "dynamic_quantization_group_size": 0,
    "kept_kernels": 0,
}
_NEEDED_FILES = (
    MODEL_FILE,
    "openvino_model.bin",
    "openvino_tokenizer.xml",
    "openvino_detokenizer.xml",
)


@dataclass(frozen=True, slots=True)
class OpenVinoSettings:
    """How OpenVINO runs.

    Attributes:
        device: ``CPU``, ``GPU`` or ``NPU``, as OpenVINO calls it.
        threads: of the CPU; None for one a core.
        max_batch: most requests that are in a step; the others wait inside the engine.
        cache_bytes: most memory of the key-value cache of each precision; None for as much as
            ``max_batch`` requests of the model's whole context would need, and for all precisions
            together at most half of what is available at the start. It is taken as it fills.
        max_context_tokens: most tokens of prompt and answer; None for what the model's
            ``config.json`` says.
        inference_precision: in what the CPU computes (``bf16``, ``f16``, ``f32``); None for the
            16-bit format that the device computes in, or f32 if there is none.
        kv_cache_precision: one of :data:`CACHE_BYTES`.
        dynamic_quantization_group_size: how many neighbouring activations are quantised to 8 bits
            with one scale, at run time, before they meet quantised weights; 0 leaves them as they
            are.
        prefix_caching: whether prompts with a known beginning are computed only from where they
            differ. Their prefills then take less time than a cost model can know.
        kept_kernels: how many kernels the CPU keeps that were made for a certain number of tokens
            in a step. Steps with joiners nearly always have a new number, so with OpenVINO's own
            5000 the memory grows for hours.
        step_timeout_seconds: how long requests may run without a step before the engine counts as
            hung, beside the time for prompts that have not been read.
        start_timeout_seconds: how long loading all precisions may take.
    """

    device: str = "CPU"
    threads: int | None = None
    max_batch: int = 256
    cache_bytes: float | None = None
    max_context_tokens: int | None = None
    inference_precision: str | None = None
    kv_cache_precision: str = "f16"
    dynamic_quantization_group_size: int = 32
    prefix_caching: bool = False
    kept_kernels: int = 100
    step_timeout_seconds: float = 30.0
    start_timeout_seconds: float = 600.0

    def __post_init__(self) -> None:
        """Check what OpenVINO would misunderstand.

        Raises:
            InputError: a number is too small, or the cache's format is not one of the known ones.
        """
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise InputError(name, f"expected at least {least}, got {value}")
        for name in ("step_timeout_seconds", "start_timeout_seconds"):
            require_number(name, getattr(self, name), exclusive=True)
        if self.cache_bytes is not None:
            require_number("cache_bytes", self.cache_bytes, exclusive=True)
        if self.kv_cache_precision not in CACHE_BYTES:
            raise UnknownNameError("kv_cache_precision", self.kv_cache_precision, CACHE_BYTES)


class OpenVinoEngine(ChildEngine):
    """Serves a model in OpenVINO's format.

    A step is a step of one precision's pipeline: all its running requests gain a token, and the
    whole prompts of those that joined are read in the same step. If requests run in several
    precisions, these take turns.

    Args:
        model: a folder with one folder of OpenVINO's intermediate representation for each
            precision, named after it; or these folders by precision; or one such folder, whose
            precision is then called after it.
        settings: how it runs.
        model_name: what users know it by; None for the name of the folder around the precisions'.
    """

    def __init__(
        self,
        model: Path | Mapping[str, Path],
        settings: OpenVinoSettings | None = None,
        model_name: str | None = None,
    ) -> None:
        settings = settings or OpenVinoSettings()
        self.folders = _folders(model)
        super().__init__(
            "edgebatch.engines.openvino_worker:OpenVinoStepEngine",
            {
                "model_name": model_name or next(iter(self.folders.values())).resolve().parent.name,
                "folders": {name: str(folder) for name, folder in self.folders.items()},
                "settings": settings,
            },
            name="OpenVINO",
            start_timeout_seconds=settings.start_timeout_seconds,
            step_timeout_seconds=settings.step_timeout_seconds,
            # the library below OpenVINO keeps what it makes a second time
            environment={"ONEDNN_PRIMITIVE_CACHE_CAPACITY": str(settings.kept_kernels)},
        )

    async def start(self) -> EngineInfo:
        """Load the model in every precision.

        Raises:
            EngineError: OpenVINO cannot run it, and why.
            InputError: a folder is not a model that OpenVINO can load.
            MissingExtraError: OpenVINO GenAI is not installed.
        """
        if importlib.util.find_spec("openvino_genai") is None:
            raise MissingExtraError("the engine 'openvino'", "engine")
        for folder in self.folders.values():
            _check_files(folder)
        return await super().start()


def describe(settings: OpenVinoSettings) -> dict[str, str]:
    """Return what of the settings matters to whoever compares figures, as texts."""
    left_out = {"step_timeout_seconds", "start_timeout_seconds", "max_context_tokens", "max_batch"}
    return {name: str(value) for name, value in asdict(settings).items() if name not in left_out}


def _folders(model: Path | Mapping[str, Path]) -> dict[str, Path]:
    if isinstance(model, Mapping):
        folders = {name: Path(folder) for name, folder in model.items()}
    elif (model / MODEL_FILE).exists():
        folders = {model.resolve().name: model}
    else:
        folders = {found.parent.name: found.parent for found in model.glob(f"*/{MODEL_FILE}")}
    if not folders:
        raise InputError(str(model), f"expected folders with a file {MODEL_FILE}, found none")
    return dict(sorted(folders.items()))


def _check_files(folder: Path) -> None:
    for name in _NEEDED_FILES:
        if not (folder / name).is_file():
            raise InputError(str(folder / name), "no such file; a model for OpenVINO needs it")
