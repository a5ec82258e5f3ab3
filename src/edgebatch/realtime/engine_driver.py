"""One engine under the wall clock: who is in it, and what it reports of them."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from edgebatch.engines import Engine, Finish, GenerationRequest, Progress, Report
from edgebatch.errors import EngineError
from edgebatch.realtime.job import Job, Joined
from edgebatch.realtime.timers import WallTimers
from edgebatch.scheduling import Outcome, Reason, Waiting


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


class Desk(Protocol):
    """Where requests come in and are told of their ends, for one or several engines."""

    timers: WallTimers
    jobs: dict[int, Job]
    called_off: set[int]
    lost_once: set[int]

    @property
    def bug(self) -> BaseException | None:
        """Why every driver is to end, if that is a bug."""

    def withdraw(self, number: int) -> bool:
        """Let a request wait no longer that was called off; False if it does not wait."""

    def set_expiry_alarm(self) -> None:
        """Be woken when the next request that waits will have waited too long."""


_ENDS = {
    Finish.CANCELLED: (Outcome.CANCELLED, Reason.CLIENT_GONE),
    Finish.FAILED: (Outcome.FAILED, Reason.ENGINE),
}


class EngineDriver(ABC):
    """Hands to one engine whom the scheduler chooses, and takes note of what it reports.

    Args:
        desk: who knows what those want who are chosen.
        engine: with the scheduler's precisions by the same names.
        precisions: names of those that may be on record.

    Attributes:
        engine: may be replaced while :meth:`run` does not run.
        is_on: whether someone may join: false after :meth:`run` has ended, until the next time.
        believed_seconds, actual_seconds: of all work so far.
    """

    def __init__(self, desk: Desk, engine: Engine, precisions: Sequence[str]) -> None:
        self.engine, self._desk, self._precisions = engine, desk, tuple(precisions)
        self.is_on = True
        self.believed_seconds = self.actual_seconds = 0.0
        self._members: dict[int, Member] = {}
        self._task: asyncio.Task[None] | None = None

    @abstractmethod
    def limit_running(self, most: int | None) -> None:
        """Hand the engine no more requests at once, in place of any such limit before."""

    @property
    def members(self) -> tuple[Member, ...]:
        """Who is in the engine."""
        return tuple(self._members.values())

    @property
    @abstractmethod
    def precision(self) -> str:
        """Name of the precision that runs; of several, the one that runs now, or empty."""

    @property
    @abstractmethod
    def believed_pace(self) -> float:
        """True seconds per second of the cost model, as far as is known."""

    @property
    def cautious_pace(self) -> float:
        """Seconds that a request must be given for each that it is believed to take alone."""
        return self.believed_pace

    @property
    @abstractmethod
    def memory_use(self) -> float:
        """Part of the node's memory in use: weights, reserve and what is reserved for members."""

    @property
    @abstractmethod
    def busy_seconds(self) -> float:
        """How long the engine has computed."""

    def believed_ends(self) -> list[float]:
        """Return when each of :attr:`members` is believed to end, as things are now."""
        return [member.believed_end_seconds for member in self._members.values()]

    def retry_after_seconds(self) -> float:
        """Return when someone who cannot be let in now should try again: the first believed end."""
        now = self._desk.timers.now
        ends = (member.believed_end_seconds for member in self._members.values())
        return max(0.0, min(ends, default=now) - now)

    def cancel(self, number: int) -> None:
        """Let the engine call a request off, if it is in there."""
        if number in self._members:
            self.engine.cancel(number)

    def stop(self) -> None:
        """Let :meth:`run` end, if it runs."""
        if self._task is not None:
            self._task.cancel()

    def switch(self, *, is_on: bool) -> None:
        """Say whether someone may join."""
        self.is_on = is_on

    async def run(self) -> None:
        """Take the engine's reports until cancelled; may be called again after an error.

        Raises:
            EngineError: the engine has died, hangs or cannot go on. Who had got tokens has failed
                by then, and is on record; who had not waits again, but only once; who waits goes
                on waiting. Nobody joins until the next call.
        """
        self._task = asyncio.current_task()
        self.switch(is_on=True)
        self._resume()
        try:
            while True:
                report = await self.engine.report()
                self._take(report, self._desk.timers.since_origin(report.at_seconds))
                self._desk.set_expiry_alarm()
        except EngineError:
            self.switch(is_on=False)
            self._lose_members()
            raise
        except asyncio.CancelledError:
            if self._desk.bug is not None:
                raise self._desk.bug from None
            raise
        finally:
            # nobody would hear any more what becomes of those who join
            self.switch(is_on=False)

    def abandon_members(self) -> None:
        """Record everyone who runs as failed, because the engine will not come back."""
        for number, member in list(self._members.items()):
            del self._members[number]
            self._abandon(member, *self._end_without_engine(number))

    @abstractmethod
    def _take(self, report: Report, at: float) -> None:
        """Go on after something has happened in the engine at an instant of the desk's clock."""

    @abstractmethod
    def _resume(self) -> None:
        """See whether someone who waits can be let in, now that the engine runs."""

    @abstractmethod
    def _put_back(self, member: Member) -> None:
        """Let a member wait again."""

    @abstractmethod
    def _abandon(self, member: Member, outcome: Outcome, reason: Reason) -> None:
        """Record that a member got no whole answer."""

    def _hand_over(self, member: Member, precision: int) -> None:
        waiting = member.waiting
        number = waiting.arrival.number
        job = self._desk.jobs[number]
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
        if number in self._desk.called_off:
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
        listener = self._desk.jobs[progress.number].on_progress
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
        desk = self._desk
        for number, member in list(self._members.items()):
            del self._members[number]
            had_its_chance = number in desk.called_off or number in desk.lost_once
            if member.num_tokens or had_its_chance:
                self._abandon(member, *self._end_without_engine(number))
            else:
                desk.lost_once.add(number)
                self._put_back(member)
        desk.set_expiry_alarm()

    def _end_without_engine(self, number: int) -> tuple[Outcome, Reason]:
        """Return how a request ends that the engine will not answer any more."""
        called_off = number in self._desk.called_off
        return _ENDS[Finish.CANCELLED if called_off else Finish.FAILED]

    def _count_work(self, believed_seconds: float, actual_seconds: float) -> None:
        self.believed_seconds += believed_seconds
        self.actual_seconds += actual_seconds
