"""What is measured: a model, its precisions, and the engine that serves them."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgebatch.calibration.cuts import Cuts, TextCuts, TokenCuts
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
_TEXT_SHARE = 0.8
"""Of the context, what trials may ask for if their prompts are only about as long as wanted."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How an engine is asked for answers of a wanted length to prompts of a wanted length.

    Attributes:
        characters_per_token: of the text, where prompts must go as text; None where they go as
            token ids.
        ignores_end: whether it can be told to go on after the end of an answer.
    """

    characters_per_token: float | None = None
    ignores_end: bool = True


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
        manner: how trials are asked for.
        cache_tokens: most tokens that its caches hold together, where somebody says so; None for
            what the engine tells.
        is_elsewhere: whether it is not this machine's memory that it takes.
    """

    make_engine: EngineMaker
    model: Model
    precisions: tuple[Precision, ...]
    text: str
    max_context_tokens: int | None = None
    least_text_tokens: int = 1
    manner: Manner = Manner()
    cache_tokens: int | None = None
    is_elsewhere: bool = False

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

    async def cuts(self, engine: Engine, seed: int) -> Cuts:
        """Return where prompts for a started engine come from.

        Raises:
            EngineError: the engine has died.
            InputError: the text is too short.
        """
        if self.manner.characters_per_token is not None:
            return TextCuts(self.text, self.manner.characters_per_token, seed)
        return TokenCuts(await self.tokens(engine), seed)

    def limits(self, info: EngineInfo) -> Limits:
        """Return what trials may ask of an engine that says this of itself."""
        rooms = [self.capacity_tokens(info)]
        if not self.is_elsewhere:
            rooms.append(self._tokens_in(_CACHE_SHARE * memory_bytes()))
        context = self._context(info)
        if self.manner.characters_per_token is not None:
            context = int(_TEXT_SHARE * context)
        room = min((room for room in rooms if room is not None), default=None)
        return Limits(context, info.max_running, cache_tokens=room)

    def capacity_tokens(self, info: EngineInfo) -> int | None:
        """Return the tokens that the engine's caches take at most; None if it does not tell."""
        if self.cache_tokens is not None:
            return self.cache_tokens
        rooms = [self._tokens_in(size) for size in _cache_bytes(info)]
        if "cache_tokens" in info.settings:
            rooms.append(int(info.settings["cache_tokens"]))
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
