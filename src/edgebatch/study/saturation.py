"""The sustainable rate: the highest arrival rate at which enough requests are served in time.

It is bracketed and then bisected on a logarithmic scale, with the same requests at every rate.
A rate counts as above or below the target only if the interval of its share excludes the target;
otherwise more runs are made, and if they do not decide it either, the rate stays undecided and
the search goes on to both sides of it. What comes out is the highest rate shown to be above, the
lowest shown to be below, and in between the estimate at which the mean share crosses the target.

The search asks for runs instead of making them, so that those of many searches can be made side
by side; see :func:`sustainable_rate`.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from edgebatch.study.shares import STUDENT_975, Share, Verdict, measured_share

_FIRST_STEP, _LARGEST_STEP = 1.25, 4.0
"""Factor from the first guess to the next rate; it is squared at every further step."""
_CLOSE = 1.05
"""A rate above and one below this close together are not separated further."""
_CLOSE_TO_UNDECIDED = 1.1
"""Nor is an undecided rate from one that is decided."""
_HOPELESS = 0.125
"""Nor are more runs made where the target is this close to the mean, in widths of the interval
that there would be after the most runs."""
_LEAST, _MOST = 1.0 / 50.0, 1000.0
"""How far from the first guess rates are looked for, as factors."""

MOST_RUNS = 8
"""How many runs an undecided rate may take unless more are asked for."""


class Probe(NamedTuple):
    """Runs that a search needs: numbers ``first`` to ``first + runs − 1`` at a rate."""

    rate_per_second: float
    first: int
    runs: int


Counts = Sequence[tuple[int, int]]
"""(in time, of all) of every run of a probe."""


@dataclass(frozen=True, slots=True)
class Point:
    """A rate that was looked at."""

    rate_per_second: float
    share: Share
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Saturation:
    """What a search found.

    Attributes:
        rate_per_second: estimate of the sustainable rate; None if no rate was above the target.
        low_per_second: highest rate shown to be above the target; None likewise.
        high_per_second: lowest rate shown to be below it; None if there is no end in sight.
        points: every rate looked at, ascending.
    """

    rate_per_second: float | None
    low_per_second: float | None
    high_per_second: float | None
    points: tuple[Point, ...]


def decided_point(
    rate_per_second: float, target: float, most_runs: int = MOST_RUNS
) -> Generator[Probe, Counts, Point]:
    """Make runs at a rate until it is decided on which side of the target it lies.

    It stays undecided if ``most_runs`` do not decide it, or promise not to: intervals shrink with
    the root of the number of runs at best.
    """
    counts: list[tuple[int, int]] = []
    while True:
        wanted = min(known for known in STUDENT_975 if known > len(counts))
        counts += yield Probe(rate_per_second, len(counts), wanted - len(counts))
        share = measured_share(counts)
        verdict = share.verdict(target)
        left = most_runs / len(counts)
        hopeless = abs(share.mean - target) < _HOPELESS * (share.high - share.low) / math.sqrt(left)
        if verdict is not Verdict.UNDECIDED or left < 2.0 or hopeless:
            return Point(rate_per_second, share, verdict)


def sustainable_rate(
    guess_per_second: float, target: float, most_runs: int = MOST_RUNS
) -> Generator[Probe, Counts, Saturation]:
    """Search for the sustainable rate.

    Args:
        guess_per_second: where to begin.
        target: share of requests to be served in time, between 0 and 1.
        most_runs: how many runs an undecided rate may take: 4, 8, 16 or 32.

    Yields:
        A probe at a time; the counts of its runs are to be sent back.
    """
    points: list[Point] = []
    rate: float | None = guess_per_second
    while rate is not None:
        points.append((yield from decided_point(rate, target, most_runs)))
        points.sort(key=lambda point: point.rate_per_second)
        rate = _next_rate(points, guess_per_second)
    low, high = _bracket(points)
    return Saturation(
        rate_per_second=None if low is None else _crossing(points, target, low, high),
        low_per_second=low,
        high_per_second=high,
        points=tuple(points),
    )


def _bracket(points: Sequence[Point]) -> tuple[float | None, float | None]:
    """Return the lowest rate shown to be below, and below it the highest shown to be above."""
    below = [each.rate_per_second for each in points if each.verdict is Verdict.BELOW]
    high = min(below, default=math.inf)
    above = [
        each.rate_per_second
        for each in points
        if each.verdict is Verdict.ABOVE and each.rate_per_second < high
    ]
    return max(above, default=None), high if below else None


def _next_rate(points: Sequence[Point], guess: float) -> float | None:
    low, high = _bracket(points)
    lowest, highest = points[0].rate_per_second, points[-1].rate_per_second
    if high is None:
        return _stepped(highest, guess) if highest < guess * _MOST else None
    if low is None:
        return 1.0 / _stepped(1.0 / lowest, 1.0 / guess) if lowest > guess * _LEAST else None
    between = [each.rate_per_second for each in points if low <= each.rate_per_second <= high]
    close = _CLOSE if len(between) == 2 else _CLOSE_TO_UNDECIDED
    # what lies between two undecided rates would be undecided too
    gap = max((between[0], between[1]), (between[-2], between[-1]), key=_ratio)
    return math.sqrt(gap[0] * gap[1]) if _ratio(gap) > close else None


def _stepped(farthest: float, guess: float) -> float:
    """Return the next rate away from the guess: by 1.25, 1.25², 1.25⁴ and so on."""
    return farthest * min(max(_FIRST_STEP, farthest / guess), _LARGEST_STEP)


def _ratio(gap: tuple[float, float]) -> float:
    return gap[1] / gap[0]


def _crossing(points: Sequence[Point], target: float, low: float, high: float | None) -> float:
    """Return where the mean share crosses the target, to three digits, within the bracket."""
    if high is None:
        return low
    inside = [each for each in points if low <= each.rate_per_second <= high]
    for one, other in reversed(list(pairwise(inside))):
        if one.share.mean >= target > other.share.mean:
            part = (one.share.mean - target) / (one.share.mean - other.share.mean)
            rate = one.rate_per_second * (other.rate_per_second / one.rate_per_second) ** part
            return min(max(float(f"{rate:.3g}"), low), high)
    return low
