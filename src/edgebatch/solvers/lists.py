"""What people use today: take requests in some order until one does not fit (formulation §6).

All of them try every hosted precision and keep the batch that is worth most, so that none is
beaten for having been given the wrong one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edgebatch.cost import BatchCost, batch_costs, hosted_bytes, require_hostable
from edgebatch.errors import InputError
from edgebatch.problem import Problem
from edgebatch.problem.checks import FloatArray, IntArray
from edgebatch.solvers.base import (
    Effort,
    LimitReachedError,
    Result,
    Stop,
    make_result,
    require_own_batch,
    servable_alone,
    worth_at_most,
)
from edgebatch.solvers.filling import SLACK, Filling

Order = Callable[[Problem, BatchCost, IntArray], FloatArray]
"""Sort key of each candidate, least first; equal keys go to the older request."""


def by_age(problem: Problem, cost: BatchCost, candidates: IntArray) -> FloatArray:
    """Oldest first: requests are listed in the order of their arrival."""
    return candidates.astype(float)


def by_deadline(problem: Problem, cost: BatchCost, candidates: IntArray) -> FloatArray:
    """Earliest deadline first."""
    return problem.requests.deadline_seconds[candidates]


def by_duration(problem: Problem, cost: BatchCost, candidates: IntArray) -> FloatArray:
    """Shortest job first: the time that it would take alone."""
    requests = problem.requests
    prompts = requests.prompt_tokens[candidates].astype(float)
    outputs = requests.output_tokens[candidates].astype(float)
    return cost.fixed_seconds(outputs) + cost.member_seconds(prompts, outputs)


def by_scarcity(problem: Problem, cost: BatchCost, candidates: IntArray) -> FloatArray:
    """Least use of the scarcest budget per value first; uses as parts of what all would use."""
    requests, node = problem.requests, problem.node
    prompts = requests.prompt_tokens[candidates].astype(float)
    outputs = requests.output_tokens[candidates].astype(float)
    free_bytes = node.memory_bytes - hosted_bytes(node, problem.model, problem.precisions)
    seconds = cost.member_seconds(prompts, outputs)
    time_budget = np.median(requests.deadline_seconds[candidates]) - node.radio_seconds
    uses = [cost.kv_bytes(prompts, outputs) / max(free_bytes, 1.0)]
    uses.append(seconds / max(float(time_budget), 1e-9))
    if node.uplink_seconds > 0.0:
        uses.append(requests.uplink_share[candidates])
    if node.downlink_seconds > 0.0:
        uses.append(requests.downlink_share[candidates])
    scarcest: FloatArray = np.max(uses, axis=0)
    return scarcest / requests.value[candidates]


Fill = Callable[[Problem, BatchCost, IntArray, Effort], Filling]
"""Fills a batch in one precision from those who could be served alone in it."""


def best_filling(problem: Problem, solver: str, stop: Stop, fill: Fill) -> Result:
    """Return the batch worth most of those filled in each precision; ties to the quicker one."""
    require_own_batch(problem, solver)
    require_hostable(problem.node, problem.model, problem.precisions)
    effort = Effort(stop)
    best: Filling | None = None
    precision, bound = None, 0.0
    for cost in batch_costs(problem):
        candidates = np.flatnonzero(servable_alone(problem, cost))
        bound = max(bound, worth_at_most(problem, candidates))
        if len(candidates) == 0:
            continue
        try:
            filling = fill(problem, cost, candidates, effort)
        except LimitReachedError:
            continue
        if best is None or _worth(problem, filling) > _worth(problem, best):
            best, precision = filling, cost.precision.name
    return make_result(
        problem,
        solver,
        effort,
        selected=best.members if best else (),
        precision=precision,
        bound=bound,
    )


def _worth(problem: Problem, filling: Filling) -> tuple[float, float]:
    value = float(problem.requests.value[filling.members].sum())
    return value, -filling.latency_seconds


def _fill_in_order(
    problem: Problem,
    cost: BatchCost,
    order: IntArray,
    effort: Effort,
    *,
    cap: float,
    stops_at_misfit: bool = True,
) -> Filling:
    """Fill a batch in order; a search limit ends it early."""
    filling = Filling(problem, cost)
    for index in order.tolist():
        if len(filling.members) >= cap or filling.is_full:
            break
        try:
            effort.visit()
        except LimitReachedError:
            break
        if filling.refusal(index) is None:
            filling.add(index)
        elif stops_at_misfit:
            break
    return filling


def require_batch_cap(batch_cap: int | None) -> None:
    """Raise InputError unless the cap is None or at least 1."""
    if batch_cap is not None and batch_cap < 1:
        raise InputError("batch_cap", f"must be at least 1, got {batch_cap}")


@dataclass(frozen=True)
class _ListSolver:
    """Fills a batch in a fixed order.

    Attributes:
        batch_cap: most requests in a batch; None leaves it to the budgets.
    """

    name: ClassVar[str]
    order: ClassVar[Order]
    stops_at_misfit: ClassVar[bool] = True

    batch_cap: int | None = None

    def __post_init__(self) -> None:
        require_batch_cap(self.batch_cap)

    def solve(self, problem: Problem, stop: Stop = Stop()) -> Result:
        """Return the batch filled in order; see :class:`edgebatch.solvers.base.Solver`."""
        return best_filling(problem, self.name, stop, self._fill)

    def _fill(
        self, problem: Problem, cost: BatchCost, candidates: IntArray, effort: Effort
    ) -> Filling:
        keys = type(self).order(problem, cost, candidates)
        return _fill_in_order(
            problem,
            cost,
            candidates[np.lexsort((candidates, keys))],
            effort,
            cap=self.batch_cap or math.inf,
            stops_at_misfit=self.stops_at_misfit,
        )


class Fcfs(_ListSolver):
    """First come first served."""

    name: ClassVar[str] = "fcfs"
    order: ClassVar[Order] = by_age


class Edf(_ListSolver):
    """Earliest deadline first."""

    name: ClassVar[str] = "edf"
    order: ClassVar[Order] = by_deadline


class Sjf(_ListSolver):
    """Shortest job first."""

    name: ClassVar[str] = "sjf"
    order: ClassVar[Order] = by_duration


class Greedy(_ListSolver):
    """Least use of the scarcest budget per value first; passes over what does not fit."""

    name: ClassVar[str] = "greedy"
    order: ClassVar[Order] = by_scarcity
    stops_at_misfit: ClassVar[bool] = False


@dataclass(frozen=True)
class NoBatching:
    """One request at a time, first come first served (NoB)."""

    name: ClassVar[str] = "none"

    def solve(self, problem: Problem, stop: Stop = Stop()) -> Result:
        """Return the oldest request; see :class:`edgebatch.solvers.base.Solver`."""
        return best_filling(problem, self.name, stop, self._fill)

    def _fill(
        self, problem: Problem, cost: BatchCost, candidates: IntArray, effort: Effort
    ) -> Filling:
        return _fill_in_order(problem, cost, candidates, effort, cap=1)


@dataclass(frozen=True)
class StaticBatching:
    """First come first served in batches of a fixed size, sized for the worst case (StB).

    What a server does that is built for one shape: a batch of k is taken to last as long, and to
    need as much memory, as if each of its members had the longest prompt and the longest output
    waiting. The largest k up to the fixed size is served for which k requests can wait that long;
    the oldest such k are chosen. Where that leaves no two, the oldest is served alone.

    Attributes:
        batch_cap: the fixed size; None for as many as fit the memory and the median deadline in
            the worst case, and at least one.
    """

    name: ClassVar[str] = "static"

    batch_cap: int | None = None

    def __post_init__(self) -> None:
        require_batch_cap(self.batch_cap)

    def solve(self, problem: Problem, stop: Stop = Stop()) -> Result:
        """Return the oldest who can wait; see :class:`edgebatch.solvers.base.Solver`."""
        return best_filling(problem, self.name, stop, self._fill)

    def _fill(
        self, problem: Problem, cost: BatchCost, candidates: IntArray, effort: Effort
    ) -> Filling:
        worst = _WorstCase(problem, cost, candidates)
        most = min(problem.max_batch or len(candidates), len(candidates))
        size = min(self.batch_cap or worst.usual_size(), worst.most_in_memory(), most)
        for count in range(size, 1, -1):
            effort.visit()
            patient = worst.can_wait_for(count)
            if len(patient) >= count:
                return _fill_in_order(problem, cost, patient, effort, cap=count)
        return _fill_in_order(problem, cost, candidates, effort, cap=1)


@dataclass(frozen=True, slots=True)
class _WorstCase:
    """Batches in which everyone is as long as the longest prompt and output waiting."""

    problem: Problem
    cost: BatchCost
    candidates: IntArray

    def _longest(self) -> tuple[float, float]:
        requests = self.problem.requests
        return (
            float(requests.prompt_tokens[self.candidates].max()),
            float(requests.output_tokens[self.candidates].max()),
        )

    def _seconds(self, count: int) -> float:
        prompt, output = self._longest()
        seconds = self.cost.fixed_seconds(output) + count * self.cost.member_seconds(prompt, output)
        return self.problem.node.radio_seconds + seconds

    def most_in_memory(self) -> int:
        """Return how many fit the memory, at least one: each candidate fits alone."""
        problem = self.problem
        free_bytes = problem.node.memory_bytes * SLACK - hosted_bytes(
            problem.node, problem.model, problem.precisions
        )
        return max(1, int(free_bytes / self.cost.kv_bytes(*self._longest())))

    def usual_size(self) -> int:
        """Return how many end within the median deadline, at least one."""
        deadline = float(np.median(self.problem.requests.deadline_seconds[self.candidates]))
        if math.isinf(deadline):
            return len(self.candidates)
        each = self.cost.member_seconds(*self._longest())
        return max(1, int((deadline * SLACK - self._seconds(0)) / each))

    def can_wait_for(self, count: int) -> IntArray:
        """Return the candidates whose deadline comes after a batch of ``count``, oldest first."""
        deadlines = self.problem.requests.deadline_seconds[self.candidates]
        return self.candidates[deadlines * SLACK >= self._seconds(count)]
