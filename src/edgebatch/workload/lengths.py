"""How many tokens requests bring, may get and really get."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from edgebatch.errors import InputError
from edgebatch.problem.checks import FloatArray, IntArray, frozen_array
from edgebatch.workload.distributions import Distribution, require_finite_mean, require_support
from edgebatch.workload.limits import EXACT_LIMIT, OutputLimit
from edgebatch.workload.rows import MAX_TOKENS, TraceRow
from edgebatch.workload.streams import Stream, Streams
from edgebatch.workload.traces import Trace


class DrawnLengths(NamedTuple):
    """Lengths of N requests: int64, shape (N,) each, 1 ≤ actual ≤ limit."""

    prompt_tokens: IntArray
    output_tokens: IntArray
    actual_output_tokens: IntArray


class Lengths(Protocol):
    """A source of lengths."""

    def draw(self, streams: Streams, size: int) -> DrawnLengths:
        """Return the lengths of the next ``size`` requests."""
        ...


@dataclass(frozen=True, slots=True)
class IndependentLengths:
    """Prompt and output lengths drawn from distributions, each by itself.

    Draws are rounded to whole tokens.

    Attributes:
        prompt_tokens: s_i.
        output_tokens: n_i, the limit.
        actual_fraction: share of the limit that is really produced, within [0, 1].
        actual_output_tokens: tokens that the model would produce without the limit. What exceeds
            the limit is cut off, so the mean of what is produced is lower than this one's.
            Only one of the two may be given; with neither, the limit is reached.

    Raises:
        InputError: a distribution may draw less than 1 token, or both of the last two are given.
    """

    prompt_tokens: Distribution
    output_tokens: Distribution
    actual_fraction: Distribution | None = None
    actual_output_tokens: Distribution | None = None

    def __post_init__(self) -> None:
        for name in ("prompt_tokens", "output_tokens", "actual_output_tokens"):
            distribution = getattr(self, name)
            if distribution is not None:
                require_support(name, distribution, minimum=1.0)
                require_finite_mean(name, distribution)
        if self.actual_fraction is not None:
            require_support("actual_fraction", self.actual_fraction, minimum=0.0, maximum=1.0)
            if self.actual_output_tokens is not None:
                raise InputError("actual_fraction", "must not stand beside actual_output_tokens")

    def draw(self, streams: Streams, size: int) -> DrawnLengths:
        """Return the lengths of the next ``size`` requests."""
        prompt = _whole(self.prompt_tokens.sample(streams[Stream.PROMPT_TOKENS], size))
        limit = _whole(self.output_tokens.sample(streams[Stream.OUTPUT_TOKENS], size))
        actual = limit
        generator = streams[Stream.ACTUAL_OUTPUT_TOKENS]
        if self.actual_fraction is not None:
            actual = _whole(self.actual_fraction.sample(generator, size) * limit)
        elif self.actual_output_tokens is not None:
            actual = np.minimum(_whole(self.actual_output_tokens.sample(generator, size)), limit)
        return DrawnLengths(prompt, limit, actual)


def _whole(draws: FloatArray) -> IntArray:
    return np.clip(np.rint(draws), 1, MAX_TOKENS).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class TraceLengths:
    """Pairs of prompt and output length, drawn together with replacement from a trace.

    Drawing pairs keeps the correlation of the two.

    Attributes:
        prompt_tokens, produced_tokens: int64, shape (rows,), read-only; at least one row.
        limit: which output limit goes with a produced length.
    """

    prompt_tokens: IntArray
    produced_tokens: IntArray
    limit: OutputLimit = EXACT_LIMIT

    def __post_init__(self) -> None:
        for name in ("prompt_tokens", "produced_tokens"):
            object.__setattr__(self, name, frozen_array(getattr(self, name), np.int64))
        if not 0 < self.prompt_tokens.size == self.produced_tokens.size:
            raise InputError("prompt_tokens", "must be as many as produced_tokens, at least one")

    @classmethod
    def from_trace(cls, trace: Trace, limit: OutputLimit = EXACT_LIMIT) -> TraceLengths:
        """Return the lengths of all rows of a trace (16 bytes each in memory).

        Raises:
            InputError: the trace cannot be read.
        """
        lengths = array("q")
        row: TraceRow
        for row in trace:
            lengths.extend(row[1:3])
        pairs = np.frombuffer(lengths, dtype=np.int64)
        return cls(pairs[0::2], pairs[1::2], limit)

    def draw(self, streams: Streams, size: int) -> DrawnLengths:
        """Return the lengths of the next ``size`` requests."""
        rows = streams[Stream.TRACE_ROWS].integers(self.prompt_tokens.size, size=size)
        produced = self.produced_tokens[rows]
        limit = self.limit.limits(produced)
        return DrawnLengths(self.prompt_tokens[rows], limit, np.minimum(produced, limit))
