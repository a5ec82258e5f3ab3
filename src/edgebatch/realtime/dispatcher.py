"""Who asked, and what becomes of each: what is the same however many engines there are."""

from __future__ import annotations

import asyncio
import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from edgebatch.realtime.engine_driver import EngineDriver, Member
from edgebatch.realtime.job import Job
from edgebatch.realtime.timers import WallTimers
from edgebatch.scheduling import Outcome, Reason, RequestRecord, RunLog, Waiting, WaitingQueue
from edgebatch.workload import Arrival


class Dispatcher(ABC):
    """Takes requests in for one or several engines, and tells everyone how it went.

    Everything happens in one event loop. Requests come in by :meth:`submit`; each ends with
    exactly one record in the scheduler's ledger, of which its job is told.

    Args:
        queue: who waits.

    Attributes:
        timers: the clock; its zero is when the dispatcher was made.
        log: what the run leaves behind.
        drivers: one of each engine.
        jobs: what those who have not ended want, by number.
        called_off: numbers of those that nobody wants any more.
        lost_once: numbers of those that wait again because an engine lost them.
    """

    log: RunLog
    drivers: Sequence[EngineDriver]

    def __init__(self, queue: WaitingQueue) -> None:
        self.timers = WallTimers(self.stop_because)
        self.jobs: dict[int, Job] = {}
        self.called_off: set[int] = set()
        self.lost_once: set[int] = set()
        self._queue = queue
        queue.ledger.listen(self._tell_end)
        self._expiry_alarm: asyncio.TimerHandle | None = None
        self._expiry_at = float("inf")
        self._all_ended = asyncio.Event()
        self._all_ended.set()
        self._bug: BaseException | None = None
        self._most_records: int | None = None

    @property
    def bug(self) -> BaseException | None:
        """What an alarm of the scheduler ended in, after which all drivers have been cancelled."""
        return self._bug

    @property
    def num_unfinished(self) -> int:
        """How many requests wait or run."""
        return len(self.jobs)

    @property
    def members(self) -> tuple[Member, ...]:
        """Who is in an engine."""
        return tuple(itertools.chain.from_iterable(each.members for each in self.drivers))

    def believed_ends(self) -> list[float]:
        """Return when each of :attr:`members` is believed to end, as things are now."""
        ends = (each.believed_ends() for each in self.drivers)
        return list(itertools.chain.from_iterable(ends))

    @property
    def num_waiting(self) -> int:
        """How many requests wait."""
        return len(self._queue)

    @property
    def shortest_line(self) -> int:
        """How many wait before the engine before which the fewest do."""
        return len(self._queue)

    def num_beside(self, engines: tuple[int, ...], tenant: int | None = None) -> int:
        """Return how many requests wait that the very same engines are good enough for."""
        return self._queue.num_beside(engines, tenant)

    def num_waiting_of(self, tenant: int) -> int:
        """Return how many requests of one tenant wait."""
        return self._queue.num_of(tenant)

    def waiting(self) -> Iterator[Waiting]:
        """Return who waits, oldest first."""
        return iter(self._queue)

    @property
    def observed_pace(self) -> float:
        """True over believed time of all work so far; 1 before any."""
        believed = sum(each.believed_seconds for each in self.drivers)
        actual = sum(each.actual_seconds for each in self.drivers)
        return actual / believed if believed > 0.0 else 1.0

    def keep(self, most_records: int) -> None:
        """Keep only so many of the latest records, from now on."""
        self._most_records = most_records
        self.log.keep(most_records)

    def can_serve_now(self, arrival: Arrival) -> bool:  # noqa: ARG002
        """Return whether a request that some engine could serve could be by one that runs."""
        return True

    def retry_after_seconds(self, engines: Sequence[int] | None = None) -> float:
        """Return when someone who cannot be let in now should try again.

        Args:
            engines: positions of those that could serve it; None for all.
        """
        asked = [
            each
            for position, each in enumerate(self.drivers)
            if each.is_on and (engines is None or position in engines)
        ]
        return min((each.retry_after_seconds() for each in asked), default=0.0)

    def who_is_busy(self) -> tuple[int, ...]:
        """Return positions of the engines that serve someone."""
        return tuple(position for position, each in enumerate(self.drivers) if each.members)

    def who_could_serve(self, arrival: Arrival) -> tuple[int, ...]:  # noqa: ARG002
        """Return positions of the engines that are good enough for a request."""
        return tuple(range(len(self.drivers)))

    def who_is_fast_enough(self, arrival: Arrival) -> tuple[int, ...]:
        """Return positions of the engines that could serve a request in time, if any could."""
        return self.who_could_serve(arrival)

    def submit(self, arrival: Arrival, job: Job) -> None:
        """Take a request in; its ``arrival_seconds`` is an instant of :attr:`timers`."""
        self.jobs[arrival.number] = job
        self._all_ended.clear()
        now = self.timers.now
        self._queue.expire(now)
        self._admit(arrival, now)
        self.set_expiry_alarm()

    def cancel(self, number: int) -> None:
        """Call a request off; nothing happens if it has ended already."""
        if number not in self.jobs or self.withdraw(number):
            return
        # the engine may hang and never say that it has let go
        self.called_off.add(number)
        for driver in self.drivers:
            driver.cancel(number)

    async def until_all_ended(self) -> None:
        """Wait until every request that came in has ended."""
        await self._all_ended.wait()

    def abandon_all(self) -> None:
        """Record everyone who waits or runs as failed, because no engine will come back."""
        for waiting in list(self._queue):
            number = waiting.arrival.number
            self._queue.withdraw(number, Outcome.FAILED, Reason.ENGINE, self.timers.now)
        for driver in self.drivers:
            driver.abandon_members()

    @abstractmethod
    def _admit(self, arrival: Arrival, now: float) -> None:
        """Submit a request to the scheduler, and see whether something is to be done at once."""

    @abstractmethod
    def _expire(self, now: float) -> None:
        """Expire who is too late, and see whether that lets someone in."""

    def withdraw(self, number: int) -> bool:
        """Let a request wait no longer that was called off; False if it does not wait."""
        now = self.timers.now
        return self._queue.withdraw(number, Outcome.CANCELLED, Reason.CLIENT_GONE, now)

    def set_expiry_alarm(self) -> None:
        """Be woken when the next request that waits will have waited too long."""
        at = self._queue.next_expiry_seconds()
        if at == self._expiry_at:
            return
        if self._expiry_alarm is not None:
            self._expiry_alarm.cancel()
            self._expiry_alarm = None
        self._expiry_at = at
        if at < float("inf"):
            self._expiry_alarm = self.timers.alarm(at, self._ring)

    def stop_because(self, error: BaseException) -> None:
        """Let every driver end with an error that is a bug."""
        self._bug = error
        for driver in self.drivers:
            driver.stop()

    def _ring(self) -> None:
        self._expiry_alarm, self._expiry_at = None, float("inf")
        try:
            self._expire(self.timers.now)
        finally:
            self.set_expiry_alarm()

    def _tell_end(self, record: RequestRecord) -> None:
        job = self.jobs.pop(record.number)
        self.lost_once.discard(record.number)
        self.called_off.discard(record.number)
        if self._most_records is not None:
            self.log.keep(self._most_records)
        if not self.jobs:
            self._all_ended.set()
        if job.on_end is not None:
            job.on_end(record)
