"""The epoch protocol under the virtual clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from edgebatch.scheduling import (
    Batch,
    Computed,
    EpochLoop,
    EpochProtocol,
    EpochScheduler,
    Priority,
    RunLog,
)
from edgebatch.simulation.kernel import EventQueue
from edgebatch.simulation.reality import Reality
from edgebatch.workload import Arrival, Workload


class EpochSimulation(EpochLoop):
    """One run of a workload through an :class:`~edgebatch.scheduling.EpochScheduler`.

    Args:
        scheduler: who decides; its ledger is filled.
        workload: who arrives.
        protocol: when it is decided.
        reality: how true times differ from believed ones.
    """

    def __init__(
        self,
        scheduler: EpochScheduler,
        workload: Workload,
        protocol: EpochProtocol = EpochProtocol(),
        reality: Reality = Reality(),
    ) -> None:
        self._events = EventQueue()
        super().__init__(scheduler, protocol, self._events)
        self._arrivals: Iterator[Arrival] = iter(workload)
        self._factors = reality.factors()

    def run(self, on_arrival: Callable[[], None] | None = None) -> RunLog:
        """Carry the run out to the end of the last answer and return its log.

        Args:
            on_arrival: called at each arrival, for showing progress.
        """
        self._on_arrival = on_arrival
        self._schedule_next_arrival()
        self._events.run()
        self._scheduler.ledger.check_conservation()
        return self.log

    def _schedule_next_arrival(self) -> None:
        arrival = next(self._arrivals, None)
        if arrival is not None:
            self._events.schedule(
                arrival.arrival_seconds, Priority.ARRIVAL, lambda: self._arrive(arrival)
            )

    def _arrive(self, arrival: Arrival) -> None:
        self._scheduler.queue.expire(self._events.now)
        if self._scheduler.submit(arrival, self._events.now) is not None:
            self._ask()
        if self._on_arrival is not None:
            self._on_arrival()
        self._schedule_next_arrival()

    def _compute(self, batch: Batch) -> None:
        now = self._events.now
        factor = self._factors.next()
        believed, prefill = self._seconds_as_it_came(batch.members, batch.precision)
        # not the clock's difference, which is rounded: a node as it is believed has pace 1 exactly
        computed = Computed(now, now + factor * prefill, believed, factor * believed)
        self._events.schedule(
            now + computed.actual_seconds,
            Priority.FINISH,
            lambda: self._compute_ended(batch, computed),
        )
