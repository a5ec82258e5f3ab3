"""Tiny nodes, workloads and solvers for tests of scheduling and simulation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Self

from edgebatch.problem import Model, Node, Precision, Problem
from edgebatch.scheduling import Hosting, JoiningScheduler, NodePool, RequestRecord
from edgebatch.scheduling.log import RunLog
from edgebatch.solvers import Result, Solver, Stop
from edgebatch.workload import Arrival

# A = 2 + 2 + 2 = 6 parameters, so that a prompt of s tokens takes 12·s + 4·s² FLOP and a decode
# step at a context of c tokens 12 + 4·c FLOP; the cache takes 4 bytes a token, the weights 12
TINY_MODEL = Model(layers=1, hidden_size=1, ffn_size=1, heads=1)
W16 = Precision("w16", 2.0)
W8 = Precision("w8", 1.0, decode_factor=0.6, quality=0.9)
ONE_SECOND_A_TOKEN = Node(memory_bytes=1e6, flops=16.0)
"""A prompt of one token takes one second, its second output token 20/16 = 1.25 s."""


def hosting(node: Node = ONE_SECOND_A_TOKEN, *precisions: Precision) -> Hosting:
    return Hosting(node, TINY_MODEL, precisions or (W16,))


def arrival(
    number: int,
    at: float,
    prompt: int = 1,
    output: int = 1,
    *,
    deadline: float = 1e6,
    actual: int | None = None,
    quality: float = 0.0,
) -> Arrival:
    return Arrival(
        number, at, prompt, output, output if actual is None else actual, deadline, quality
    )


def submit(scheduler: JoiningScheduler, arrival: Arrival, now: float) -> bool:
    """Let a request come to one node alone; return whether a step must end for it."""
    return bool(NodePool([scheduler]).submit(arrival, now))


def expire(scheduler: JoiningScheduler, now: float) -> bool:
    """Let those who are too late expire; return whether someone could join because of that."""
    return bool(NodePool([scheduler]).expire(now))


@dataclass(frozen=True)
class ListedWorkload:
    """Arrivals as they are listed."""

    arrivals: tuple[Arrival, ...]
    mean_rate: float | None = None

    def __iter__(self) -> Iterator[Arrival]:
        return iter(self.arrivals)

    def scaled(self, rate_factor: float) -> Self:
        return type(self)(
            tuple(
                each._replace(arrival_seconds=each.arrival_seconds / rate_factor)
                for each in self.arrivals
            )
        )


def listed(*arrivals: Arrival) -> ListedWorkload:
    return ListedWorkload(arrivals)


@dataclass
class WatchedSolver:
    """Passes everything on to another solver and keeps what went in and came out.

    Attributes:
        solver: who solves.
        batches: problem and result of every decision that chose someone.
    """

    solver: Solver
    batches: list[tuple[Problem, Result]] = field(default_factory=list)
    name: ClassVar[str] = "watched"

    def solve(self, problem: Problem, stop: Stop = Stop()) -> Result:
        result = self.solver.solve(problem, stop)
        if result.precision is not None:
            self.batches.append((problem, result))
        return result


def records(log: RunLog) -> list[RequestRecord]:
    """Return the records of a run in the order of arrival."""
    columns = [log.ledger.column(name).tolist() for name in RequestRecord._fields]
    return sorted(map(RequestRecord._make, zip(*columns, strict=True)))
