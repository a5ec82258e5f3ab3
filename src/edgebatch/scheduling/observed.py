"""What a scheduler learns on the way: how fast the node really is, and how much is asked of it."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np

_MEMORY_SECONDS = 20.0
_MEMORY_ARRIVALS = 128
_SIZES = 16
"""Powers of two, the first being 1."""
_SIZE_MEMORY_SECONDS = 60.0
"""Longer than of the overall pace, as a size may not come for a while."""
_PRIOR_SECONDS = 1.0
"""Work at a size outweighs what is known of all when there has been more of it than this."""
_MOST_DEVIATION = 10.0
"""One stretch that was believed to take next to no time must not make everything doubtful."""
_TRUSTED_SECONDS = 20.0
"""How long a pace that keeps everyone out is believed; twice as long after each trial in vain, as
the node may really be too slow,"""
_LONGEST_TRUSTED_SECONDS = 600.0
"""and so long at most."""
_LATE_SHARE = 0.005
"""Aimed at among those who were let in."""
_MARGIN_STEP = 0.05
_MOST_MARGIN = 0.5


@dataclass(slots=True)
class ObservedPace:
    """True over believed time, forgetting exponentially.

    Attributes:
        pace: true seconds per believed second; 1 until something is observed.
    """

    pace: float = 1.0
    _believed: float = 0.0
    _actual: float = 0.0

    def observe(self, believed_seconds: float, actual_seconds: float) -> None:
        """Take note of a stretch of work: what it was believed to take, and what it took."""
        if min(believed_seconds, actual_seconds) <= 0.0:
            return
        kept = math.exp(-believed_seconds / _MEMORY_SECONDS)
        self._believed = self._believed * kept + believed_seconds
        self._actual = self._actual * kept + actual_seconds
        self.pace = self._actual / self._believed


@dataclass(slots=True)
class PaceBySize:
    """True over believed time, by how many requests run.

    The time of an engine's pass need not grow with the batch as the cost model's sum over members
    does: kernels change with the number of rows, and what one request leaves idle another may
    use. What was observed near a size counts there; where little was, the overall pace does.

    Attributes:
        overall: the pace of all work, whatever the size.
        scatter: mean absolute deviation of single observations from :meth:`at`, relative.
    """

    overall: ObservedPace = field(default_factory=ObservedPace)
    scatter: float = 0.0
    _believed: list[float] = field(default_factory=lambda: [0.0] * _SIZES)
    _actual: list[float] = field(default_factory=lambda: [0.0] * _SIZES)
    _deviation: float = 0.0
    _weight: float = 0.0

    @property
    def pace(self) -> float:
        """True seconds per believed second of all work."""
        return self.overall.pace

    def at(self, size: float) -> float:
        """Return true seconds per believed second while so many run."""
        believed, actual = _PRIOR_SECONDS, _PRIOR_SECONDS * self.overall.pace
        for place, share in _places(size):
            believed += share * self._believed[place]
            actual += share * self._actual[place]
        return actual / believed

    def observe(self, believed_seconds: float, actual_seconds: float, size: float) -> None:
        """Take note of a stretch of work, in which so many ran on the average."""
        if min(believed_seconds, actual_seconds) <= 0.0:
            return
        self.overall.observe(believed_seconds, actual_seconds)
        kept = math.exp(-believed_seconds / _SIZE_MEMORY_SECONDS)
        self._believed = [kept * each for each in self._believed]
        self._actual = [kept * each for each in self._actual]
        for place, share in _places(size):
            self._believed[place] += share * believed_seconds
            self._actual[place] += share * actual_seconds
        kept = math.exp(-believed_seconds / _MEMORY_SECONDS)
        deviation = abs(actual_seconds / believed_seconds / self.at(size) - 1.0)
        deviation = min(deviation, _MOST_DEVIATION)
        self._deviation = self._deviation * kept + deviation
        self._weight = self._weight * kept + 1.0
        self.scatter = self._deviation / self._weight


def _places(size: float) -> tuple[tuple[int, float], tuple[int, float]]:
    """Return the two powers of two next to a size, and how near each is."""
    place = min(math.log2(max(size, 1.0)), _SIZES - 1.0)
    below = min(int(place), _SIZES - 2)
    return (below, below + 1.0 - place), (below + 1, place - below)


@dataclass(slots=True)
class PaceTrials:
    """When a pace, or a margin, with which nobody who waits can be served is not to be believed.

    While nobody is served nothing is learnt: after one long pause of the node a scheduler that
    went on believing it would never serve anybody again. Nor would a margin ever shrink.
    """

    _served_at_seconds: float = 0.0
    _trusted_seconds: float = _TRUSTED_SECONDS

    def note_served(self, now: float) -> None:
        """Take note that the pace lets someone in."""
        self._served_at_seconds, self._trusted_seconds = now, _TRUSTED_SECONDS

    def note_busy(self, now: float) -> None:
        """Take note that someone runs, of whom the pace is being learnt."""
        self._served_at_seconds = now

    def note_trial(self, now: float) -> None:
        """Take note that someone was let in although the pace did not allow it."""
        self._served_at_seconds = now
        self._trusted_seconds = min(2.0 * self._trusted_seconds, _LONGEST_TRUSTED_SECONDS)

    def is_due(self, now: float, pace: float) -> bool:
        """Return whether an idle node that is believed to be slow has been so for too long.

        Args:
            now: the time.
            pace: true over believed seconds that are reckoned with, all margins included.
        """
        return now >= self.due_at_seconds(pace)

    def due_at_seconds(self, pace: float) -> float:
        """Return when a trial is due if the node stays idle; infinity if none will be.

        Args:
            pace: as in :meth:`is_due`.
        """
        return self._served_at_seconds + self._trusted_seconds if pace > 1.0 else math.inf


@dataclass(slots=True)
class PromiseMargin:
    """A margin on believed times that late answers raise and answers in time lower.

    Both steps balance when the share of late answers is the one aimed at, whatever makes them late
    (adaptive conformal inference: Gibbs and Candès, 2021). Many may be late of one cause: who had
    joined before the last rise does not raise the margin again.

    Attributes:
        margin: relative, 0 or more.
    """

    margin: float = 0.0
    _raised_at_seconds: float = -math.inf

    def note(self, joined_at: float, ended_at: float, *, in_time: bool) -> None:
        """Take note of an answer, by when its request joined and when it ended."""
        if in_time:
            self.margin = max(0.0, self.margin - _MARGIN_STEP * _LATE_SHARE / (1.0 - _LATE_SHARE))
        elif joined_at >= self._raised_at_seconds:
            self.margin = min(_MOST_MARGIN, self.margin + _MARGIN_STEP)
            self._raised_at_seconds = ended_at


@dataclass(slots=True)
class ObservedDemand:
    """The work that the latest arrivals asked for, in believed seconds of the node's own time."""

    _recent: deque[tuple[float, float, float]] = field(
        default_factory=lambda: deque(maxlen=_MEMORY_ARRIVALS)
    )

    def observe(
        self, arrival_seconds: float, work_seconds: float, value: float, part: float = 1.0
    ) -> None:
        """Take note of an arrival.

        Args:
            arrival_seconds: when it came.
            work_seconds: the work that it brings.
            value: v_i.
            part: of that work that falls to this node.
        """
        self._recent.append((arrival_seconds, part * work_seconds, work_seconds / value))

    def work_per_second(self) -> float:
        """Return ρ, Σ work over Σ gaps between arrivals; 0 before the second arrival."""
        work = sum(each[1] for each in self._later())
        seconds = self._span_seconds()
        if work == 0.0:
            return 0.0
        return work / seconds if seconds > 0.0 else math.inf

    def price(self, pace: float) -> float:
        """Return the work per value at which the node's time runs out.

        All arrivals that ask for less per value could be served in the time in which they came,
        and some of those that ask for this much. Infinite if there is time for everyone.

        Args:
            pace: true seconds per believed second.
        """
        later = self._later()
        if not later:
            return math.inf
        work, per_value = np.array(later)[:, 1:].T
        order = np.argsort(per_value)
        asked_for = pace * np.cumsum(work[order])
        affordable = int(np.searchsorted(asked_for, self._span_seconds(), side="right"))
        return float(per_value[order[affordable]]) if affordable < len(later) else math.inf

    def _later(self) -> list[tuple[float, float, float]]:
        """Return the arrivals but the first: as many as there are gaps."""
        return list(self._recent)[1:]

    def _span_seconds(self) -> float:
        # those that come together may be told of in any order
        return max(0.0, self._recent[-1][0] - self._recent[0][0]) if self._recent else 0.0
