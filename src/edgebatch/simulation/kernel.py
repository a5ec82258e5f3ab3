"""A small discrete-event kernel: a virtual clock and a totally ordered queue of events."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

from edgebatch.scheduling import Priority


class EventQueue:
    """Events in order of (time, priority, serial number).

    Attributes:
        now: the virtual clock, seconds.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, int, Callable[[], None]]] = []
        self._serial = count()

    def schedule(self, at_seconds: float, priority: Priority, action: Callable[[], None]) -> None:
        """Let ``action`` happen at an instant, now at the earliest."""
        at = max(at_seconds, self.now)
        heapq.heappush(self._events, (at, priority, next(self._serial), action))

    def run(self) -> None:
        """Carry out events until none is left."""
        while self._events:
            self.now, _, _, action = heapq.heappop(self._events)
            action()
