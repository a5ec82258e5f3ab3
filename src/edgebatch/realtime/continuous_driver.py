"""Continuous batching under the wall clock: requests join one engine's running batch."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edgebatch.engines import Engine, Finish, Report
from edgebatch.realtime.engine_driver import Desk, EngineDriver, Member
from edgebatch.realtime.pace import PaceMeter
from edgebatch.realtime.prediction import EndPredictor, Guess
from edgebatch.scheduling import (
    BatchRecord,
    JoiningScheduler,
    NodePool,
    Outcome,
    Reason,
    RollingScheduler,
    RunLog,
    RunningBatch,
    Waiting,
)


@dataclass(slots=True)
class _Joining:
    """Those who joined together, until all have been read."""

    record: BatchRecord
    unread: set[int]


class ContinuousDesk(Desk, Protocol):
    """A desk before engines that choose from one queue."""

    pool: NodePool
    log: RunLog

    def set_up(self, driver: EngineDriver, *, is_up: bool) -> None:
        """Take note of whether a driver's engine can be given requests."""

    def ask_all(self) -> None:
        """See whether someone can be let in anywhere."""

    def ask_freed(self) -> None:
        """See whether someone can be let in who stood behind one who waits no more."""


class ContinuousDriver(EngineDriver):
    """Lets requests join between two steps, whenever the scheduler says so.

    It is asked when someone arrives who might join, when someone leaves, and when the engine has
    shown a new pace; between two steps once at most. What it decides while a step runs takes
    effect at the next one.

    Args:
        desk: who knows what those want who join.
        engine: with the scheduler's precision by the same name.
        scheduler: who decides.
    """

    _desk: ContinuousDesk

    def __init__(self, desk: ContinuousDesk, engine: Engine, scheduler: JoiningScheduler) -> None:
        super().__init__(desk, engine, desk.log.precisions)
        hosting = scheduler.hosting
        self._scheduler = scheduler
        self._queue, self._log = scheduler.queue, desk.log
        self._meter = PaceMeter(scheduler.cost, self._measured)
        self._predictor = EndPredictor()
        self._step = 0
        self._decided_step = -1
        self._is_due = False
        self._last_report_at = 0.0
        self._joining: list[_Joining] = []
        self._busy_seconds = 0.0
        self._trial_alarm: asyncio.TimerHandle | None = None
        cost, node = scheduler.cost, hosting.node
        hosted = node.memory_bytes - scheduler.token_budget * cost.kv_bytes_per_token
        self._hosted_use = hosted / node.memory_bytes
        self._use_per_token = cost.kv_bytes_per_token / node.memory_bytes

    def limit_running(self, most: int | None) -> None:
        """Hand the engine no more requests at once."""
        self._scheduler.limit_running(most)

    @property
    def precision(self) -> str:
        """Name of the precision that runs."""
        return self._scheduler.cost.precision.name

    @property
    def believed_pace(self) -> float:
        """True seconds per second of the cost model, as far as is known."""
        return self._scheduler.believed_pace

    @property
    def cautious_pace(self) -> float:
        """Seconds that a request must be given for each that it is believed to take alone."""
        return self._scheduler.cautious_pace

    @property
    def busy_seconds(self) -> float:
        """How long the engine has computed."""
        return self._busy_seconds

    def believed_ends(self) -> list[float]:
        """Return when each of :attr:`members` is believed to end, others joining as of late."""
        return self._ends_of(list(self._members.values()), self._desk.timers.now)

    def retry_after_seconds(self) -> float:
        """Return when someone who cannot be let in now should try again."""
        if isinstance(self._scheduler, RollingScheduler):
            self._correct_progress()
            return self._scheduler.retry_after_seconds(self._desk.timers.now, self._step)
        return super().retry_after_seconds()

    def _measured(self, believed_seconds: float, actual_seconds: float, size: float) -> None:
        self._count_work(believed_seconds, actual_seconds)
        self._scheduler.observe(believed_seconds, actual_seconds, size)

    def decide(self, ended_at: float | None = None) -> None:
        """Ask who joins now, or after the step that runs if that was asked in it already.

        Args:
            ended_at: when a pass ended just now; None while one may run.
        """
        if not self.is_on or (self._members and self._decided_step == self._step):
            self._is_due = True
            return
        self._is_due, self._decided_step = False, self._step
        self._correct_progress()
        now = self._desk.timers.now if ended_at is None else ended_at
        began = time.perf_counter()
        num_waiting = len(self._queue)
        pass_runs = self._members and ended_at is None
        pass_began_at = self._last_report_at if pass_runs else None
        joining = self._scheduler.join(now, self._step, pass_began_at)
        self._log.num_decisions += 1
        if joining:
            self._let_in(joining, now, num_waiting, time.perf_counter() - began)
            self._desk.ask_freed()
        elif not self._members:
            self._look_again_later(now)

    def _look_again_later(self, now: float) -> None:
        """Be woken when what keeps everyone out of an idle engine is to be tried."""
        at = self._scheduler.next_trial_seconds()
        if self._trial_alarm is not None:
            self._trial_alarm.cancel()
            self._trial_alarm = None
        if now < at < math.inf:
            self._trial_alarm = self._desk.timers.alarm(at, self._try_again)

    def _try_again(self) -> None:
        self._trial_alarm = None
        if not self._members:
            self.decide()

    def _correct_progress(self) -> None:
        """Tell the scheduler of members that did not gain a token in each step."""
        for number, member in self._members.items():
            joined_step = self._step - member.num_tokens
            if joined_step != member.joined_step:
                member.joined_step = joined_step
                self._scheduler.progressed(number, member.num_tokens, self._step)

    def _let_in(
        self, joining: list[Waiting], now: float, num_waiting: int, solver_seconds: float
    ) -> None:
        if not self._members:
            self._last_report_at = now
        self._meter.begin(now)
        record = self._record(joining, now, num_waiting, solver_seconds)
        members = [Member(each, now, self._step, record.number, now) for each in joining]
        self._predict(members, now)
        for member in members:
            self._hand_over(member, self._scheduler.precision)
        self._joining.append(_Joining(record, {each.arrival.number for each in joining}))

    def _predict(self, joining: list[Member], now: float) -> None:
        """Write down when those who join are believed to end, with all who run and join."""
        together = [*self._members.values(), *joining]
        since, guess = self._guess(together, now)
        left_seconds = self._predictor.predict(guess)
        for place, member in enumerate(joining, start=len(self._members)):
            member.believed_end_seconds = since + float(left_seconds[place])
            waited = since - member.joined_at_seconds
            alone, steady = float(guess.alone[place]), float(guess.steady[place])
            number = member.waiting.arrival.number
            self._predictor.note(number, waited + alone, waited + steady)

    def _ends_of(self, together: list[Member], now: float) -> list[float]:
        if not together:
            return []
        since, guess = self._guess(together, now)
        ends: list[float] = (since + self._predictor.predict(guess)).tolist()
        return ends

    def _guess(self, together: list[Member], now: float) -> tuple[float, Guess]:
        """Return since when, and how long from then on, each may take."""
        cost = self._scheduler.cost
        arrivals = [each.waiting.arrival for each in together]
        gained = np.array([float(each.num_tokens) for each in together])
        prompts = np.array([float(each.prompt_tokens) for each in arrivals])
        outputs = np.array([float(each.output_tokens) for each in arrivals])
        # the pass that runs is counted from its beginning; who came since waits for its end
        since = min(now, self._last_report_at) if self._members else now
        waits = np.array([float(each.joined_at_seconds > since) for each in together])
        left = np.maximum(outputs - gained, 1.0)
        batch = RunningBatch.of(cost, prompts, gained, left, waits)
        left = left + waits
        alone = self._scheduler.pace_at(len(together)) * batch.seconds_until(left)
        # as others join meanwhile, passes may stay as long as they were of late
        return since, Guess(alone, np.maximum(alone, left * self._meter.pass_seconds))

    def _take(self, report: Report, at: float) -> None:
        self._account(at)
        has_room = False
        self._step += max((each.num_tokens for each in report.progress), default=0)
        for progress in report.progress:
            before = self._members.get(progress.number)
            if before is not None and progress.num_tokens:
                prompt_tokens = before.waiting.arrival.prompt_tokens
                self._meter.gain(
                    progress.number, prompt_tokens, before.num_tokens, progress.num_tokens
                )
            member = self._note(progress, at)
            if member is None:
                continue
            if progress.finish is not None or member.num_tokens == progress.num_tokens:
                self._mark_read(progress.number, at)
                # a first token that was promised may have kept others out
                has_room |= member.waiting.arrival.ttft_seconds < math.inf
            if progress.finish is not None:
                self._end(member, progress.finish)
                has_room = True
        learnt = self._meter.end_step(at, idle=not self._members)
        if has_room or self._is_due or (learnt and len(self._queue) > 0):
            self.decide(at)

    def _end(self, member: Member, finish: Finish) -> None:
        if not self._leave(member, finish):
            return
        self._scheduler.complete(
            member.as_it_came(),
            joined_at=member.joined_at_seconds,
            first_token_at=member.first_token_at_seconds,
            last_token_at=member.last_token_at_seconds,
            join=member.batch,
        )
        downlink_seconds = self._scheduler.hosting.node.downlink_seconds
        answered_at = member.last_token_at_seconds + downlink_seconds
        self._log.span_seconds = max(self._log.span_seconds, answered_at)

    def _abandon(self, member: Member, outcome: Outcome, reason: Reason) -> None:
        self._scheduler.abandon(member.waiting, outcome, reason, self._desk.timers.now)

    def _put_back(self, member: Member) -> None:
        self._scheduler.release(member.waiting)
        self._desk.pool.put_back(member.waiting)

    def _resume(self) -> None:
        self._is_due = False
        if len(self._queue):
            self.decide()

    def _leave(self, member: Member, finish: Finish) -> bool:
        arrival = member.waiting.arrival
        # an answer that ended early says nothing of how long the whole would have taken
        if member.num_tokens == arrival.output_tokens:
            took_seconds = member.last_token_at_seconds - member.joined_at_seconds
            self._predictor.learn(arrival.number, took_seconds)
        self._predictor.forget(arrival.number)
        return super()._leave(member, finish)

    def _lose_members(self) -> None:
        for number in self._members:
            self._predictor.forget(number)
        super()._lose_members()
        self._joining.clear()
        self._meter.forget()
        self._desk.ask_all()

    def switch(self, *, is_on: bool) -> None:
        """Say whether someone may join."""
        super().switch(is_on=is_on)
        self._desk.set_up(self, is_up=is_on)

    def _account(self, at: float) -> None:
        scheduler, seconds = self._scheduler, at - self._last_report_at
        self._log.add_use(seconds, scheduler.num_running, self.memory_use)
        self._busy_seconds += seconds
        self._last_report_at = at

    @property
    def memory_use(self) -> float:
        """Part of the node's memory in use: weights, reserve and what is reserved for members."""
        return self._hosted_use + self._use_per_token * self._scheduler.reserved_tokens

    def _mark_read(self, number: int, at: float) -> None:
        """End the record of those who joined together once the last of them has been read."""
        for group in self._joining:
            group.unread.discard(number)
            if not group.unread:
                self._log.batches.append(group.record._replace(ended_at_seconds=at))
        self._joining = [group for group in self._joining if group.unread]

    def _record(
        self, joining: list[Waiting], now: float, num_waiting: int, solver_seconds: float
    ) -> BatchRecord:
        cost = self._scheduler.cost
        per_step, per_token = cost.step_coefficients()
        believed = cost.step_seconds
        for member in self._members.values():
            context = member.waiting.arrival.prompt_tokens + member.num_tokens
            believed += per_step + per_token * context
        for waiting in joining:
            believed += cost.prefill_seconds(float(waiting.arrival.prompt_tokens))
        return BatchRecord(
            number=self._log.next_batch_number(),
            precision=self._scheduler.precision,
            size=len(joining),
            running=self._scheduler.num_running,
            num_waiting=num_waiting,
            decided_at_seconds=now,
            started_at_seconds=now,
            ended_at_seconds=now,
            believed_seconds=believed,
            memory_use=self.memory_use,
            uplink_use=0.0,
            downlink_use=0.0,
            binding=self._scheduler.binding(),
            proven=False,
            nodes=0,
            solver_seconds=solver_seconds,
            node=self._desk.pool.schedulers.index(self._scheduler),
        )
