"""Continuous batching under the wall clock: one queue before one or several engines."""

from __future__ import annotations

from collections.abc import Sequence

from edgebatch.engines import Engine
from edgebatch.realtime.continuous_driver import ContinuousDriver
from edgebatch.realtime.dispatcher import Dispatcher
from edgebatch.realtime.engine_driver import EngineDriver
from edgebatch.scheduling import NodePool, RunLog
from edgebatch.workload import Arrival


class ContinuousDispatcher(Dispatcher):
    """Lets each of several engines take from one queue whom its scheduler chooses.

    Args:
        engines: one of each node of the pool, with its precision by the same name.
        pool: who decides.
        precisions: names of those that may be on record; those of the first node unless given.

    Attributes:
        pool: who decides.
    """

    drivers: Sequence[ContinuousDriver]

    def __init__(
        self,
        engines: Sequence[Engine],
        pool: NodePool,
        precisions: tuple[str, ...] | None = None,
    ) -> None:
        super().__init__(pool.queue)
        self.pool = pool
        if precisions is None:
            hosted = pool.schedulers[0].hosting.precisions
            precisions = tuple(each.name for each in hosted)
        self.log = RunLog(pool.ledger, precisions, num_nodes=len(pool.schedulers))
        self.drivers = tuple(
            ContinuousDriver(self, engine, scheduler)
            for engine, scheduler in zip(engines, pool.schedulers, strict=True)
        )

    @property
    def shortest_line(self) -> int:
        """How many wait before the engine before which the fewest do."""
        return self.pool.shortest_line()

    def can_serve_now(self, arrival: Arrival) -> bool:
        """Return whether a request that some engine could serve could be by one that runs."""
        return self.pool.can_serve_now(arrival)

    def who_could_serve(self, arrival: Arrival) -> tuple[int, ...]:
        """Return positions of the engines that are good enough for a request."""
        return self.pool.who_could_serve(arrival)

    def who_is_fast_enough(self, arrival: Arrival) -> tuple[int, ...]:
        """Return positions of the engines that could serve a request in time, if any could."""
        return self.pool.who_is_fast_enough(arrival)

    def set_up(self, driver: EngineDriver, *, is_up: bool) -> None:
        """Take note of whether a driver's engine can be given requests."""
        self.pool.is_up[self.drivers.index(driver)] = is_up

    def ask_all(self) -> None:
        """See whether someone can be let in anywhere, as requests have come back."""
        for driver in self.drivers:
            if len(self._queue):
                driver.decide()

    def ask_freed(self) -> None:
        """See whether someone can be let in who stood behind one who waits no more."""
        if len(self.drivers) > 1:
            for position in self.pool.who_is_freed():
                self.drivers[position].decide()

    def _admit(self, arrival: Arrival, now: float) -> None:
        for position in self.pool.submit(arrival, now):
            self.drivers[position].decide()
            if arrival.number not in self._queue:
                return

    def _expire(self, now: float) -> None:
        for position in self.pool.expire(now):
            self.drivers[position].decide()
