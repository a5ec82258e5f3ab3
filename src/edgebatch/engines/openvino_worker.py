"""The part of the OpenVINO engine that lives in the child process."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgebatch.engines.base import EngineInfo, Finish, GenerationRequest, Progress, Prompt
from edgebatch.engines.openvino import OpenVinoSettings, describe
from edgebatch.engines.openvino_pipeline import HostedModel, cache_bytes_each, load
from edgebatch.engines.text import GrowingText

if TYPE_CHECKING:
    import openvino_genai


@dataclass(slots=True)
class _Running:
    """A request; without a handle it waits for a place in the batch."""

    model: HostedModel
    config: openvino_genai.GenerationConfig
    tokens: tuple[int, ...]
    text: GrowingText
    handle: openvino_genai.GenerationHandle | None = None


class OpenVinoStepEngine:
    """Steps the pipelines of all hosted precisions, those with requests in turn.

    Args:
        model_name: of the model, as users know it.
        folders: of each precision, the folder of its model.
        settings: how OpenVINO runs.
    """

    def __init__(
        self, model_name: str, folders: Mapping[str, str], settings: OpenVinoSettings
    ) -> None:
        self._model_name = model_name
        self._folders = folders
        self._settings = settings
        self._models: dict[str, HostedModel] = {}
        self._running: dict[int, _Running] = {}
        self._turns: list[HostedModel] = []
        self._to_free: set[int] = set()
        self._keys = itertools.count()

    def load(self) -> EngineInfo:
        """Load all precisions and run each once, so that the first step is like any other."""
        import openvino_genai

        most_cache_bytes = cache_bytes_each(len(self._folders))
        for name, folder in self._folders.items():
            self._models[name] = load(Path(folder), self._settings, most_cache_bytes)
        models = list(self._models.values())
        self._turns = models
        settings = describe(self._settings) | {
            "inference_precision": models[0].inference_precision,
            "cache_bytes": str({name: model.cache_bytes for name, model in self._models.items()}),
        }
        contexts = [model.max_context_tokens for model in models]
        known = [context for context in contexts if context is not None]
        return EngineInfo(
            engine="openvino",
            version=openvino_genai.__version__,
            model=self._model_name,
            precisions=tuple(self._models),
            max_context_tokens=min(known) if known else None,
            max_running=self._settings.max_batch,
            vocabulary_size=models[0].vocabulary_size,
            settings=settings,
            has_steps=True,
        )

    def encode(self, prompt: Prompt) -> tuple[int, ...]:
        """Return the prompt's token ids; all precisions are taken to have the same tokenizer."""
        return self._turns[0].encode(prompt)

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of token ids, without special ones."""
        return str(self._turns[0].tokenizer.decode(list(tokens)))

    def add(self, request: GenerationRequest) -> None:
        """Let a request join the next step of its precision in which there is a place.

        Raises:
            EngineError: it cannot be served, and why.
            RuntimeError: its sampling is impossible.
        """
        model = self._models[request.precision]
        tokens = model.encode(request.prompt)
        model.check(tokens, request.max_tokens)
        config = model.generation_config(request)
        config.validate()
        text = GrowingText(request.sampling.stop)
        self._running[request.number] = _Running(model, config, tokens, text)

    def cancel(self, number: int) -> Progress | None:
        """Call a request off; its cache is free after the next step of its precision."""
        running = self._running.pop(number, None)
        if running is None:
            return None
        self._drop(running)
        known, both = running.model.tokenizer.decode(list(running.text.add(())))
        text = running.text.text(known, both, is_last=True)
        return Progress(number, 0, text=text, finish=Finish.CANCELLED)

    @property
    def is_running(self) -> bool:
        """Whether any precision has requests."""
        return bool(self._running)

    def step(self) -> Sequence[Progress]:
        """Step the next precision that has requests."""
        busy = {id(running.model) for running in self._running.values()}
        model = next(model for model in self._turns if id(model) in busy)
        self._turns = [other for other in self._turns if other is not model] + [model]
        if id(model) in self._to_free:
            # a joiner that needs the room of a dropped request would fail in the step that frees it
            self._to_free.remove(id(model))
        else:
            self._admit(model)
        model.pipeline.step()
        return self._gains(model)

    def _drop(self, running: _Running) -> None:
        if running.handle is not None:
            running.handle.cancel()
            self._to_free.add(id(running.model))

    def _admit(self, model: HostedModel) -> None:
        """Give the places in the batch to those who came first.

        The library's own limit on the batch does not hold where prompts and decoding share steps.
        """
        import openvino

        members = [running for running in self._running.values() if running.model is model]
        for running in members[: self._settings.max_batch]:
            if running.handle is None:
                prompt = openvino.Tensor(np.array([running.tokens], dtype=np.int64))
                running.handle = model.pipeline.add_request(
                    next(self._keys), prompt, running.config
                )

    def _gains(self, model: HostedModel) -> list[Progress]:
        gains: list[tuple[int, list[int], Finish | None]] = []
        windows: list[list[int]] = []
        for number, running in self._running.items():
            if running.model is not model or running.handle is None:
                continue
            tokens, finish = _read(running.handle)
            if tokens or finish:
                gains.append((number, tokens, finish))
                windows += running.text.add(tokens)
        # one call for all: each is an inference of the detokenizer
        texts = model.tokenizer.decode(windows) if windows else []
        return [
            self._progress(*gain, *pair)
            for gain, pair in zip(gains, zip(texts[::2], texts[1::2], strict=True), strict=True)
        ]

    def _progress(
        self, number: int, tokens: list[int], finish: Finish | None, known: str, both: str
    ) -> Progress:
        running = self._running[number]
        text = running.text.text(known, both, is_last=finish is not None)
        if running.text.is_stopped:
            if finish is None:
                self._drop(running)
            finish = Finish.STOP
        if finish is not None:
            del self._running[number]
        error = "the key-value cache is full" if finish is Finish.FAILED else ""
        return Progress(number, len(tokens), text, tuple(tokens), finish, error)


def _read(handle: openvino_genai.GenerationHandle) -> tuple[list[int], Finish | None]:
    """Return the tokens that a request has gained, and why it ended if it has."""
    from openvino_genai import GenerationFinishReason, GenerationStatus

    tokens: list[int] = []
    reason = GenerationFinishReason.NONE
    while handle.can_read():
        for output in handle.read().values():
            tokens += output.generated_ids
            reason = output.finish_reason
    status = handle.get_status()
    if status == GenerationStatus.RUNNING:
        return tokens, None
    if status != GenerationStatus.FINISHED:
        return tokens, Finish.FAILED
    return tokens, Finish.LENGTH if reason == GenerationFinishReason.LENGTH else Finish.STOP
