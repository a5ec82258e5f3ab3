"""What a scheduler learns on the way: how fast the node really is, and how much is asked of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

_MEMORY_SECONDS = 60.0
_MEMORY_ARRIVALS = 64


@dataclass(slots=True)
class ObservedPace:
    """True over believed time, and how much that scatters, both forgetting exponentially.

    Attributes:
        pace: true seconds per believed second; 1 until something is observed.
        scatter: mean absolute deviation of single observations from it, relative.
    """

    pace: float = 1.0
    scatter: float = 0.0
    _believed: float = 0.0
    _actual: float = 0.0
    _deviation: float = 0.0
    _weight: float = 0.0

    def observe(self, believed_seconds: float, actual_seconds: float) -> None:
        """Take note of a stretch of work: what it was believed to take, and what it took."""
        if believed_seconds <= 0.0:
            return
        kept = math.exp(-believed_seconds / _MEMORY_SECONDS)
        self._believed = self._believed * kept + believed_seconds
        self._actual = self._actual * kept + actual_seconds
        self.pace = self._actual / self._believed
        deviation = abs(actual_seconds / believed_seconds / self.pace - 1.0)
        self._deviation = self._deviation * kept + deviation
        self._weight = self._weight * kept + 1.0
        self.scatter = self._deviation / self._weight


@dataclass(slots=True)
class ObservedDemand:
    """Seconds of the node's own work that arrivals ask for per second, forgetting exponentially.

    Attributes:
        per_second: Σ work over Σ time between arrivals; 0 until the second arrival.
    """

    per_second: float = 0.0
    _work: float = 0.0
    _gaps: float = 0.0
    _last_arrival: float | None = None

    def observe(self, arrival_seconds: float, work_seconds: float) -> None:
        """Take note of an arrival and of the work that it brings."""
        kept = 1.0 - 1.0 / _MEMORY_ARRIVALS
        if self._last_arrival is not None:
            self._gaps = self._gaps * kept + (arrival_seconds - self._last_arrival)
            self._work = self._work * kept + work_seconds
            self.per_second = self._work / self._gaps if self._gaps > 0.0 else math.inf
        self._last_arrival = arrival_seconds
