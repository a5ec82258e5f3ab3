"""Continuous batching under the virtual clock, from event to event instead of token by token.

Between two joins every step adds one token to every running request, so step r of a stretch takes
F + m·a + b·(C + m·r) seconds, with F the time of a pass, m the number running, C the sum of their
contexts and a, b the cost of a decode step. A stretch of q steps therefore takes
q·(F + m·a + b·C) + b·m·q·(q−1)/2, and where it must end because someone arrived follows from a
quadratic equation. Joiners' prefills are one step together with everyone's next token, which is
the stall that running requests see.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from typing import NamedTuple

from edgebatch.scheduling import BatchRecord, JoiningScheduler, RunLog, Waiting
from edgebatch.simulation.reality import Reality
from edgebatch.workload import Workload


class _Running(NamedTuple):
    """A member of the running batch, ordered by the step at which it ends."""

    last_step: int
    number: int
    waiting: Waiting
    joined_at: float
    first_token_at: float
    join: int


class ContinuousSimulation:
    """One run of a workload through a :class:`~edgebatch.scheduling.JoiningScheduler`.

    Prompts reach the node T_U after they arrive and answers their users T_D after their last
    token; the shares of the radio are not modelled here.

    Args:
        scheduler: who decides; its ledger is filled.
        workload: who arrives.
        reality: how true times differ from believed ones.
    """

    def __init__(
        self,
        scheduler: JoiningScheduler,
        workload: Workload,
        reality: Reality = Reality(),
    ) -> None:
        node = scheduler.hosting.node
        self._scheduler = scheduler
        self._arrivals = iter(workload)
        self._uplink_seconds = node.uplink_seconds
        self._cost = scheduler.cost
        self._factors = reality.factors()
        self._pass_seconds = scheduler.cost.step_seconds
        self._per_member, self._per_token = scheduler.cost.step_coefficients()
        precisions = scheduler.hosting.precisions
        self._log = RunLog(scheduler.ledger, tuple(each.name for each in precisions))
        hosted = node.memory_bytes - scheduler.token_budget * scheduler.cost.kv_bytes_per_token
        self._hosted_use = hosted / node.memory_bytes
        self._use_per_token = scheduler.cost.kv_bytes_per_token / node.memory_bytes
        self._running: list[_Running] = []
        self._context_tokens = 0
        self._step = 0
        self._now = 0.0

    def run(self, on_arrival: Callable[[], None] | None = None) -> RunLog:
        """Carry the run out to the end of the last answer and return its log.

        Args:
            on_arrival: called at each arrival, for showing progress.
        """
        self._on_arrival = on_arrival
        self._fetch_arrival()
        while True:
            self._finish_members()
            joining = self._scheduler.join(self._now, self._step)
            if joining:
                self._prefill(joining)
            elif self._running:
                self._decode()
            elif not self._idle():
                break
        self._scheduler.ledger.check_conservation()
        return self._log

    def _idle(self) -> bool:
        """Let the clock run to the next arrival or expiry; False if there is neither."""
        expiry_at = self._scheduler.queue.next_expiry_seconds()
        if self._next_at <= expiry_at:
            if self._next_at == math.inf:
                return False
            self._now = self._next_at
            self._take_arrival()
        else:
            self._now = math.nextafter(expiry_at, math.inf)
            self._scheduler.expire(self._now)
        return True

    def _fetch_arrival(self) -> None:
        self._next = next(self._arrivals, None)
        self._next_at = (
            math.inf if self._next is None else self._next.arrival_seconds + self._uplink_seconds
        )

    def _take_arrival(self) -> bool:
        """Submit the next arrival at its time; return whether someone could join now."""
        arrival, at = self._next, self._next_at
        assert arrival is not None
        if self._on_arrival is not None:
            self._on_arrival()
        self._fetch_arrival()
        self._scheduler.queue.expire(at)
        return self._scheduler.submit(arrival, at)

    def _finish_members(self) -> None:
        running, step = self._running, self._step
        while running and running[0].last_step <= step:
            member = heapq.heappop(running)
            arrival = member.waiting.arrival
            self._context_tokens -= arrival.prompt_tokens + arrival.actual_output_tokens
            self._scheduler.complete(
                member.waiting,
                joined_at=member.joined_at,
                first_token_at=member.first_token_at,
                last_token_at=self._now,
                join=member.join,
            )
            self._log.span_seconds = self._now + self._scheduler.hosting.node.downlink_seconds

    def _prefill(self, joining: list[Waiting]) -> None:
        """Carry out the one step in which ``joining`` are read and everyone else decodes."""
        num_waiting = len(self._scheduler.queue) + len(joining)
        joined_at, decoding = self._now, len(self._running)
        believed = self._stretch_seconds(1)
        for waiting in joining:
            believed += self._cost.prefill_seconds(float(waiting.arrival.prompt_tokens))
        self._log.num_decisions += 1
        self._pass_time(joined_at + believed * self._factors.next())
        self._scheduler.observe(believed, self._now - joined_at, decoding + len(joining))
        self._context_tokens += decoding
        self._step += 1
        join = len(self._log.batches)
        for waiting in joining:
            arrival = waiting.arrival
            self._context_tokens += arrival.prompt_tokens + 1
            last_step = self._step + arrival.actual_output_tokens - 1
            heapq.heappush(
                self._running,
                _Running(last_step, arrival.number, waiting, joined_at, self._now, join),
            )
        self._record(join, joining, joined_at, believed, num_waiting)

    def _decode(self) -> None:
        """Decode until the next member ends or someone can join, whichever comes first."""
        steps = self._running[0].last_step - self._step
        factor = self._factors.next()
        end = self._now + self._stretch_seconds(steps) * factor
        queue = self._scheduler.queue
        while (changed_at := min(self._next_at, queue.next_expiry_seconds())) < end:
            if changed_at == self._next_at:
                can_join = self._take_arrival()
            else:  # an expiry may leave the head of the line to someone who fits
                can_join = self._scheduler.expire(math.nextafter(changed_at, math.inf))
            if can_join:
                steps = self._steps_until((changed_at - self._now) / factor, steps)
                end = self._now + self._stretch_seconds(steps) * factor
                break
        believed, began_at = self._stretch_seconds(steps), self._now
        self._pass_time(end)
        self._scheduler.observe(believed, self._now - began_at, len(self._running))
        self._context_tokens += steps * len(self._running)
        self._step += steps

    def _pass_time(self, end: float) -> None:
        """Let the clock run to ``end``, taking in whoever arrives until then."""
        while self._next_at <= end:
            self._take_arrival()
        scheduler = self._scheduler
        memory_use = self._hosted_use + self._use_per_token * scheduler.reserved_tokens
        self._log.add_use(end - self._now, scheduler.num_running, memory_use)
        self._now = end

    def _stretch_seconds(self, steps: int) -> float:
        """Return the believed time of the next ``steps`` decode steps of everyone running."""
        running = len(self._running)
        first = (
            self._pass_seconds + running * self._per_member + self._per_token * self._context_tokens
        )
        return steps * first + self._per_token * running * steps * (steps - 1) / 2.0

    def _steps_until(self, seconds: float, most: int) -> int:
        """Return the fewest steps, 1 to ``most``, after which ``seconds`` have passed."""
        growth = self._per_token * len(self._running) / 2.0
        linear = self._stretch_seconds(1) - growth
        if growth > 0.0:
            root = math.sqrt(linear * linear + 4.0 * growth * seconds)
            steps = 2.0 * seconds / (linear + root) if linear + root > 0.0 else 0.0
        else:
            steps = seconds / linear if linear > 0.0 else 0.0
        return min(most, max(1, math.ceil(steps - 1e-9)))

    def _record(
        self,
        number: int,
        joining: list[Waiting],
        joined_at: float,
        believed: float,
        num_waiting: int,
    ) -> None:
        scheduler = self._scheduler
        self._log.batches.append(
            BatchRecord(
                number=number,
                precision=scheduler.precision,
                size=len(joining),
                running=scheduler.num_running,
                num_waiting=num_waiting,
                decided_at_seconds=joined_at,
                started_at_seconds=joined_at,
                ended_at_seconds=self._now,
                believed_seconds=believed,
                memory_use=self._hosted_use + self._use_per_token * scheduler.reserved_tokens,
                uplink_use=0.0,
                downlink_use=0.0,
                binding=scheduler.binding(),
                proven=False,
                nodes=0,
                solver_seconds=0.0,
            )
        )
