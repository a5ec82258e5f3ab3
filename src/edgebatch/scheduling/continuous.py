"""Continuous batching's scheduler: who joins the running batch at the next step.

Like the epoch scheduler it reads no clock; whoever drives it says what time it is.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from edgebatch.cost import BatchCost, Budget
from edgebatch.errors import InputError
from edgebatch.registry import lookup
from edgebatch.scheduling.epoch import Hosting
from edgebatch.scheduling.joining import JoiningScheduler
from edgebatch.scheduling.waiting import Waiting, WaitingQueue

JoinOrder = Callable[[Waiting, BatchCost], float]

_MOST_GONE = 64
"""So few who do not wait any more are not worth looking for in the line."""


def by_age(waiting: Waiting, _: BatchCost) -> float:
    """First come first served."""
    return waiting.arrival.arrival_seconds


def by_deadline(waiting: Waiting, _: BatchCost) -> float:
    """Earliest deadline first."""
    return waiting.deadline_at_seconds


def by_duration(waiting: Waiting, cost: BatchCost) -> float:
    """Shortest job first: the time that it would take alone."""
    prompt, output = float(waiting.arrival.prompt_tokens), float(waiting.arrival.output_tokens)
    return cost.fixed_seconds(output) + cost.member_seconds(prompt, output)


JOIN_ORDERS: Mapping[str, JoinOrder] = MappingProxyType(
    {"fcfs": by_age, "edf": by_deadline, "sjf": by_duration}
)
"""Who is next in line, least first."""


@dataclass(frozen=True, slots=True)
class JoinRules:
    """How today's engines admit into the running batch.

    Attributes:
        order: ``fcfs``, ``edf`` or ``sjf``.
        batch_cap: most requests that run at once; None leaves it to hosting and memory.
        expire: whether requests whose deadline can no longer be met are turned away; today's
            engines serve them late.
        precision: name of the one precision that the engine hosts and runs; None means the one
            of the highest quality, which serves everyone.

    Raises:
        InputError: the cap is below 1 or the order is unknown.
    """

    order: str = "fcfs"
    batch_cap: int | None = None
    expire: bool = False
    precision: str | None = None

    def __post_init__(self) -> None:
        lookup(JOIN_ORDERS, self.order, "order")
        if self.batch_cap is not None and self.batch_cap < 1:
            raise InputError("batch_cap", f"must be at least 1, got {self.batch_cap}")


class ContinuousScheduler(JoiningScheduler):
    """Lets waiting requests join in a fixed order, as long as the cap and the cache allow.

    The head of the line is never overtaken.

    Args:
        hosting: node, model and hosted precisions.
        rules: order, cap, expiry, precision.
        queue: who waits; None for one of its own.

    Raises:
        UnknownNameError: the precision is not hosted.
        CannotHostError: the weights do not fit.
    """

    def __init__(
        self, hosting: Hosting, rules: JoinRules, queue: WaitingQueue | None = None
    ) -> None:
        super().__init__(
            hosting,
            queue,
            precision=rules.precision,
            batch_cap=rules.batch_cap,
            expire=rules.expire,
        )
        self.rules = rules
        self._order = lookup(JOIN_ORDERS, rules.order, "order")
        self._line: list[tuple[float, int, Waiting]] = []

    def note_waiting(self, waiting: Waiting) -> None:
        """Let someone stand in line who could be served here."""
        self._stand_in_line(waiting)

    def might_join(self, waiting: Waiting) -> bool:  # noqa: ARG002
        """Return whether the next in line could join now."""
        return self.someone_can_join()

    def someone_can_join(self) -> bool:
        """Return whether the next in line could join now."""
        head = self._head()
        return head is not None and self.refusal(head) is None

    def refusal(self, waiting: Waiting) -> Budget | None:
        """Return what keeps a request from joining now."""
        if self.num_running >= self._cap:
            return Budget.SIZE
        arrival = waiting.arrival
        tokens = self.reserved_tokens + arrival.prompt_tokens + arrival.output_tokens
        return Budget.MEMORY if tokens > self.token_budget else None

    def join(
        self,
        now: float,
        step: int,  # noqa: ARG002
        pass_began_at: float | None = None,  # noqa: ARG002
    ) -> list[Waiting]:
        """Return who joins the running batch now, and count them as running."""
        self.queue.expire(now)
        joining = []
        while (head := self._head()) is not None:
            # other nodes may be faster, and may still answer it in time
            if self.prospect(head.arrival).latest_decision_seconds < now:
                heapq.heappop(self._line)
            elif self.refusal(head) is None:
                heapq.heappop(self._line)
                self._start(head)
                joining.append(head)
            else:
                break
        return joining

    def binding(self) -> Budget | None:
        """Return what keeps the next in line from joining; None if nobody is kept waiting."""
        head = self._head()
        return None if head is None else self.refusal(head)

    def _stand_in_line(self, waiting: Waiting) -> None:
        if len(self._line) > 2 * len(self.queue) + _MOST_GONE:
            # far back in the line of a node that is never idle they would be kept for ever
            self._line = [entry for entry in self._line if entry[1] in self.queue]
            heapq.heapify(self._line)
        entry = (self._order(waiting, self.cost), waiting.arrival.number, waiting)
        heapq.heappush(self._line, entry)

    def _head(self) -> Waiting | None:
        while self._line and self._line[0][1] not in self.queue:
            heapq.heappop(self._line)
        return self._line[0][2] if self._line else None
