"""One request in the gateway, from the moment at which it came in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from edgebatch.engines import Progress, Prompt
from edgebatch.realtime import Joined
from edgebatch.scheduling import RequestRecord
from edgebatch.workload import Arrival


class Ticket:
    """What whoever asked waits on.

    Args:
        arrival: the request as the scheduler sees it.
        asked: what to answer, as it came.
        names: what the log calls it by.

    Attributes:
        arrival, asked, names: as given.
        joined: what was believed when it was handed to the engine; None until then.
        record: how it ended; None until then.
        num_tokens: tokens that have come.
        first_token_at_seconds: when the first came, on the clock of :func:`time.monotonic`; None
            until then. The record tells it only of whole answers.
        finish: why no more come; None until then.
        prompt_tokens: of the prompt; the engine's own count once it has told it.
        error: why the engine could not go on with it; empty if it could, or does not say.
        refused_because: what the engine has against the request itself; empty for nothing.
    """

    def __init__(self, arrival: Arrival, asked: Prompt, names: Mapping[str, Any]) -> None:
        self.arrival, self.asked, self.names = arrival, asked, names
        self.joined: Joined | None = None
        self.record: RequestRecord | None = None
        self.num_tokens = 0
        self.first_token_at_seconds: float | None = None
        self.finish: str | None = None
        self.prompt_tokens = arrival.prompt_tokens
        self.error = self.refused_because = ""
        self._texts: list[str] = []
        self._num_taken = 0
        self._changed = asyncio.Event()
        self._is_over = asyncio.Event()

    def note_joined(self, joined: Joined) -> None:
        """Take note that it was handed to the engine."""
        self.joined = joined
        self._changed.set()

    def note_progress(self, progress: Progress) -> None:
        """Take note of new tokens."""
        if progress.num_tokens and not self.num_tokens:
            self.first_token_at_seconds = time.monotonic()
        self.num_tokens += progress.num_tokens
        if progress.text:
            self._texts.append(progress.text)
        if progress.finish is not None:
            self.finish = str(progress.finish)
        if progress.prompt_tokens is not None:
            self.prompt_tokens = progress.prompt_tokens
        if progress.is_refused:
            self.refused_because = progress.error
        self.error = progress.error
        self._changed.set()

    def note_end(self, record: RequestRecord) -> None:
        """Take note of how it ended."""
        self.record = record
        self._changed.set()
        self._is_over.set()

    @property
    def is_decided(self) -> bool:
        """Whether it was handed to the engine or has ended without."""
        return self.joined is not None or self.record is not None

    async def until_decided(self) -> None:
        """Wait until it was handed to the engine or has ended without."""
        while not self.is_decided:
            await self._next_change()

    async def until_ended(self) -> None:
        """Wait until it has ended; unlike :meth:`texts`, this sleeps while tokens come."""
        await self._is_over.wait()

    def whole_text(self) -> str:
        """Return all of its text that has come."""
        return "".join(self._texts)

    async def texts(self) -> AsyncIterator[str]:
        """Yield the answer's text as it comes, until the request has ended."""
        while True:
            while self._num_taken < len(self._texts):
                # what has come meanwhile goes out together
                text = "".join(self._texts[self._num_taken :])
                self._num_taken = len(self._texts)
                yield text
            if self.record is not None:
                return
            await self._next_change()

    async def _next_change(self) -> None:
        self._changed.clear()
        await self._changed.wait()
