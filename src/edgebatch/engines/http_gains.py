"""What has arrived on all streams since the last report."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection

from edgebatch.engines.base import Progress, Prompt, Report
from edgebatch.engines.unread_prompts import UnreadPrompts
from edgebatch.errors import EngineError

_PASSES = 3
"""Passes of the event loop that it takes until what has arrived on other sockets is read."""


class Gains:
    """Collects what requests gain, and notices when nothing comes any more.

    Args:
        where: who sends it, for the error.
        silence_timeout_seconds: how long nothing may come although requests run, beside the time
            for prompts that have not been read.
    """

    def __init__(self, where: str, silence_timeout_seconds: float) -> None:
        self._where = where
        self._silence_timeout_seconds = silence_timeout_seconds
        self._unread = UnreadPrompts()
        self._gained: dict[int, Progress] = {}
        self._news = asyncio.Event()
        self._heard_seconds = 0.0
        self._failure: EngineError | None = None

    def begin(self) -> None:
        """Count silence from now on: the first request goes out."""
        self._heard_seconds = time.monotonic()
        self._news.set()

    def expect(self, number: int, prompt: Prompt) -> None:
        """Grant the time for reading a prompt that goes out."""
        self._unread.add(number, prompt)
        self._news.set()

    def add(self, progress: Progress) -> None:
        """Take in what a request has gained."""
        self._heard_seconds = time.monotonic()
        self._unread.note(progress)
        earlier = self._gained.get(progress.number)
        self._gained[progress.number] = _joined(earlier, progress) if earlier else progress
        self._news.set()

    def heard_since(self, at_seconds: float) -> bool:
        """Return whether anything has come since an instant of :func:`time.monotonic`."""
        return self._heard_seconds >= at_seconds

    def fail(self, error: EngineError) -> None:
        """Let this and every later report raise ``error``, unless one does so already."""
        self._failure = self._failure or error
        self._news.set()

    async def report(self, running: Collection[int]) -> Report:
        """Wait until there is something and return all that is there.

        Args:
            running: the requests that have not ended; may change meanwhile.

        Raises:
            EngineError: something failed, or nothing came for too long.
        """
        while self._failure is None and not self._gained:
            self._news.clear()
            try:
                async with asyncio.timeout(self._patience_seconds() if running else None):
                    await self._news.wait()
            except TimeoutError:
                said = f"nothing for {self._limit_seconds():g} s; running: {len(running)}"
                self.fail(EngineError(f"{self._where}: {said}"))
        for _ in range(_PASSES if len(running) > 1 else 0):
            await asyncio.sleep(0)
        if self._failure is not None:
            raise self._failure
        progress = tuple(self._gained.values())
        self._gained.clear()
        return Report(time.monotonic(), progress)

    def _limit_seconds(self) -> float:
        return self._silence_timeout_seconds + self._unread.seconds

    def _patience_seconds(self) -> float:
        silent = time.monotonic() - self._heard_seconds
        return max(0.0, self._limit_seconds() - silent)


def _joined(first: Progress, second: Progress) -> Progress:
    return Progress(
        first.number,
        first.num_tokens + second.num_tokens,
        first.text + second.text,
        first.tokens + second.tokens,
        second.finish,
        second.error,
        second.prompt_tokens,
        second.is_refused,
    )
