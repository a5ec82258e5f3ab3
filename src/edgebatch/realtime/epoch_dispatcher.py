"""The epoch protocol under the wall clock, in front of a real engine."""

from __future__ import annotations

import itertools
from dataclasses import replace

from edgebatch.cost import BatchCost, hosted_bytes
from edgebatch.engines import Engine, Report
from edgebatch.realtime.dispatcher import Dispatcher
from edgebatch.realtime.engine_driver import Desk, EngineDriver, Member
from edgebatch.scheduling import (
    Batch,
    Computed,
    EpochLoop,
    EpochProtocol,
    EpochScheduler,
    Outcome,
    Reason,
    Waiting,
)
from edgebatch.workload import Arrival


class EpochDriver(EngineDriver, EpochLoop):
    """Lets a batch at a time into the engine; all its members join at once.

    The radio's phases are waited for, as in a simulation. A batch ends with its last member, and
    answers count from the end of the downlink.

    Args:
        desk: who knows what those want who are chosen.
        engine: with the scheduler's precisions by the same names.
        scheduler: who decides.
        protocol: when it is decided.
    """

    def __init__(
        self, desk: Desk, engine: Engine, scheduler: EpochScheduler, protocol: EpochProtocol
    ) -> None:
        self._hosting = scheduler.hosting
        names = [precision.name for precision in self._hosting.precisions]
        EngineDriver.__init__(self, desk, engine, names)
        EpochLoop.__init__(self, scheduler, protocol, desk.timers)
        self._batch: Batch | None = None
        self._started_at = 0.0
        self._answers: dict[int, list[Waiting]] = {}
        self._cut_short: list[Waiting] = []
        self._first_token_at = 0.0

    def limit_running(self, most: int | None) -> None:
        """Put no more requests into a batch; one that has been decided stays as it is."""
        self._scheduler.limit_running(most)

    @property
    def precision(self) -> str:
        """Name of the precision of the batch that computes; empty between two."""
        return "" if self._batch is None else self._precisions[self._batch.precision]

    @property
    def believed_pace(self) -> float:
        """True seconds per second of the cost model, as it was seen."""
        return self._scheduler.pace.pace

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

    @property
    def busy_seconds(self) -> float:
        """How long the engine has computed."""
        return self.log.busy_seconds

    def come(self, arrival: Arrival, now: float) -> None:
        """Submit a request to the scheduler, and see whether something is to be decided."""
        if self._scheduler.submit(arrival, now) is not None:
            self._ask()

    def abandon_members(self) -> None:
        """Record everyone as failed, also who is on the way to the engine or has left it."""
        super().abandon_members()
        left = itertools.chain.from_iterable(self._answers.values())
        for waiting in (*self._on_their_way(), *left):
            end = self._end_without_engine(waiting.arrival.number)
            self._scheduler.abandon(waiting, *end, self._desk.timers.now)
        self._answers.clear()

    def _observe(self, believed_seconds: float, actual_seconds: float) -> None:
        self._count_work(believed_seconds, actual_seconds)
        super()._observe(believed_seconds, actual_seconds)

    def _compute(self, batch: Batch) -> None:
        self._batch, self._started_at = batch, self._desk.timers.now
        self._first_token_at = self._started_at
        self._answers[batch.number], self._cut_short = [], []
        end = self._started_at + batch.compute_seconds
        for waiting in batch.members:
            member = Member(waiting, self._started_at, 0, batch.number, end)
            self._hand_over(member, batch.precision)

    def _take(self, report: Report, at: float) -> None:
        for progress in report.progress:
            member = self._note(progress, at)
            if member is None:
                continue
            if member.first_token_at_seconds == at:
                self._first_token_at = at
            if progress.finish is None:
                continue
            if self._leave(member, progress.finish):
                self._answers[member.batch].append(member.as_it_came())
            elif member.num_tokens:
                self._cut_short.append(member.as_it_came())
        self._end_batch()

    def _end_batch(self, *, lost: bool = False) -> None:
        if self._batch is None or self._members:
            return
        batch, self._batch = self._batch, None
        # whoever was cancelled took the node's time, too; who was lost took nobody knows how much
        came = [] if lost else [*self._answers[batch.number], *self._cut_short]
        believed = self._seconds_as_it_came(came, batch.precision)[0] if came else 0.0
        actual = self._desk.timers.now - self._started_at
        self._compute_ended(
            batch, Computed(self._started_at, self._first_token_at, believed, actual)
        )

    def _answered(self, batch: Batch, first_token_at: float, last_token_at: float) -> None:
        """Complete those who got their answers, with the lengths that these had."""
        answered = replace(batch, members=tuple(self._answers.pop(batch.number, ())))
        super()._answered(answered, first_token_at, last_token_at)

    def _abandon(self, member: Member, outcome: Outcome, reason: Reason) -> None:
        self._scheduler.abandon(member.waiting, outcome, reason, self._desk.timers.now)

    def _put_back(self, member: Member) -> None:
        self._scheduler.put_back(member.waiting)

    def _lose_members(self) -> None:
        for waiting in self._on_their_way():
            self._scheduler.put_back(waiting)
            if waiting.arrival.number in self._desk.called_off:
                self._desk.withdraw(waiting.arrival.number)
        super()._lose_members()
        self._end_batch(lost=True)

    def _on_their_way(self) -> list[Waiting]:
        """Stop those between decision and engine, and return them."""
        batches = [self._uplinking, self._uplinked]
        self._uplinking = self._uplinked = None
        return [waiting for batch in batches if batch for waiting in batch.members]

    def _uplink_ended(self, batch: Batch) -> None:
        if batch is self._uplinking:  # else they were stopped
            super()._uplink_ended(batch)

    def _resume(self) -> None:
        self._ask()

    def _decide(self, planned_at: float) -> None:
        if self.is_on:
            super()._decide(planned_at)
        else:
            self._next_decision = None


class EpochDispatcher(Dispatcher):
    """One engine that is given a batch at a time.

    Args:
        engine: with the scheduler's precisions by the same names.
        scheduler: who decides.
        protocol: when it is decided.
    """

    def __init__(
        self,
        engine: Engine,
        scheduler: EpochScheduler,
        protocol: EpochProtocol = EpochProtocol(),
    ) -> None:
        super().__init__(scheduler.queue)
        self._driver = EpochDriver(self, engine, scheduler, protocol)
        self.drivers = (self._driver,)
        self.log = self._driver.log

    def _admit(self, arrival: Arrival, now: float) -> None:
        self._driver.come(arrival, now)

    def _expire(self, now: float) -> None:
        self._queue.expire(now)
