"""What a run leaves behind: the records that metrics, reports and traces are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from edgebatch.cost import Budget
from edgebatch.scheduling.outcomes import Ledger


class BatchRecord(NamedTuple):
    """One batch; under continuous batching, those who joined at one step.

    Attributes:
        number: counted from 0.
        precision: position in the hosted list.
        size: requests chosen.
        running: requests that run once they have joined; equals ``size`` under epochs.
        num_waiting: requests that waited when it was decided, the chosen included.
        decided_at_seconds: when it was decided.
        started_at_seconds, ended_at_seconds: its computing; for joiners their prefill.
        believed_seconds: how long that was believed to take.
        memory_use, uplink_use, downlink_use: parts of the budgets used.
        binding: budget that kept the next candidate out; None if nobody was left out.
        proven: whether the choice was proven optimal.
        nodes: nodes that the solver visited.
        solver_seconds: wall-clock time that it took.
        node: which of several nodes computed it.
    """

    number: int
    precision: int
    size: int
    running: int
    num_waiting: int
    decided_at_seconds: float
    started_at_seconds: float
    ended_at_seconds: float
    believed_seconds: float
    memory_use: float
    uplink_use: float
    downlink_use: float
    binding: Budget | None
    proven: bool
    nodes: int
    solver_seconds: float
    node: int = 0


@dataclass(slots=True)
class RunLog:
    """All of a run.

    Attributes:
        ledger: what became of every request.
        precisions: names of the hosted precisions.
        num_nodes: how many nodes served.
        batches: every batch in the order of its decision; of several nodes, of its end.
        busy_seconds: how long the node computed; of several, in all.
        running_seconds: integral of the number of running requests over time, request·s.
        memory_seconds: integral of the part of memory in use over the busy time, s.
        num_decisions: how often the scheduler was asked.
        span_seconds: from time 0 to the end of the last answer.
    """

    ledger: Ledger
    precisions: tuple[str, ...]
    num_nodes: int = 1
    batches: list[BatchRecord] = field(default_factory=list)
    busy_seconds: float = 0.0
    running_seconds: float = 0.0
    memory_seconds: float = 0.0
    num_decisions: int = 0
    span_seconds: float = 0.0
    _num_numbered: int = 0

    def next_batch_number(self) -> int:
        """Return the number of the next batch, counted from 0."""
        self._num_numbered += 1
        return self._num_numbered - 1

    def keep(self, most_records: int) -> None:
        """Forget the oldest records, so that at least so many of the latest stay."""
        self.ledger.keep(most_records)
        if len(self.batches) >= 2 * most_records:
            del self.batches[:-most_records]

    def add_use(self, seconds: float, running: int, memory_use: float) -> None:
        """Account for a stretch in which the node computed."""
        self.busy_seconds += seconds
        self.running_seconds += seconds * running
        self.memory_seconds += seconds * memory_use
