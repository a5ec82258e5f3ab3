"""What both protocols share under the wall clock: the engine, who is in it, and who asked."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgebatch.cost import BatchCost, hosted_bytes
from edgebatch.engines import Engine, Finish, GenerationRequest, Progress, Report
from edgebatch.errors import EngineError
from edgebatch.realtime.job import Job, Joined
from edgebatch.realtime.timers import WallTimers
from edgebatch.scheduling import (
    EpochScheduler,
    JoiningScheduler,
    Outcome,
    Reason,
    RequestRecord,
    RunLog,
    Waiting,
)
from edgebatch.workload import Arrival


@dataclass(slots=True)
class Member:
    """A request in the engine.

    Attributes:
        waiting: the request as it waited.
        joined_at_seconds: when it was handed over.
        joined_step: passes that the engine had done by then, so far as is known.
        batch: number of the batch, or of those who joined with it.
        believed_end_seconds: when its last token was believed to come.
        num_tokens: tokens that it has gained.
        first_token_at_seconds, last_token_at_seconds: on the dispatcher's clock.
    """

    waiting: Waiting
    joined_at_seconds: float
    joined_step: int
    batch: int
    believed_end_seconds: float
    num_tokens: int = 0
    first_token_at_seconds: float = 0.0
    last_token_at_seconds: float = 0.0

    def as_it_came(self) -> Waiting:
        """Return the request with the number of tokens that it really gained."""
        arrival = self.waiting.arrival._replace(actual_output_tokens=self.num_tokens)
        return self.waiting._replace(arrival=arrival)


_ENDS = {
    Finish.CANCELLED: (Outcome.CANCELLED, Reason.CLIENT_GONE),
    Finish.FAILED: (Outcome.FAILED, Reason.ENGINE),
}


class Dispatcher(ABC):
    """Hands to an engine whom the scheduler chooses, and tells everyone how it went.

    Everything happens in one event loop. Requests come in by :meth:`submit`; each ends with
    exactly one record in the scheduler's ledger, of which its job is told.

    Args:
        engine: started already, with the scheduler's precisions by the same names.
        scheduler: who decides.
        precisions: names of the hosted precisions.

    Attributes:
        timers: the clock; its zero is when the dispatcher was made.
        log: what the run leaves behind.
        engine: may be replaced while :meth:`run` does not run.
    """

    log: RunLog

    def __init__(
        self,
        engine: Engine,
        scheduler: EpochScheduler | JoiningScheduler,
        precisions: Sequence[str],
    ) -> None:
        self.timers = WallTimers(self._stop_because)
        self.engine, self._precisions = engine, tuple(precisions)
        self._queue, self._ledger = scheduler.queue, scheduler.ledger
        self._hosting = scheduler.hosting
        self._ledger.listen(self._tell_end)
        self._jobs: dict[int, Job] = {}
        self._members: dict[int, Member] = {}
        self._expiry_alarm: asyncio.TimerHandle | None = None
        self._expiry_at = float("inf")
        self._all_ended = asyncio.Event()
        self._all_ended.set()
        self._task: asyncio.Task[None] | None = None
        self._error: BaseException | None = None
        self._is_on = True
        self._believed_seconds = self._actual_seconds = 0.0
        self._lost_once: set[int] = set()
        self._called_off: set[int] = set()
        self._most_records: int | None = None

    @abstractmethod
    def limit_running(self, most: int | None) -> None:
        """Hand the engine no more requests at once, in place of any such limit before."""

    @property
    def bug(self) -> BaseException | None:
        """What an alarm of the scheduler ended in, after which its driver has been cancelled."""
        return self._error

    @property
    def num_unfinished(self) -> int:
        """How many requests wait or run."""
        return len(self._jobs)

    @property
    def members(self) -> tuple[Member, ...]:
        """Who is in the engine."""
        return tuple(self._members.values())

    @property
    def num_waiting(self) -> int:
        """How many requests wait."""
        return len(self._queue)

    def num_waiting_of(self, tenant: int) -> int:
        """Return how many requests of one tenant wait."""
        return self._queue.num_of(tenant)

    @property
    def believed_pace(self) -> float:
        """True seconds per second of the cost model, as far as is known."""
        return 1.0

    @property
    def cautious_pace(self) -> float:
        """Seconds that a request must be given for each that it is believed to take alone."""
        return self.believed_pace

    @property
    def observed_pace(self) -> float:
        """True over believed time of all work so far; 1 before any."""
        believed = self._believed_seconds
        return self._actual_seconds / believed if believed > 0.0 else 1.0

    def believed_ends(self) -> list[float]:
        """Return when each of :attr:`members` is believed to end, as things are now."""
        return [member.believed_end_seconds for member in self._members.values()]

    @property
    def memory_use(self) -> float:
        """Part of the node's memory in use: weights, reserve and what is reserved for members."""
        hosting = self._hosting
        cost = BatchCost(hosting.node, hosting.model, hosting.precisions[0])
        kv_bytes = sum(
            cost.kv_bytes(
                float(each.waiting.arrival.prompt_tokens), float(each.waiting.arrival.output_tokens)
            )
            for each in self._members.values()
        )
        weights = hosted_bytes(hosting.node, hosting.model, hosting.precisions)
        return (weights + kv_bytes) / hosting.node.memory_bytes

    def waiting(self) -> Iterator[Waiting]:
        """Return who waits, oldest first."""
        return iter(self._queue)

    def keep(self, most_records: int) -> None:
        """Keep only so many of the latest records, from now on."""
        self._most_records = most_records
        self.log.keep(most_records)

    def retry_after_seconds(self) -> float:
        """Return when someone who cannot be let in now should try again: the first believed end."""
        now = self.timers.now
        ends = (member.believed_end_seconds for member in self._members.values())
        return max(0.0, min(ends, default=now) - now)

    def submit(self, arrival: Arrival, job: Job) -> None:
        """Take a request in; its ``arrival_seconds`` is an instant of :attr:`timers`."""
        self._jobs[arrival.number] = job
        self._all_ended.clear()
        now = self.timers.now
        self._queue.expire(now)
        self._admit(arrival, now)
        self._set_expiry_alarm()

    def cancel(self, number: int) -> None:
        """Call a request off; nothing happens if it has ended already."""
        if number not in self._jobs or self._withdraw(number):
            return
        # the engine may hang and never say that it has let go
        self._called_off.add(number)
        if number in self._members:
            self.engine.cancel(number)

    async def run(self) -> None:
        """Take the engine's reports until cancelled; may be called again after an error.

        Raises:
            EngineError: the engine has died, hangs or cannot go on. Who had got tokens has failed
                by then, and is on record; who had not waits again, but only once; who waits goes
                on waiting. Nobody joins until the next call.
        """
        self._task = asyncio.current_task()
        self._is_on = True
        self._resume()
        try:
            while True:
                report = await self.engine.report()
                self._take(report, self.timers.since_origin(report.at_seconds))
                self._set_expiry_alarm()
        except EngineError:
            self._is_on = False
            self._lose_members()
            raise
        except asyncio.CancelledError:
            if self._error is not None:
                raise self._error from None
            raise
        finally:
            # nobody would hear any more what becomes of those who join
            self._is_on = False

    async def until_all_ended(self) -> None:
        """Wait until every request that came in has ended."""
        await self._all_ended.wait()

    def fail_waiting(self) -> None:
        """Record everyone who still waits as failed, because the engine will not come back."""
        for waiting in list(self._queue):
            number = waiting.arrival.number
            self._queue.withdraw(number, Outcome.FAILED, Reason.ENGINE, self.timers.now)

    def abandon_all(self) -> None:
        """Record everyone who waits or runs as failed, because the engine will not come back."""
        self.fail_waiting()
        for number, member in list(self._members.items()):
            del self._members[number]
            self._abandon(member, *self._end_without_engine(number))

    @abstractmethod
    def _admit(self, arrival: Arrival, now: float) -> None:
        """Submit a request to the scheduler, and see whether something is to be done at once."""

    @abstractmethod
    def _expire(self, now: float) -> None:
        """Expire who is too late, and see whether that lets someone in."""

    @abstractmethod
    def _take(self, report: Report, at: float) -> None:
        """Go on after something has happened in the engine at an instant of this clock."""

    @abstractmethod
    def _resume(self) -> None:
        """See whether someone who waits can be let in, now that the engine runs."""

    @abstractmethod
    def _put_back(self, member: Member) -> None:
        """Let a member wait again."""

    @abstractmethod
    def _abandon(self, member: Member, outcome: Outcome, reason: Reason) -> None:
        """Record that a member got no whole answer."""

    def _withdraw(self, number: int) -> bool:
        """Let a request wait no longer that was called off; False if it does not wait."""
        now = self.timers.now
        return self._queue.withdraw(number, Outcome.CANCELLED, Reason.CLIENT_GONE, now)

    def _hand_over(self, member: Member, precision: int) -> None:
        waiting = member.waiting
        number = waiting.arrival.number
        job = self._jobs[number]
        self._members[number] = member
        if job.on_joined is not None:
            name, end = self._precisions[precision], member.believed_end_seconds
            job.on_joined(Joined(name, member.joined_at_seconds, end))
        self.engine.submit(
            GenerationRequest(
                number=number,
                prompt=job.prompt,
                max_tokens=job.max_tokens or waiting.arrival.output_tokens,
                precision=self._precisions[precision],
                sampling=job.sampling,
                headers=job.headers,
            )
        )
        if number in self._called_off:
            self.engine.cancel(number)

    def _note(self, progress: Progress, at: float) -> Member | None:
        """Write down what a member gained; None if it is not one any more."""
        member = self._members.get(progress.number)
        if member is None:
            return None
        if progress.num_tokens:
            if member.num_tokens == 0:
                member.first_token_at_seconds = at
            member.num_tokens += progress.num_tokens
            member.last_token_at_seconds = at
        elif progress.finish is not None and member.num_tokens == 0:
            # an answer without a token is whole when it ends
            member.first_token_at_seconds = member.last_token_at_seconds = at
        listener = self._jobs[progress.number].on_progress
        if listener is not None:
            listener(progress)
        return member

    def _leave(self, member: Member, finish: Finish) -> bool:
        """Take a member out that gains no more; return whether it got its whole answer."""
        del self._members[member.waiting.arrival.number]
        if finish in _ENDS:
            self._abandon(member, *_ENDS[finish])
            return False
        return True

    def _lose_members(self) -> None:
        """Go on after the engine has lost all that was in it."""
        for number, member in list(self._members.items()):
            del self._members[number]
            if member.num_tokens or number in self._called_off | self._lost_once:
                self._abandon(member, *self._end_without_engine(number))
            else:
                self._lost_once.add(number)
                self._put_back(member)
        self._set_expiry_alarm()

    def _end_without_engine(self, number: int) -> tuple[Outcome, Reason]:
        """Return how a request ends that the engine will not answer any more."""
        return _ENDS[Finish.CANCELLED if number in self._called_off else Finish.FAILED]

    def _set_expiry_alarm(self) -> None:
        at = self._queue.next_expiry_seconds()
        if at == self._expiry_at:
            return
        if self._expiry_alarm is not None:
            self._expiry_alarm.cancel()
            self._expiry_alarm = None
        self._expiry_at = at
        if at < float("inf"):
            self._expiry_alarm = self.timers.alarm(at, self._ring)

    def _ring(self) -> None:
        self._expiry_alarm, self._expiry_at = None, float("inf")
        try:
            self._expire(self.timers.now)
        finally:
            self._set_expiry_alarm()

    def _count_work(self, believed_seconds: float, actual_seconds: float) -> None:
        self._believed_seconds += believed_seconds
        self._actual_seconds += actual_seconds

    def _tell_end(self, record: RequestRecord) -> None:
        job = self._jobs.pop(record.number)
        self._lost_once.discard(record.number)
        self._called_off.discard(record.number)
        if self._most_records is not None:
            self.log.keep(self._most_records)
        if not self._jobs:
            self._all_ended.set()
        if job.on_end is not None:
            job.on_end(record)

    def _stop_because(self, error: BaseException) -> None:
        self._error = error
        if self._task is not None:
            self._task.cancel()
