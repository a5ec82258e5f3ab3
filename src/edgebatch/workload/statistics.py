"""What a trace is like, in one pass and in memory that does not grow with it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import numpy as np

from edgebatch.errors import InputError
from edgebatch.problem.checks import FloatArray
from edgebatch.workload.base import CHUNK_REQUESTS
from edgebatch.workload.rows import TraceRow

FANO_WINDOW_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class TokenStatistics:
    """Token counts of all rows; percentiles are counts that occur (nearest rank)."""

    mean: float
    minimum: int
    p50: int
    p95: int
    p99: int
    maximum: int


@dataclass(frozen=True, slots=True)
class TraceStatistics:
    """What a trace is like.

    Attributes:
        requests: number of rows.
        span_seconds: from the first arrival to the last.
        mean_rate_per_second: gaps per second of span; None if the span is 0.
        interarrival_cv: standard deviation of the gaps over their mean: 1 is Poisson, more is
            burstier; None if the span is 0 or there are fewer than two gaps.
        fano_factor: variance over mean of the arrivals in windows of FANO_WINDOW_SECONDS: 1 is
            Poisson, more means that the load itself changes; None with fewer than two windows.
        prompt_tokens, output_tokens: the lengths.
    """

    requests: int
    span_seconds: float
    mean_rate_per_second: float | None
    interarrival_cv: float | None
    fano_factor: float | None
    prompt_tokens: TokenStatistics
    output_tokens: TokenStatistics

    def to_dict(self) -> dict[str, Any]:
        """Return the statistics as plain data for JSON."""
        return asdict(self)


def trace_statistics(rows: Iterable[TraceRow]) -> TraceStatistics:
    """Return the statistics of ``rows``, which must be in order of arrival.

    Memory grows only with the number of different token counts.

    Raises:
        InputError: there are no rows.
    """
    stream = iter(rows)
    prompts: Counter[int] = Counter()
    outputs: Counter[int] = Counter()
    arrivals = _Arrivals()
    while chunk := list(islice(stream, CHUNK_REQUESTS)):
        prompts.update(row.prompt_tokens for row in chunk)
        outputs.update(row.output_tokens for row in chunk)
        arrivals.add(np.array([row.arrival_seconds for row in chunk]))
    if not prompts:
        raise InputError("rows", "must be at least one")
    return TraceStatistics(
        requests=arrivals.count,
        span_seconds=arrivals.span_seconds,
        mean_rate_per_second=arrivals.mean_rate,
        interarrival_cv=arrivals.interarrival_cv,
        fano_factor=arrivals.fano_factor,
        prompt_tokens=_token_statistics(prompts),
        output_tokens=_token_statistics(outputs),
    )


def _token_statistics(counts: Counter[int]) -> TokenStatistics:
    sizes = sorted(counts)
    total = counts.total()
    cumulative = np.cumsum([counts[size] for size in sizes])

    def percentile(percent: int) -> int:
        rank = -(-percent * total // 100)
        return sizes[int(np.searchsorted(cumulative, rank))]

    mean = sum(size * number for size, number in counts.items()) / total
    return TokenStatistics(
        mean, sizes[0], percentile(50), percentile(95), percentile(99), sizes[-1]
    )


class _Arrivals:
    """Running statistics of arrival times.

    The gaps' squared deviations are merged chunk by chunk (Chan, Golub, LeVeque 1979), which stays
    exact where sums of squares cancel.
    """

    def __init__(self) -> None:
        self.count = 0
        self._first = self._last = 0.0
        self._gaps = 0
        self._gap_mean = self._gap_deviations = 0.0
        self._window = self._in_window = 0
        self._window_sum = self._window_squares = 0

    def add(self, seconds: FloatArray) -> None:
        """Take in the next arrivals: shape (chunk,), ascending."""
        if self.count == 0:
            self._first = self._last = float(seconds[0])
            gaps = np.diff(seconds)
        else:
            gaps = np.diff(seconds, prepend=self._last)
        self.count += seconds.size
        self._last = float(seconds[-1])
        if gaps.size:
            self._merge_gaps(gaps)
        self._count_windows(seconds)

    def _merge_gaps(self, gaps: FloatArray) -> None:
        total = self._gaps + gaps.size
        mean = float(gaps.mean())
        shift = mean - self._gap_mean
        self._gap_deviations += float(((gaps - mean) ** 2).sum())
        self._gap_deviations += shift**2 * self._gaps * gaps.size / total
        self._gap_mean += shift * gaps.size / total
        self._gaps = total

    def _count_windows(self, seconds: FloatArray) -> None:
        """Count whole windows only; those without arrivals count as 0."""
        windows = ((seconds - self._first) // FANO_WINDOW_SECONDS).astype(np.int64)
        numbers, counts = np.unique(windows, return_counts=True)
        for window, number in zip(numbers.tolist(), counts.tolist(), strict=True):
            if window != self._window:
                self._window_sum += self._in_window
                self._window_squares += self._in_window**2
                self._window, self._in_window = window, 0
            self._in_window += number

    @property
    def span_seconds(self) -> float:
        return self._last - self._first

    @property
    def mean_rate(self) -> float | None:
        return self._gaps / self.span_seconds if self.span_seconds > 0.0 else None

    @property
    def interarrival_cv(self) -> float | None:
        if self._gaps < 2 or self.span_seconds == 0.0:
            return None
        return math.sqrt(self._gap_deviations / (self._gaps - 1)) / self._gap_mean

    @property
    def fano_factor(self) -> float | None:
        # the last window has not ended, so it is not counted
        windows = self._window
        if windows < 2 or self._window_sum == 0:
            return None
        mean = self._window_sum / windows
        variance = (self._window_squares - windows * mean**2) / (windows - 1)
        return variance / mean
