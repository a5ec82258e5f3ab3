"""What a stepping engine offers inside its child process, and the messages to and from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from edgebatch.engines.base import EngineInfo, GenerationRequest, Progress, Prompt


class StepEngine(Protocol):
    """One model behind steps; lives in a child process and may block.

    What :meth:`add` raises fails that request alone; what the others raise ends the engine.
    """

    def load(self) -> EngineInfo:
        """Load the model."""
        ...

    def encode(self, prompt: Prompt) -> tuple[int, ...]:
        """Return the prompt's token ids."""
        ...

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of token ids."""
        ...

    def add(self, request: GenerationRequest) -> None:
        """Let a request join at the next step."""
        ...

    def cancel(self, number: int) -> Progress | None:
        """Call a request off and return its end; None if it does not run."""
        ...

    @property
    def is_running(self) -> bool:
        """Whether a step would do anything."""
        ...

    def step(self) -> Sequence[Progress]:
        """Do one step and return what each request has gained."""
        ...


class Setup(NamedTuple):
    """First message to the worker.

    Attributes:
        factory: makes the :class:`StepEngine`, as ``package.module:function``.
        settings: its keyword arguments.
    """

    factory: str
    settings: Mapping[str, object]


class Cancel(NamedTuple):
    """A request is called off."""

    number: int


class Question(NamedTuple):
    """Something to encode (a prompt) or to decode (token ids)."""

    number: int
    content: Prompt | tuple[int, ...]


class Answer(NamedTuple):
    """The answer to the question of that number: token ids or text, or what was raised."""

    number: int
    content: tuple[int, ...] | str | Exception


Factory = Callable[..., StepEngine]


def one_line(error: Exception) -> str:
    """Return what an error says; C++ libraries put places in their source above what happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(("Exception from", "Check '"))]
    return " ".join(telling or lines)[:500] or type(error).__name__
