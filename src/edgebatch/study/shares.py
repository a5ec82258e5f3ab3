"""How sure a share measured in several runs is, and on which side of a target it lies."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from edgebatch.errors import InputError

STUDENT_975: Mapping[int, float] = MappingProxyType(
    {4: 3.18245, 8: 2.36462, 16: 2.13145, 32: 2.03951}
)
"""97.5 % quantiles of Student's t with one degree of freedom less than the number of runs."""

_NORMAL_975 = 1.95996


class Verdict(StrEnum):
    """Where a share lies, as far as its interval tells."""

    ABOVE = "above"
    BELOW = "below"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Share:
    """The part of all requests that was served in time, measured in independent runs.

    Attributes:
        mean: over all requests of all runs.
        low, high: 95 % confidence interval.
        runs: how many runs.
        requests: how many requests were counted in them.
    """

    mean: float
    low: float
    high: float
    runs: int
    requests: int

    def verdict(self, target: float) -> Verdict:
        """Return on which side of a target the whole interval lies, if it does."""
        if self.low > target:
            return Verdict.ABOVE
        return Verdict.BELOW if self.high < target else Verdict.UNDECIDED


def measured_share(counts: Sequence[tuple[int, int]]) -> Share:
    """Return the share that (in time, of all) counts of several runs amount to.

    Its interval spans Student's over the runs and Wilson's over the requests: the first knows that
    requests of a run fare alike, the second that no failure among few is no proof of none.

    Raises:
        InputError: not a number of runs for which the quantile is known.
    """
    if len(counts) not in STUDENT_975:
        raise InputError("runs", f"must be one of {', '.join(map(str, STUDENT_975))}")
    in_time, requests = sum(each for each, _ in counts), sum(each for _, each in counts)
    mean = in_time / requests
    low, high = _wilson(mean, requests)
    shares = [each / of for each, of in counts]
    centre = math.fsum(shares) / len(shares)
    variance = math.fsum((each - centre) ** 2 for each in shares) / (len(shares) - 1)
    half = STUDENT_975[len(counts)] * math.sqrt(variance / len(shares))
    return Share(
        mean=mean,
        low=max(0.0, min(low, mean - half)),
        high=min(1.0, max(high, mean + half)),
        runs=len(counts),
        requests=requests,
    )


def _wilson(mean: float, requests: int) -> tuple[float, float]:
    """Wilson's interval of a proportion (E. B. Wilson, JASA 22 (1927), 209–212)."""
    squared = _NORMAL_975**2 / requests
    centre = (mean + squared / 2.0) / (1.0 + squared)
    spread = math.sqrt(squared * (mean * (1.0 - mean) + squared / 4.0)) / (1.0 + squared)
    return centre - spread, centre + spread
