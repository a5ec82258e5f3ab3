"""The queue: who waits, until when waiting makes sense, and who has waited too long."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from edgebatch.errors import InputError
from edgebatch.scheduling.outcomes import NO_BATCH, NO_TIME, Ledger, Outcome, Reason, RequestRecord
from edgebatch.scheduling.prospects import Prospect
from edgebatch.units import RELATIVE_TOLERANCE
from edgebatch.workload import Arrival


class Waiting(NamedTuple):
    """A request in the queue.

    Attributes:
        arrival: the request.
        deadline_at_seconds: instant by which its whole answer must have reached the user.
        latest_decision_seconds: last instant at which choosing it, alone, would still do.
        nodes: positions of those, of several nodes, that are good enough for it.
    """

    arrival: Arrival
    deadline_at_seconds: float
    latest_decision_seconds: float
    nodes: tuple[int, ...] = ()


class WaitingQueue:
    """Waiting requests, oldest first; rejects what is hopeless and expires what has become so.

    Args:
        ledger: where rejections and expiries are written.
        queue_limit: most requests that may wait; None for no limit. Before several nodes it holds
            for those that the same nodes are good enough for, so that no node is idle because too
            many wait for another one.

    Attributes:
        ledger: where rejections and expiries are written.

    Raises:
        InputError: the limit is below 1.
    """

    def __init__(self, ledger: Ledger, *, queue_limit: int | None = None) -> None:
        if queue_limit is not None and queue_limit < 1:
            raise InputError("queue_limit", f"must be at least 1, got {queue_limit}")
        self.ledger = ledger
        self._limit = math.inf if queue_limit is None else queue_limit
        self._waiting: dict[int, Waiting] = {}
        self._num_of_tenants: Counter[int] = Counter()
        self._num_for_nodes: Counter[tuple[int, ...]] = Counter()
        self._num_of_both: Counter[tuple[tuple[int, ...], int]] = Counter()
        self._by_latest_decision: list[tuple[float, int]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Waiting]:
        return iter(self._waiting.values())

    def __contains__(self, number: object) -> bool:
        return number in self._waiting

    def num_of(self, tenant: int) -> int:
        """Return how many of the requests are one tenant's."""
        return self._num_of_tenants[tenant]

    def oldest(self) -> Waiting:
        """Return the request that has waited longest; the queue must not be empty."""
        return next(iter(self._waiting.values()))

    def num_for(self, node: int) -> int:
        """Return how many of the requests one of several nodes is good enough for."""
        return sum(count for nodes, count in self._num_for_nodes.items() if node in nodes)

    def num_beside(self, nodes: tuple[int, ...], tenant: int | None = None) -> int:
        """Return how many of the requests the very same nodes are good enough for.

        Args:
            nodes: their positions.
            tenant: whose requests are counted; None for everyone's.
        """
        if tenant is None:
            return self._num_for_nodes[nodes]
        return self._num_of_both[nodes, tenant]

    def submit(
        self, arrival: Arrival, now: float, prospect: Prospect, nodes: tuple[int, ...] = ()
    ) -> Waiting | None:
        """Take a request in; None if it is turned away at once, which is then on record.

        One that could have been in time, had it come here as soon as it arrived, has expired.

        Args:
            arrival: the request.
            now: the time.
            prospect: what can become of it.
            nodes: positions of those, of several nodes, that are good enough for it.
        """
        self.ledger.open()
        latest, reason = prospect
        outcome = Outcome.REJECTED
        if reason is Reason.NONE and latest < now:
            outcome, reason = Outcome.EXPIRED, Reason.WAITED_TOO_LONG
        if reason is Reason.NONE and self._num_for_nodes[nodes] >= self._limit:
            reason = Reason.QUEUE_FULL
        if reason is not Reason.NONE:
            self.ledger.close(not_served(arrival, outcome, reason, now))
            return None
        deadline_at = arrival.arrival_seconds + arrival.deadline_seconds
        waiting = Waiting(arrival, deadline_at, latest, nodes)
        self._waiting[arrival.number] = waiting
        self._count(waiting, 1)
        if latest < math.inf:
            heapq.heappush(self._by_latest_decision, (latest, arrival.number))
        return waiting

    def put_back(self, waiting: Waiting) -> None:
        """Let a request that could not be served wait again, in its old place."""
        self._waiting[waiting.arrival.number] = waiting
        self._count(waiting, 1)
        self._waiting = dict(sorted(self._waiting.items()))
        if waiting.latest_decision_seconds < math.inf:
            entry = (waiting.latest_decision_seconds, waiting.arrival.number)
            heapq.heappush(self._by_latest_decision, entry)

    def next_expiry_seconds(self) -> float:
        """Return the instant after which the next request expires; infinity if none will."""
        heap = self._by_latest_decision
        while heap and heap[0][1] not in self._waiting:
            heapq.heappop(heap)
        return heap[0][0] if heap else math.inf

    def expire(self, now: float) -> list[Waiting]:
        """Remove and record everyone whose last chance lies before ``now``; return them."""
        expired = []
        while self.next_expiry_seconds() < now:
            latest, number = heapq.heappop(self._by_latest_decision)
            waiting = self._waiting.pop(number)
            self._count(waiting, -1)
            expired.append(waiting)
            self.ledger.close(
                not_served(waiting.arrival, Outcome.EXPIRED, Reason.WAITED_TOO_LONG, latest)
            )
        return expired

    def withdraw(self, number: int, outcome: Outcome, reason: Reason, now: float) -> bool:
        """Remove and record a request that will not be served; False if it does not wait."""
        waiting = self._waiting.pop(number, None)
        if waiting is None:
            return False
        self._count(waiting, -1)
        self.ledger.close(not_served(waiting.arrival, outcome, reason, now))
        return True

    def remove(self, chosen: Iterable[Waiting]) -> None:
        """Take requests out because they are being served."""
        for waiting in chosen:
            del self._waiting[waiting.arrival.number]
            self._count(waiting, -1)

    def _count(self, waiting: Waiting, change: int) -> None:
        self._num_of_tenants[waiting.arrival.tenant] += change
        self._num_for_nodes[waiting.nodes] += change
        self._num_of_both[waiting.nodes, waiting.arrival.tenant] += change


