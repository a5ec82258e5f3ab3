"""Small batches that an engine is given to see how long they take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

FEWEST_TIMED_PASSES = 4
"""The time of fewer between two arrivals over HTTP is jitter as much as it is decoding."""


class Lengths(NamedTuple):
    """One request of a trial: tokens of its prompt and of its answer."""

    prompt_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Trial:
    """A batch of requests that join together, and perhaps others that join them later.

    Attributes:
        precision: in which it runs.
        members: those who join first, all at once.
        joiners: those who join together while all of the members are decoding.
        held_out: whether it is kept from the fit, to see how well the fit predicts it.
    """

    precision: str
    members: tuple[Lengths, ...]
    joiners: tuple[Lengths, ...] = ()
    held_out: bool = False

    @property
    def cached_tokens(self) -> int:
        """Most tokens that it can have in the cache at once."""
        return sum(sum(lengths) for lengths in self._all())

    @property
    def prompt_tokens(self) -> int:
        """Σ P over all who take part."""
        return sum(lengths.prompt_tokens for lengths in self._all())

    @property
    def passes(self) -> int:
        """About how many forward passes it takes."""
        return sum(
            max((lengths.output_tokens for lengths in group), default=0)
            for group in (self.members, self.joiners)
        )

    @property
    def size(self) -> int:
        """Most members at once."""
        return len(self.members) + len(self.joiners)

    def _all(self) -> Iterator[Lengths]:
        yield from self.members
        yield from self.joiners


def uneven(trial: Trial) -> Trial:
    """Return a trial with the last prompt of several a token shorter."""
    *others, last = trial.members
    if not others:
        return trial
    shorter = Lengths(max(1, last.prompt_tokens - 1), last.output_tokens)
    return replace(trial, members=(*others, shorter))


def level_trial(precision: str, size: int, prompt_tokens: int, output_tokens: int) -> Trial:
    """Return a trial in which everyone is as long as the others."""
    return Trial(precision, (Lengths(prompt_tokens, output_tokens),) * size)
