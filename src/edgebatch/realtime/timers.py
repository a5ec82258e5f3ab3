"""The wall clock as a clock with alarms."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from edgebatch.scheduling import Priority


class WallTimers:
    """Seconds since it was made, and alarms in the event loop that runs.

    What goes wrong in an alarm is handed to ``on_error``: an event loop would only log it.

    Args:
        on_error: told of exceptions in alarms.
    """

    def __init__(self, on_error: Callable[[BaseException], None]) -> None:
        self._origin = time.monotonic()
        self._on_error = on_error

    @property
    def now(self) -> float:
        """The time, seconds."""
        return time.monotonic() - self._origin

    def since_origin(self, monotonic_seconds: float) -> float:
        """Return an instant of :func:`time.monotonic` on this clock."""
        return monotonic_seconds - self._origin

    def schedule(
        self,
        at_seconds: float,
        priority: Priority,  # noqa: ARG002 - no two instants are the same here
        action: Callable[[], None],
    ) -> None:
        """Let ``action`` happen at an instant, soon at the earliest."""
        self.alarm(at_seconds, action)

    def alarm(self, at_seconds: float, action: Callable[[], None]) -> asyncio.TimerHandle:
        """Let ``action`` happen at an instant and return a handle to call it off."""
        loop = asyncio.get_running_loop()
        return loop.call_later(max(0.0, at_seconds - self.now), self._act, action)

    def _act(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # noqa: BLE001 - passed on whole
            self._on_error(error)