def not_served(arrival: Arrival, outcome: Outcome, reason: Reason, now: float) -> RequestRecord:
    """Return the record of a request that ended at ``now`` without an answer."""
    return RequestRecord(
        number=arrival.number,
        outcome=outcome,
        reason=reason,
        arrival_seconds=arrival.arrival_seconds,
        deadline_at_seconds=arrival.arrival_seconds + arrival.deadline_seconds,
        decided_at_seconds=now,
        first_token_at_seconds=NO_TIME,
        last_token_at_seconds=NO_TIME,
        finished_at_seconds=NO_TIME,
        prompt_tokens=arrival.prompt_tokens,
        output_tokens=arrival.output_tokens,
        actual_output_tokens=arrival.actual_output_tokens,
        value=arrival.value,
        batch=NO_BATCH,
        precision=-1,
    )


def served(
    waiting: Waiting,
    *,
    decided_at: float,
    first_token_at: float,
    last_token_at: float,
    finished_at: float,
    batch: int,
    precision: int,
) -> RequestRecord:
    """Return the record of a request whose answer reached the user at ``finished_at``."""
    arrival = waiting.arrival
    allowed = waiting.deadline_at_seconds + arrival.deadline_seconds * RELATIVE_TOLERANCE
    first_allowed = arrival.arrival_seconds + arrival.ttft_seconds * (1.0 + RELATIVE_TOLERANCE)
    in_time = finished_at <= allowed and first_token_at <= first_allowed
    return RequestRecord(
        arrival.number,
        Outcome.IN_TIME if in_time else Outcome.LATE,
        Reason.NONE,
        arrival.arrival_seconds,
        waiting.deadline_at_seconds,
        decided_at,
        first_token_at,
        last_token_at,
        finished_at,
        arrival.prompt_tokens,
        arrival.output_tokens,
        arrival.actual_output_tokens,
        arrival.value,
        batch,
        precision,
    )
