"""The epoch protocol: decide, uplink, compute, downlink, again; the same under every clock.

Formulation §1. The protocol says when the next batch is decided; the scheduler says what is in it.
Who drives it provides the clock and carries the computing out.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import NamedTuple, Protocol

from edgebatch.cost import BatchCost, batch_seconds
from edgebatch.errors import InputError
from edgebatch.problem import Request
from edgebatch.scheduling.epoch import Batch, EpochScheduler
from edgebatch.scheduling.log import BatchRecord, RunLog
from edgebatch.scheduling.waiting import Waiting
from edgebatch.solvers import Status
from edgebatch.workload import Arrival


class Priority(IntEnum):
    """Order of events at one instant."""

    FINISH = 0
    """What ends frees its place first,"""
    ARRIVAL = 1
    """then those who arrive are seen,"""
    DECISION = 2
    """and then it is decided."""


class Timers(Protocol):
    """A clock with alarms."""

    @property
    def now(self) -> float:
        """The time, seconds."""

    def schedule(self, at_seconds: float, priority: Priority, action: Callable[[], None]) -> None:
        """Let ``action`` happen at an instant, now at the earliest."""


@dataclass(frozen=True, slots=True)
class EpochProtocol:
    """When the next batch is decided.

    Attributes:
        pipelined: the uplink of the next batch overlaps the computing of the current one, and
            a downlink whatever comes after it. Otherwise the node does one thing at a time.
        epoch_seconds: decisions are taken at multiples of this; None takes them as soon as the
            node can use them: such that the uplink ends when the running batch is believed to.
        longest_batch_seconds: most computing time that a batch may take; None for no limit but
            deadlines. A short limit keeps the node open for requests that cannot wait long.

    Raises:
        InputError: a time is not above 0.
    """

    pipelined: bool = True
    epoch_seconds: float | None = None
    longest_batch_seconds: float | None = None

    def __post_init__(self) -> None:
        for field in ("epoch_seconds", "longest_batch_seconds"):
            seconds = getattr(self, field)
            if seconds is not None and not 0.0 < seconds < math.inf:
                raise InputError(field, f"must be above 0 and finite, got {seconds!r}")


class Computed(NamedTuple):
    """How the computing of a batch went.

    Attributes:
        started_at_seconds, first_token_at_seconds: on the driver's clock.
        believed_seconds: how long the cost model says it takes at the lengths that came; 0 if
            that is not known, and then nothing is learnt from it.
        actual_seconds: how long it took.
    """

    started_at_seconds: float
    first_token_at_seconds: float
    believed_seconds: float
    actual_seconds: float


class EpochLoop(ABC):
    """The protocol's state: one batch computes, one at most is on its way or waits to be computed.

    Of every batch that ends, the scheduler is told how long it took beside how long it should have
    taken, so that what it decides next is in the node's own pace.

    Args:
        scheduler: who decides; its ledger is filled.
        protocol: when it is decided.
        timers: the clock.

    Attributes:
        log: what the run leaves behind.
    """

    def __init__(self, scheduler: EpochScheduler, protocol: EpochProtocol, timers: Timers) -> None:
        hosting = scheduler.hosting
        self._scheduler, self._protocol, self._timers = scheduler, protocol, timers
        self._node = hosting.node
        self._costs = [
            BatchCost(hosting.node, hosting.model, precision) for precision in hosting.precisions
        ]
        names = tuple(precision.name for precision in hosting.precisions)
        self.log = RunLog(scheduler.ledger, names)
        self._uplinked: Batch | None = None
        self._computing = False
        self._uplinking: Batch | None = None
        self._believed_end = 0.0
        self._downlink_free_at = 0.0
        self._next_decision: float | None = None

    @abstractmethod
    def _compute(self, batch: Batch) -> None:
        """Let the node compute a batch; whoever does calls :meth:`_compute_ended` at its end."""

    def _seconds_as_it_came(
        self, members: Sequence[Waiting], precision: int
    ) -> tuple[float, float]:
        """Return the time of a batch and of its first pass, at the lengths that came."""
        cost, batching = self._costs[precision], self._scheduler.hosting.batching
        whole = [_as_it_came(member.arrival) for member in members]
        first_pass = [replace(request, output_tokens=1) for request in whole]
        return batch_seconds(whole, batching, cost), batch_seconds(first_pass, batching, cost)

    def _ask(self, not_before: float = 0.0) -> None:
        """See that a decision is taken at the first permitted instant from ``not_before`` on."""
        at = max(not_before, self._first_permitted())
        if self._protocol.epoch_seconds is not None and at < math.inf:
            at = _next_multiple(at, self._protocol.epoch_seconds)
        if at == math.inf or (self._next_decision is not None and self._next_decision <= at):
            return
        self._next_decision = at
        self._timers.schedule(at, Priority.DECISION, lambda: self._decide(at))

    def _first_permitted(self) -> float:
        """Return when a batch may be decided as things stand; infinity if something must end first.

        At most one batch is on its way or waits to be computed. As soon as possible means: such
        that the uplink ends when the running batch is believed to.
        """
        now = self._timers.now
        if self._uplinking is not None or self._uplinked is not None:
            return math.inf
        if not self._protocol.pipelined:
            return math.inf if self._computing or now < self._downlink_free_at else now
        if not self._computing or self._protocol.epoch_seconds is not None:
            return now
        if self._node.uplink_seconds == 0.0:
            return math.inf
        return max(now, self._believed_end - self._node.uplink_seconds)

    def _decide(self, planned_at: float) -> None:
        if self._next_decision != planned_at:
            return  # an earlier decision has taken this one's place
        self._next_decision = None
        now = self._timers.now
        compute_free_at, downlink_free_at = now, self._downlink_free_at
        if self._computing:
            compute_free_at = max(now, self._believed_end)
            downlink_free_at = max(compute_free_at, downlink_free_at) + self._node.downlink_seconds
        self.log.num_decisions += 1
        batch = self._scheduler.decide(
            now,
            compute_free_at,
            downlink_free_at,
            longest_batch_seconds=self._protocol.longest_batch_seconds,
        )
        if batch is None:
            self._wait_for_change()
            return
        self._uplinking = batch
        self._timers.schedule(
            now + self._node.uplink_seconds, Priority.FINISH, lambda: self._uplink_ended(batch)
        )

    def _wait_for_change(self) -> None:
        """Nobody can be served as things are: ask again when the channel or the queue changes."""
        if len(self._scheduler.queue) == 0:
            return
        now = self._timers.now
        change_at = self._scheduler.queue.next_expiry_seconds()
        if self._scheduler.channel is not None:
            change_at = min(change_at, now + self._scheduler.channel.scenario.block_seconds)
        if self._protocol.epoch_seconds is not None:
            change_at = now + self._protocol.epoch_seconds / 2.0
        if change_at < math.inf:
            self._ask(not_before=math.nextafter(change_at, math.inf))

    def _uplink_ended(self, batch: Batch) -> None:
        self._uplinking = None
        if self._computing:
            self._uplinked = batch
        else:
            self._begin(batch)

    def _begin(self, batch: Batch) -> None:
        self._computing = True
        self._believed_end = self._timers.now + batch.compute_seconds
        self._compute(batch)
        self._ask()

    def _observe(self, believed_seconds: float, actual_seconds: float) -> None:
        """Take note of how long work took, and tell the scheduler."""
        self._scheduler.observe(believed_seconds, actual_seconds)

    def _compute_ended(self, batch: Batch, computed: Computed) -> None:
        """Go on after a batch has ended now."""
        now = self._timers.now
        self._computing = False
        if computed.believed_seconds > 0.0:
            self._observe(computed.believed_seconds, computed.actual_seconds)
        self._record(batch, computed.started_at_seconds, now)
        sent_at = max(now, self._downlink_free_at) + self._node.downlink_seconds
        self._downlink_free_at = sent_at
        self._timers.schedule(
            sent_at,
            Priority.FINISH,
            lambda: self._answered(batch, computed.first_token_at_seconds, last_token_at=now),
        )
        if self._uplinked is not None:
            waiting, self._uplinked = self._uplinked, None
            self._begin(waiting)
        self._ask()

    def _answered(self, batch: Batch, first_token_at: float, last_token_at: float) -> None:
        now = self._timers.now
        self._scheduler.complete(
            batch, first_token_at=first_token_at, last_token_at=last_token_at, finished_at=now
        )
        self.log.span_seconds = now
        self._ask()

    def _record(self, batch: Batch, started_at: float, ended_at: float) -> None:
        memory_use = batch.memory_bytes / self._node.memory_bytes
        self.log.add_use(ended_at - started_at, len(batch.members), memory_use)
        self.log.batches.append(
            BatchRecord(
                number=batch.number,
                precision=batch.precision,
                size=len(batch.members),
                running=len(batch.members),
                num_waiting=batch.num_waiting,
                decided_at_seconds=batch.decided_at_seconds,
                started_at_seconds=started_at,
                ended_at_seconds=ended_at,
                believed_seconds=batch.compute_seconds,
                memory_use=memory_use,
                uplink_use=batch.uplink_use,
                downlink_use=batch.downlink_use,
                binding=batch.binding,
                proven=batch.result.status is Status.OPTIMAL,
                nodes=batch.result.nodes,
                solver_seconds=batch.result.runtime_seconds,
            )
        )


def _as_it_came(arrival: Arrival) -> Request:
    # who ended without a token was read all the same
    num_tokens = max(1, arrival.actual_output_tokens)
    return Request("", arrival.prompt_tokens, num_tokens, math.inf)


def _next_multiple(at_seconds: float, step_seconds: float) -> float:
    return math.ceil(at_seconds / step_seconds - 1e-9) * step_seconds
