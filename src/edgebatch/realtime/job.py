"""What an engine has to know of a request, and who wants to hear how it goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from edgebatch.engines import Progress, Prompt, Sampling
from edgebatch.scheduling import RequestRecord


class Joined(NamedTuple):
    """What is known of a request when it is handed to the engine.

    Attributes:
        precision: name of the precision that answers.
        at_seconds: when that is, on the dispatcher's clock.
        believed_end_seconds: when its last token is believed to come, if it is as long as its
            limit.
    """

    precision: str
    at_seconds: float
    believed_end_seconds: float


@dataclass(frozen=True, slots=True)
class Job:
    """The part of a request that the scheduler does not look at.

    Attributes:
        prompt: what to answer.
        sampling: how tokens are chosen.
        max_tokens: most tokens that the engine may produce; None for the limit that the
            scheduler was told.
        headers: for an engine behind HTTP to send along.
        on_joined: told when it is handed to the engine, and when it is believed to end.
        on_progress: told of every token, and of the end of them.
        on_end: told once how the request ended, whatever way.
    """

    prompt: Prompt
    sampling: Sampling = field(default_factory=Sampling)
    max_tokens: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    on_joined: Callable[[Joined], None] | None = None
    on_progress: Callable[[Progress], None] | None = None
    on_end: Callable[[RequestRecord], None] | None = None
