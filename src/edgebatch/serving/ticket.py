"""One request in the gateway, from the moment at which it came in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from edgebatch.engines import Progress
from edgebatch.realtime import Joined
from edgebatch.scheduling import RequestRecord
from edgebatch.workload import Arrival


class Ticket:
    """What whoever asked waits on.

    Args:
        arrival: the request as the scheduler sees it.

    Attributes:
        arrival: as given.
        joined: what was believed when it was handed to the engine; None until then.
        record: how it ended; None until then.
        num_tokens: tokens that have come.
        finish: why no more come; None until then.
    """

    def __init__(self, arrival: Arrival) -> None:
        self.arrival = arrival
        self.joined: Joined | None = None
        self.record: RequestRecord | None = None
        self.num_tokens = 0
        self.finish: str | None = None
        self._texts: list[str] = []
        self._changed = asyncio.Event()

    def note_joined(self, joined: Joined) -> None:
        """Take note that it was handed to the engine."""
        self.joined = joined
        self._changed.set()

    def note_progress(self, progress: Progress) -> None:
        """Take note of new tokens."""
        self.num_tokens += progress.num_tokens
        if progress.text:
            self._texts.append(progress.text)
        if progress.finish is not None:
            self.finish = str(progress.finish)
        self._changed.set()

    def note_end(self, record: RequestRecord) -> None:
        """Take note of how it ended."""
        self.record = record
        self._changed.set()

    async def until_decided(self) -> None:
        """Wait until it was handed to the engine or has ended without."""
        while self.joined is None and self.record is None:
            await self._next_change()

    async def texts(self) -> AsyncIterator[str]:
        """Yield the answer's text as it comes, until the request has ended."""
        while True:
            while self._texts:
                # what has come meanwhile goes out together
                text = "".join(self._texts)
                self._texts.clear()
                yield text
            if self.record is not None:
                return
            await self._next_change()

    async def _next_change(self) -> None:
        self._changed.clear()
        await self._changed.wait()
