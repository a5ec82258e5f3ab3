"""Continuous batching under the virtual clock: arrivals, expiries and the ends of stretches."""

from __future__ import annotations

import math
from collections.abc import Callable

from edgebatch.scheduling import NodePool, RunLog
from edgebatch.simulation.reality import Reality
from edgebatch.simulation.virtual_node import VirtualNode
from edgebatch.workload import Arrival, Workload


class ContinuousSimulation:
    """One run of a workload through the nodes of a :class:`~edgebatch.scheduling.NodePool`.

    Prompts reach a node T_U after they arrive and answers their users T_D after their last
    token; the shares of the radio are not modelled here.

    Args:
        pool: who decides; its ledger is filled.
        workload: who arrives.
        reality: how true times differ from believed ones.
        precisions: names of those that may be on record; those of the first node unless given.
    """

    def __init__(
        self,
        pool: NodePool,
        workload: Workload,
        reality: Reality = Reality(),
        precisions: tuple[str, ...] | None = None,
    ) -> None:
        self._pool, self._queue = pool, pool.queue
        self._arrivals = iter(workload)
        if precisions is None:
            hosted = pool.schedulers[0].hosting.precisions
            precisions = tuple(each.name for each in hosted)
        self._log = RunLog(pool.ledger, precisions, num_nodes=len(pool.schedulers))
        self._nodes = [
            VirtualNode(scheduler, reality.factors(position), self._log, position)
            for position, scheduler in enumerate(pool.schedulers)
        ]
        self._now = 0.0

    def run(self, on_arrival: Callable[[], None] | None = None) -> RunLog:
        """Carry the run out to the end of the last answer and return its log.

        Args:
            on_arrival: called at each arrival, for showing progress.
        """
        self._on_arrival = on_arrival
        self._fetch_arrival()
        while self._go_on():
            pass
        self._pool.ledger.check_conservation()
        return self._log

    def _go_on(self) -> bool:
        """Let the clock run to what happens next; False if nothing does any more."""
        node = min(self._nodes, key=lambda each: each.end_at_seconds)
        end_at, expiry_at = node.end_at_seconds, self._queue.next_expiry_seconds()
        if self._next_at <= min(end_at, expiry_at):
            if self._next_at == math.inf:
                return False
            self._now = self._next_at
            self._take_arrival()
        elif expiry_at < end_at:
            # an expiry may leave the head of the line to someone who fits
            self._now = math.nextafter(expiry_at, math.inf)
            for position in self._pool.expire(self._now):
                self._nodes[position].cut(expiry_at)
            self._ask_idle_nodes()
        else:
            self._now = end_at
            node.end_stretch()
            self._let_in(node)
        return True

    def _fetch_arrival(self) -> None:
        self._next = next(self._arrivals, None)
        self._next_at = (
            math.inf
            if self._next is None
            else self._next.arrival_seconds + self._pool.uplink_seconds
        )

    def _take_arrival(self) -> None:
        arrival = self._next
        assert arrival is not None
        if self._on_arrival is not None:
            self._on_arrival()
        self._fetch_arrival()
        self._queue.expire(self._now)
        if not self._offer(arrival, self._pool.submit(arrival, self._now)):
            self._ask_idle_nodes()

    def _offer(self, arrival: Arrival, positions: list[int]) -> bool:
        """Let nodes look at a request, one after the other, as soon as each can.

        Returns:
            Whether one looks at it after the step that runs there; until then no other does.
        """
        for place, position in enumerate(positions):
            if arrival.number not in self._queue:
                return False
            node = self._nodes[position]
            if node.is_idle:
                self._let_in(node)
            elif node.cut(self._now):
                node.offered.append((arrival, positions[place + 1 :]))
                return True
        return False

    def _ask_idle_nodes(self) -> None:
        for node in self._nodes:
            if node.is_idle:
                self._let_in(node)

    def _let_in(self, node: VirtualNode) -> None:
        """Let a node between two stretches go on with who joins now."""
        has_let_in = node.begin_stretch(self._now)
        offered, node.offered = node.offered, []
        for arrival, others in offered:
            self._offer(arrival, others)
        if has_let_in and len(self._nodes) > 1:
            self._ask_freed_nodes()

    def _ask_freed_nodes(self) -> None:
        for position in self._pool.who_is_freed():
            node = self._nodes[position]
            if node.is_idle:
                self._let_in(node)
            else:
                node.cut(self._now)
