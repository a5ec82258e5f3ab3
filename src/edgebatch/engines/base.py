"""The seam behind which inference engines stand.

An engine is started, given requests, and asked again and again what has happened since: a
:class:`Report` says which requests gained which tokens, and which of them ended. Who is submitted
when is not its business; what was submitted joins at the engine's next step. A report that cannot
come, because the engine has died, hangs or ran out of memory, is an :class:`EngineError`; all that
was running is then lost and :meth:`Engine.stop` leaves nothing behind.

Instants are those of :func:`time.monotonic`, which all processes of a machine share.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, NamedTuple

Message = Mapping[str, object]
"""One message of a conversation, as in OpenAI's API: at least ``role`` and ``content``."""


class Finish(StrEnum):
    """Why a request produces no more tokens."""

    STOP = "stop"
    """The model ended its answer, or a stop sequence came."""
    LENGTH = "length"
    """Its limit was reached."""
    CANCELLED = "cancelled"
    """It was called off."""
    FAILED = "failed"
    """The engine could not go on with it, but with others it can."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are chosen.

    Attributes:
        temperature: 0 takes the likeliest token.
        top_p: smallest set of tokens of this probability.
        seed: of the random choice; None for any.
        stop: texts that end the answer; they are not part of it.
        ignore_end: whether the model's own end-of-answer token is ignored, so that an answer is
            as long as its limit.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    ignore_end: bool = False


@dataclass(frozen=True, slots=True)
class Prompt:
    """What an answer is asked to: exactly one of three forms.

    Attributes:
        text: plain text.
        messages: a conversation, which the model's chat template turns into text.
        tokens: token ids.
    """

    text: str | None = None
    messages: tuple[Message, ...] | None = None
    tokens: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """A request as the engine sees it.

    Attributes:
        number: names it; unique among those that run.
        prompt: what to answer.
        max_tokens: most tokens of the answer.
        precision: name of the hosted precision that answers.
        sampling: how tokens are chosen.
        headers: sent along by engines behind HTTP, such as the trace that it belongs to.
    """

    number: int
    prompt: Prompt
    max_tokens: int
    precision: str
    sampling: Sampling = field(default_factory=Sampling)
    headers: Mapping[str, str] = field(default_factory=dict)


class Progress(NamedTuple):
    """What one request gained.

    Attributes:
        number: which request.
        num_tokens: new tokens; 0 is possible when it only ended.
        text: their text; the bytes of an unfinished character come with a later report.
        tokens: their ids, where the engine tells them.
        finish: why it ended; None if it goes on.
        error: what went wrong, for :attr:`Finish.FAILED`.
        prompt_tokens: tokens of its prompt by the engine's own count, if that comes with the end.
        is_refused: whether it failed because of what was asked, so that asking again is of no use.
    """

    number: int
    num_tokens: int
    text: str = ""
    tokens: tuple[int, ...] = ()
    finish: Finish | None = None
    error: str = ""
    prompt_tokens: int | None = None
    is_refused: bool = False


class Report(NamedTuple):
    """What has happened since the last report; of a stepping engine, one step.

    Attributes:
        at_seconds: when it happened, on the clock of :func:`time.monotonic`.
        progress: who gained what, at most one entry a request.
        step_seconds: how long the engine's step took; None if it does not tell its steps.
    """

    at_seconds: float
    progress: tuple[Progress, ...]
    step_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What a started engine says of itself.

    Attributes:
        engine: its name in the registry, such as ``openvino``.
        version: of the library or server behind it; empty if unknown.
        model: what it serves, as shown to users.
        precisions: names of the hosted precisions.
        max_context_tokens: most tokens of prompt and answer; None if unknown.
        max_running: most requests that it runs at once; None for as many as memory allows.
        vocabulary_size: token ids lie below; None if unknown.
        settings: what else matters to whoever compares figures, such as run-time quantisation.
        has_steps: whether its reports are its steps.
        start_seconds: how long starting took.
        preallocates: whether it takes the memory of all its caches as it starts.
    """

    engine: str
    version: str
    model: str
    precisions: tuple[str, ...]
    max_context_tokens: int | None = None
    max_running: int | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    has_steps: bool = False
    start_seconds: float = 0.0
    vocabulary_size: int | None = None
    preallocates: bool = False


class Engine(ABC):
    """One inference engine with one model in one or several precisions.

    All methods are called from one event loop, in which they must not block. Between
    :meth:`start` and :meth:`stop`, reports must be taken by one consumer.

    Attributes:
        is_remote: whether others start what computes, so that to start the engine is only to look
            whether it is there.
    """

    is_remote: ClassVar[bool] = False

    @abstractmethod
    async def start(self) -> EngineInfo:
        """Load the model and return once requests can be taken.

        Raises:
            EngineError: it cannot, and why; nothing is left running.
            MissingExtraError: the library behind it is not installed.
            InputError: the model is not one that it can load.
        """

    @abstractmethod
    async def encode(self, prompt: Prompt) -> tuple[int, ...]:
        """Return the prompt's token ids, as the model would read them.

        Raises:
            EngineError: the engine has no tokenizer to ask, or has died.
            InputError: the prompt is one that it cannot read.
        """

    @abstractmethod
    async def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of token ids.

        Raises:
            EngineError: the engine has no tokenizer to ask, or has died.
        """

    @abstractmethod
    def submit(self, request: GenerationRequest) -> None:
        """Let a request join at the next step; does not wait for it.

        Raises:
            InputError: the precision is not hosted.
        """

    @abstractmethod
    def cancel(self, number: int) -> None:
        """Call a request off; its end is reported, with the tokens that it has gained by then.

        Nothing happens if it has ended already.
        """

    @property
    @abstractmethod
    def running(self) -> frozenset[int]:
        """Numbers of the requests that were submitted and whose end has not been reported."""

    @abstractmethod
    async def report(self) -> Report:
        """Wait for something to happen and return it.

        Raises:
            EngineError: the engine has died, hangs, or cannot go on.
        """

    @abstractmethod
    async def memory_bytes(self) -> int | None:
        """Return the memory that the engine's processes hold now; None if it cannot be known."""

    @abstractmethod
    async def stop(self) -> None:
        """End the engine and all its processes; may be called at any time, and twice."""
