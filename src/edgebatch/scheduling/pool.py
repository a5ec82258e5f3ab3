"""One queue before one or several nodes: who is asked about a request, and in which order.

Each node decides for itself who joins its running batch, and all choose from the same queue. So a
request is bound to a node only when it joins: whichever can take it in first does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgebatch.errors import InputError
from edgebatch.scheduling.joining import JoiningScheduler
from edgebatch.scheduling.prospects import Prospect, best_prospect
from edgebatch.scheduling.waiting import Waiting
from edgebatch.workload import Arrival

_LEAST_SECONDS = 1e-9
"""Work is not divided as if a node did it in no time at all."""


class NodePool:
    """Nodes that serve one queue.

    Args:
        schedulers: one of each node, all with the same queue.

    Attributes:
        schedulers: one of each node.
        queue: who waits.
        ledger: what became of every request.
        is_up: which nodes can be given requests now.

    Raises:
        InputError: there is no node, or not all have the same queue or uplink.
    """

    def __init__(self, schedulers: Sequence[JoiningScheduler]) -> None:
        if not schedulers:
            raise InputError("nodes", "must have at least one")
        self.schedulers = tuple(schedulers)
        self.queue, self.ledger = schedulers[0].queue, schedulers[0].ledger
        self.is_up = [True] * len(schedulers)
        self.uplink_seconds = schedulers[0].hosting.node.uplink_seconds
        for position, each in enumerate(schedulers):
            if each.queue is not self.queue:
                raise InputError(f"nodes[{position}]", "must have the same queue as the others")
            if each.hosting.node.uplink_seconds != self.uplink_seconds:
                raise InputError(
                    f"nodes[{position}].uplink_seconds",
                    f"must be {self.uplink_seconds:g} as that of the first node: "
                    "where a request will be served is not known yet when it is sent",
                )

    def submit(self, arrival: Arrival, now: float) -> list[int]:
        """Take a request in; return which nodes must end a step for it, the fastest first.

        Args:
            arrival: the request.
            now: the time.

        Raises:
            InputError: there are shares, but none for its tenant.
        """
        prospects = [each.prospect(arrival) for each in self.schedulers]
        self._note_demand(arrival, prospects)
        able = tuple(position for position, each in enumerate(prospects) if each.fits)
        waiting = self.queue.submit(arrival, now, best_prospect(prospects), able)
        if waiting is None:
            return []
        for position in able:
            self.schedulers[position].note_waiting(waiting)
        return self._who_might_take(waiting, able)

    def expire(self, now: float) -> list[int]:
        """Expire who is too late; return which nodes someone could join because of that."""
        self.queue.expire(now)
        return self.who_is_freed()

    def who_is_freed(self) -> list[int]:
        """Return which nodes someone can join since others do not wait before them any more."""
        return [
            position
            for position, each in enumerate(self.schedulers)
            if self.is_up[position] and each.someone_can_join()
        ]

    def put_back(self, waiting: Waiting) -> None:
        """Let a request wait again whose node has been lost before its first token."""
        self.queue.put_back(waiting)
        for position in waiting.nodes:
            self.schedulers[position].note_waiting(waiting)

    def can_serve_now(self, arrival: Arrival) -> bool:
        """Return whether a request that some node could serve could be by one that is up."""
        if all(self.is_up):
            return True
        served = [not each.prospect(arrival).reason for each in self.schedulers]
        return not any(served) or any(
            is_up and serves for is_up, serves in zip(self.is_up, served, strict=True)
        )

    def who_could_serve(self, arrival: Arrival) -> tuple[int, ...]:
        """Return which nodes are good enough for a request, whatever its deadline."""
        return self._who(arrival, lambda each: each.fits)

    def who_is_fast_enough(self, arrival: Arrival) -> tuple[int, ...]:
        """Return which nodes could serve a request in time; all good enough ones if none could."""
        fast = self._who(arrival, lambda each: not each.reason)
        return fast or self.who_could_serve(arrival)

    def _who(self, arrival: Arrival, able: Callable[[Prospect], bool]) -> tuple[int, ...]:
        return tuple(
            position
            for position, each in enumerate(self.schedulers)
            if able(each.prospect(arrival))
        )

    def _note_demand(self, arrival: Arrival, prospects: list[Prospect]) -> None:
        """Divide what is asked among the nodes that could serve it, by how fast each is.

        What nobody can be given is no demand, and must not raise the price.
        """
        able = [
            (each, is_up)
            for each, prospect, is_up in zip(self.schedulers, prospects, self.is_up, strict=True)
            if not prospect.reason
        ]
        speeds = [is_up / max(each.work_seconds(arrival), _LEAST_SECONDS) for each, is_up in able]
        for (each, _), speed in zip(able, speeds, strict=True):
            each.note_demand(arrival, speed / (sum(speeds) or 1.0))

    def shortest_line(self) -> int:
        """Return how many wait for a node, at the one for which the fewest do."""
        lines = [self.queue.num_for(position) for position, is_up in enumerate(self.is_up) if is_up]
        return min(lines, default=len(self.queue))

    def _who_might_take(self, waiting: Waiting, able: Sequence[int]) -> list[int]:
        positions = [
            each for each in able if self.is_up[each] and self.schedulers[each].might_join(waiting)
        ]
        if len(positions) > 1:
            arrival = waiting.arrival
            positions.sort(key=lambda each: self.schedulers[each].believed_seconds(arrival))
        return positions
