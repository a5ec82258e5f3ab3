"""Workloads drawn from distributions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Self

import numpy as np

from edgebatch.errors import InputError
from edgebatch.problem.checks import FloatArray, require_count, require_number
from edgebatch.workload.arrival import Arrival
from edgebatch.workload.base import CHUNK_REQUESTS
from edgebatch.workload.demands import Demands
from edgebatch.workload.lengths import Lengths
from edgebatch.workload.processes import ArrivalProcess
from edgebatch.workload.streams import Stream, Streams, generator_for

_MOST_REQUESTS = 1e9
"""More would take days; whoever asks for them has most likely slipped."""


@dataclass(frozen=True)
class SyntheticWorkload:
    """Requests that arrive by a random process, with drawn lengths and demands.

    Request k has the same lengths and demands whatever the process, its rate, and where the
    workload ends: loads and lengths of run can be compared with common random numbers.

    Attributes:
        process: how they arrive.
        lengths: how long they are.
        demands: what they demand.
        num_requests: end after so many; None for no such end.
        duration_seconds: end before this time; None for no such end. One end must be given.
        seed: of all streams, at least 0.

    Raises:
        InputError: a value is out of its range, or there is no end.
    """

    process: ArrivalProcess
    lengths: Lengths
    demands: Demands
    num_requests: int | None = None
    duration_seconds: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.num_requests is None and self.duration_seconds is None:
            raise InputError("num_requests", "must be given unless duration_seconds is")
        if self.num_requests is not None:
            require_count("num_requests", self.num_requests)
        if self.duration_seconds is not None:
            require_number("duration_seconds", self.duration_seconds, exclusive=True)
            expected = self.process.rate_per_second * self.duration_seconds
            if self.num_requests is None and expected > _MOST_REQUESTS:
                raise InputError(
                    "duration_seconds",
                    f"would bring about {expected:.3g} requests, expected at most "
                    f"{_MOST_REQUESTS:g}; lower it or the rate, or give num_requests",
                )
        generator_for(self.seed, Stream.ARRIVALS)

    @property
    def mean_rate(self) -> float:
        """The rate of the process, per second."""
        return self.process.rate_per_second

    def scaled(self, rate_factor: float) -> Self:
        """Return the same requests, arriving ``rate_factor`` times as fast.

        A duration stays as it is, so a faster workload has more requests.
        """
        return replace(self, process=self.process.scaled(rate_factor))

    def __iter__(self) -> Iterator[Arrival]:
        streams = Streams(self.seed)
        first = 0
        for seconds in self._arrival_times(streams[Stream.ARRIVALS]):
            yield from self._chunk(streams, first, seconds)
            first += seconds.size

    def _arrival_times(self, generator: np.random.Generator) -> Iterator[FloatArray]:
        """Yield chunks of arrival times until the end; only the last is short."""
        left = math.inf if self.num_requests is None else self.num_requests
        end = math.inf if self.duration_seconds is None else self.duration_seconds
        now = 0.0
        while left > 0 and now < end:
            times = now + np.cumsum(self.process.gaps_seconds(generator, CHUNK_REQUESTS))
            now = float(times[-1])
            times = times[: int(min(left, np.searchsorted(times, end)))]
            left -= times.size
            yield times

    def _chunk(self, streams: Streams, first: int, seconds: FloatArray) -> Iterator[Arrival]:
        # always a whole chunk of draws, so that where the workload ends changes none of them
        lengths = self.lengths.draw(streams, CHUNK_REQUESTS)
        demands = self.demands.draw(streams, lengths.output_tokens)
        bits = demands.prompt_bits
        columns = zip(
            range(first, first + seconds.size),
            seconds.tolist(),
            *(column.tolist() for column in lengths),
            demands.deadline_seconds.tolist(),
            demands.min_quality.tolist(),
            demands.value.tolist(),
            repeat(None) if bits is None else bits.tolist(),
            demands.tenant.tolist(),
            repeat(math.inf) if demands.ttft_seconds is None else demands.ttft_seconds.tolist(),
            strict=False,
        )
        return map(Arrival._make, columns)
