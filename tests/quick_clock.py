"""An event loop whose clock jumps from alarm to alarm, for code that lives by the wall clock.

What is computed takes next to no time on it, however slow the machine is, and waiting takes none at
all. It is no good where anything comes from outside the loop: sockets, threads, processes.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Coroutine
from typing import Any, TypeVar
from unittest.mock import patch

T = TypeVar("T")


class _QuickClock(selectors.DefaultSelector):
    """Has waited whenever it is asked to wait."""

    def __init__(self) -> None:
        super().__init__()
        self._now_seconds = time.monotonic()

    def monotonic(self) -> float:
        # as on a real clock, no two instants are the same
        self._now_seconds += 1e-6
        return self._now_seconds

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "everyone waits, and for nothing that has a time"
        self._now_seconds += max(0.0, timeout)
        return super().select(0.0)


def run_quickly(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end under a clock of its own, which :func:`time.monotonic` shows meanwhile."""
    clock = _QuickClock()
    with (
        patch.object(time, "monotonic", clock.monotonic),
        asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(clock)) as runner,
    ):
        return runner.run(work)
