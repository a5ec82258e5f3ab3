"""A node under the virtual clock, from event to event instead of token by token.

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
from typing import NamedTuple

from edgebatch.scheduling import BatchRecord, JoiningScheduler, RunLog, Waiting
from edgebatch.simulation.reality import Factors
from edgebatch.workload import Arrival


class _Running(NamedTuple):
    """A member of the running batch, ordered by the step at which it ends."""

    last_step: int
    number: int
    waiting: Waiting
    joined_at: float
    first_token_at: float
    join: int


class _Stretch(NamedTuple):
    """Passes between two decisions.

    Attributes:
        steps: how many; 1 if somebody is read.
        began_at: when.
        factor: true over believed time.
        believed_seconds: how long it is believed to take.
        joining: who is read.
        num_waiting: how many waited when they were let in, they included.
    """

    steps: int
    began_at: float
    factor: float
    believed_seconds: float
    joining: list[Waiting]
    num_waiting: int


class VirtualNode:
    """One node: who runs there, and the stretch of passes that it is in.

    Args:
        scheduler: who decides.
        factors: how true times differ from believed ones.
        log: what the run leaves behind.
        position: which of several nodes it is.

    Attributes:
        end_at_seconds: when the stretch ends; infinity if nobody runs.
        offered: requests that were shown to it, with the nodes that would be next.
    """

    def __init__(
        self, scheduler: JoiningScheduler, factors: Factors, log: RunLog, position: int
    ) -> None:
        node = scheduler.hosting.node
        self._scheduler, self._factors, self._log = scheduler, factors, log
        self._position = position
        self._downlink_seconds = node.downlink_seconds
        self._cost = scheduler.cost
        self._pass_seconds = scheduler.cost.step_seconds
        self._per_member, self._per_token = scheduler.cost.step_coefficients()
        hosted = node.memory_bytes - scheduler.token_budget * scheduler.cost.kv_bytes_per_token
        self._hosted_use = hosted / node.memory_bytes
        self._use_per_token = scheduler.cost.kv_bytes_per_token / node.memory_bytes
        self._running: list[_Running] = []
        self._context_tokens = 0
        self._step = 0
        self._stretch: _Stretch | None = None
        self._is_cut = False
        self.end_at_seconds = math.inf
        self.offered: list[tuple[Arrival, list[int]]] = []

    @property
    def is_idle(self) -> bool:
        """Whether nobody runs."""
        return self._stretch is None

    def begin_stretch(self, now: float) -> bool:
        """Ask who joins, and go on with them; else with those who run, if anybody does.

        Returns:
            Whether anybody joins.
        """
        joining = self._scheduler.join(now, self._step)
        if not joining and not self._running:
            self._stretch, self.end_at_seconds = None, math.inf
            return False
        steps = 1 if joining else self._running[0].last_step - self._step
        believed = self._stretch_seconds(steps)
        for waiting in joining:
            believed += self._cost.prefill_seconds(float(waiting.arrival.prompt_tokens))
        self._log.num_decisions += bool(joining)
        num_waiting = len(self._scheduler.queue) + len(joining)
        factor = self._factors.next()
        self._stretch = _Stretch(steps, now, factor, believed, joining, num_waiting)
        self._is_cut = bool(joining)
        self.end_at_seconds = now + believed * factor
        return bool(joining)

    def cut(self, at: float) -> bool:
        """End the stretch with the step that runs then; False if that has been settled already.

        While prompts are read there is only one step.
        """
        stretch = self._stretch
        if stretch is None or self._is_cut:
            return False
        self._is_cut = True
        steps = self._steps_until((at - stretch.began_at) / stretch.factor, stretch.steps)
        believed = self._stretch_seconds(steps)
        self._stretch = stretch._replace(steps=steps, believed_seconds=believed)
        self.end_at_seconds = stretch.began_at + believed * stretch.factor
        return True

    def end_stretch(self) -> None:
        """Give everyone their tokens, and let those go who have got all of theirs."""
        stretch, now = self._stretch, self.end_at_seconds
        assert stretch is not None
        scheduler = self._scheduler
        seconds = now - stretch.began_at
        decoding = len(self._running)
        self._log.add_use(seconds, scheduler.num_running, self._memory_use)
        size = decoding + len(stretch.joining)
        scheduler.observe(stretch.believed_seconds, seconds, size)
        self._context_tokens += stretch.steps * decoding
        self._step += stretch.steps
        if stretch.joining:
            self._add_members(stretch, now)
        self._finish_members(now)

    def _add_members(self, stretch: _Stretch, now: float) -> None:
        number = self._log.next_batch_number()
        for waiting in stretch.joining:
            arrival = waiting.arrival
            self._context_tokens += arrival.prompt_tokens + 1
            last_step = self._step + arrival.actual_output_tokens - 1
            member = _Running(last_step, arrival.number, waiting, stretch.began_at, now, number)
            heapq.heappush(self._running, member)
        self._record(number, stretch, now)

    def _finish_members(self, now: float) -> None:
        running, step = self._running, self._step
        while running and running[0].last_step <= step:
            member = heapq.heappop(running)
            arrival = member.waiting.arrival
            self._context_tokens -= arrival.prompt_tokens + arrival.actual_output_tokens
            self._scheduler.complete(
                member.waiting,
                joined_at=member.joined_at,
                first_token_at=member.first_token_at,
                last_token_at=now,
                join=member.join,
            )
            self._log.span_seconds = max(self._log.span_seconds, now + self._downlink_seconds)

    @property
    def _memory_use(self) -> float:
        return self._hosted_use + self._use_per_token * self._scheduler.reserved_tokens

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

    def _record(self, number: int, stretch: _Stretch, now: float) -> None:
        scheduler = self._scheduler
        self._log.batches.append(
            BatchRecord(
                number=number,
                precision=scheduler.precision,
                size=len(stretch.joining),
                running=scheduler.num_running,
                num_waiting=stretch.num_waiting,
                decided_at_seconds=stretch.began_at,
                started_at_seconds=stretch.began_at,
                ended_at_seconds=now,
                believed_seconds=stretch.believed_seconds,
                memory_use=self._memory_use,
                uplink_use=0.0,
                downlink_use=0.0,
                binding=scheduler.binding(),
                proven=False,
                nodes=0,
                solver_seconds=0.0,
                node=self._position,
            )
        )
