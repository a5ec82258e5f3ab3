"""Workloads that replay a recorded trace."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import Self, TypeVar

import numpy as np

from edgebatch.errors import InputError
from edgebatch.problem.checks import FloatArray, require_count, require_number
from edgebatch.workload.arrival import Arrival
from edgebatch.workload.base import CHUNK_REQUESTS
from edgebatch.workload.demands import Demands
from edgebatch.workload.limits import EXACT_LIMIT, OutputLimit
from edgebatch.workload.rows import TraceRow
from edgebatch.workload.streams import Stream, Streams, generator_for
from edgebatch.workload.traces import Trace

T = TypeVar("T")

LONG_PROMPT = "prompts that are too long"
"""Why rows above ``max_prompt_tokens`` are left out."""


@dataclass(frozen=True)
class TraceWorkload:
    """The requests of a trace, as recorded or on another time scale.

    Whatever the trace says of a request (deadline, quality, bits) holds; the rest is drawn, the
    same for every ``rate_factor``.

    Attributes:
        trace: the recorded requests; must hold arrival times.
        demands: what is drawn where the trace does not say.
        limit: which output limit the scheduler is told for a recorded length.
        rate_factor: arrivals come so many times as fast as recorded.
        start_seconds, end_seconds: only rows that arrived from start to before end are replayed,
            in the time of the trace; start becomes time 0.
        num_requests: end after so many; None for all.
        max_prompt_tokens: most tokens that a prompt may have; None for any.
        clip_prompts: whether a longer prompt is cut to that length instead of left out.
        seed: of all streams, at least 0.

    Raises:
        InputError: a value is out of its range, or the trace has lengths only.
    """

    trace: Trace
    demands: Demands
    limit: OutputLimit = EXACT_LIMIT
    rate_factor: float = 1.0
    start_seconds: float = 0.0
    end_seconds: float = math.inf
    num_requests: int | None = None
    max_prompt_tokens: int | None = None
    clip_prompts: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.trace.format.has_arrivals:
            raise InputError(
                str(self.trace.path),
                "holds lengths only, no arrival times; draw arrivals from a process instead",
            )
        require_number("rate_factor", self.rate_factor, exclusive=True)
        require_number("start_seconds", self.start_seconds)
        if not self.end_seconds > self.start_seconds:
            raise InputError(
                "end_seconds",
                f"must be above start_seconds ({self.start_seconds:g}), got {self.end_seconds!r}",
            )
        for name in ("num_requests", "max_prompt_tokens"):
            if getattr(self, name) is not None:
                require_count(name, getattr(self, name))
        generator_for(self.seed, Stream.DEADLINE)

    @cached_property
    def mean_rate(self) -> float | None:
        """Gaps between the first and the last arrival, per second; reads the trace once.

        None where all arrive at once or there are fewer than two.
        """
        count, first, last = 0, 0.0, 0.0
        for row in self._rows(Counter()):
            last = row.arrival_seconds
            first = last if count == 0 else first
            count += 1
        return (count - 1) / (last - first) * self.rate_factor if last > first else None

    def scaled(self, rate_factor: float) -> Self:
        """Return the same requests, arriving ``rate_factor`` times as fast."""
        require_number("rate_factor", rate_factor, exclusive=True)
        return replace(self, rate_factor=self.rate_factor * rate_factor)

    def count_skipped(self) -> dict[str, int]:
        """Return how many rows of the window are left out, by reason; reads the trace once."""
        skipped: Counter[str] = Counter()
        for _ in self._rows(skipped):
            pass
        return dict(skipped)

    def __iter__(self) -> Iterator[Arrival]:
        streams = Streams(self.seed)
        rows = self._rows(Counter())
        first = 0
        while chunk := list(islice(rows, CHUNK_REQUESTS)):
            yield from self._chunk(streams, first, chunk)
            first += len(chunk)

    def _rows(self, skipped: Counter[str]) -> Iterator[TraceRow]:
        return islice(self._window(skipped), self.num_requests)

    def _window(self, skipped: Counter[str]) -> Iterator[TraceRow]:
        most = math.inf if self.max_prompt_tokens is None else self.max_prompt_tokens
        for row in self.trace.rows(skipped):
            if row.arrival_seconds < self.start_seconds:
                continue
            if row.arrival_seconds >= self.end_seconds:
                return
            if row.prompt_tokens <= most:
                yield row
            elif self.clip_prompts:
                yield row._replace(prompt_tokens=int(most))
            else:
                skipped[LONG_PROMPT] += 1

    def _chunk(self, streams: Streams, first: int, chunk: Sequence[TraceRow]) -> Iterator[Arrival]:
        seconds, prompt, output, deadline, quality, bits = zip(*chunk, strict=True)
        produced = np.array(output, dtype=np.int64)
        limit = self.limit.limits(produced)
        demands = self.demands.draw(streams, limit)
        drawn_bits = demands.prompt_bits
        columns = zip(
            range(first, first + len(chunk)),
            ((np.array(seconds) - self.start_seconds) / self.rate_factor).tolist(),
            prompt,
            limit.tolist(),
            np.minimum(produced, limit).tolist(),
            _recorded_or_drawn(deadline, demands.deadline_seconds),
            _recorded_or_drawn(quality, demands.min_quality),
            demands.value.tolist(),
            bits if drawn_bits is None else _recorded_or_drawn(bits, drawn_bits),
            demands.tenant.tolist(),
            [math.inf] * len(chunk)
            if demands.ttft_seconds is None
            else demands.ttft_seconds.tolist(),
            strict=True,
        )
        return map(Arrival._make, columns)


def _recorded_or_drawn(recorded: Sequence[float | None], drawn: FloatArray) -> list[float]:
    return [
        own if own is not None else other
        for own, other in zip(recorded, drawn.tolist(), strict=True)
    ]
