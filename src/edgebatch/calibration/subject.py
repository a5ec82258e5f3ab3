"""What is measured: a model, its precisions, and the engine that serves them."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgebatch.calibration.machine import memory_bytes
from edgebatch.calibration.plan import Limits
from edgebatch.cost import kv_bytes_per_token
from edgebatch.engines import Engine, EngineInfo, Prompt
from edgebatch.errors import InputError
from edgebatch.problem import Model, Precision

EngineMaker = Callable[[tuple[str, ...]], Engine]
"""Makes an engine, not started, that hosts precisions by name."""

_ANY_CONTEXT_TOKENS = 4096
_CACHE_SHARE = 0.5
"""Of the machine's memory, what caches may take while trials run."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be observed.

    Attributes:
        make_engine: makes the engine.
        model: the shape of what it serves.
        precisions: in which, with their bytes; the first is the reference.
        text: of which prompts are cut.
        max_context_tokens: of the model; None if unknown.
        least_text_tokens: that quality can be measured on.
    """

    make_engine: EngineMaker
    model: Model
    precisions: tuple[Precision, ...]
    text: str
    max_context_tokens: int | None = None
    least_text_tokens: int = 1

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the precisions."""
        return tuple(precision.name for precision in self.precisions)

    async def tokens(self, engine: Engine) -> tuple[int, ...]:
        """Return the text as a started engine reads it.

        Raises:
            EngineError: the engine has no tokenizer, or has died.
            InputError: the text is too short.
        """
        tokens = await engine.encode(Prompt(text=self.text))
        if len(tokens) < self.least_text_tokens:
            raise InputError(
                "--text",
                f"has {len(tokens)} tokens; expected at least {self.least_text_tokens}",
            )
        return tokens

    def limits(self, info: EngineInfo) -> Limits:
        """Return what trials may ask of an engine that says this of itself."""
        room = self._tokens_in(_CACHE_SHARE * memory_bytes())
        capacity = self.capacity_tokens(info)
        if capacity is not None:
            room = min(room, capacity)
        context = self._context(info)
        return Limits(context, info.max_running, cache_tokens=room)

    def capacity_tokens(self, info: EngineInfo) -> int | None:
        """Return the tokens that the engine's caches take at most; None if it does not tell."""
        rooms = [self._tokens_in(size) for size in _cache_bytes(info)]
        if info.max_running is not None:
            rooms.append(info.max_running * self._context(info))
        return min(rooms, default=None)

    def _tokens_in(self, cache_bytes: float) -> int:
        per_token = max(kv_bytes_per_token(self.model, each) for each in self.precisions)
        return int(cache_bytes / per_token)

    def _context(self, info: EngineInfo) -> int:
        contexts = (info.max_context_tokens, self.max_context_tokens)
        return min((known for known in contexts if known), default=_ANY_CONTEXT_TOKENS)


def _cache_bytes(info: EngineInfo) -> Sequence[float]:
    """Return the bytes of the caches that an engine says it has."""
    try:
        said = ast.literal_eval(info.settings.get("cache_bytes", ""))
    except (SyntaxError, ValueError):
        return ()
    return [float(size) for size in (said.values() if isinstance(said, dict) else [said]) if size]
