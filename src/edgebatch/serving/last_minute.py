"""How many requests ended how: in the last minute, second by second, and as data."""

from __future__ import annotations

import math
from collections import Counter, deque
from typing import Any

from edgebatch.scheduling import Outcome, Reason

End = tuple[Outcome, Reason]

_WINDOW_SECONDS = 60


class LastMinute:
    """Counts the ends of about a minute; costs as little for each whatever the load."""

    def __init__(self) -> None:
        self._seconds: deque[tuple[int, Counter[End]]] = deque()

    def note(self, now: float, outcome: Outcome, reason: Reason) -> None:
        """Count an end.

        Args:
            now: an instant of a clock that does not go back.
            outcome: how.
            reason: why, if it was not served.
        """
        second = math.floor(now)
        if not self._seconds or self._seconds[-1][0] != second:
            self._forget(now)
            self._seconds.append((second, Counter()))
        self._seconds[-1][1][outcome, reason] += 1

    def told(self, now: float) -> dict[str, Any]:
        """Return how the requests of the minute up to ``now`` ended, as plain data for JSON."""
        counts = self._counts(now)
        total = counts.total()
        return {
            "requests": total,
            "in_time_share": counts[Outcome.IN_TIME, Reason.NONE] / total if total else None,
            "ends": told_counts(counts),
        }

    def _counts(self, now: float) -> Counter[End]:
        self._forget(now)
        total: Counter[End] = Counter()
        for _, counts in self._seconds:
            total.update(counts)
        return total

    def _forget(self, now: float) -> None:
        while self._seconds and self._seconds[0][0] <= math.floor(now) - _WINDOW_SECONDS:
            self._seconds.popleft()


def told_counts(counts: Counter[End]) -> list[dict[str, Any]]:
    """Return counts of ends as plain data for JSON, answers first."""
    return [
        {"outcome": outcome.name.lower(), "reason": reason.name.lower(), "count": count}
        for (outcome, reason), count in sorted(counts.items())
    ]
