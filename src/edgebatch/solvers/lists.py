"""What people use today: take requests in some order until one does not fit (formulation §6).

All of them try every hosted precision and keep the batch that is worth most, so that none is
beaten for having been given the wrong one.
"""

from __future__ import annotations

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
    trivial_bound,
)
from edgebatch.solvers.filling import Filling

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


@dataclass(frozen=True)
class _ListSolver:
    """Fills a batch in a fixed order, up to a cap that each kind sets in its own way."""

    name: ClassVar[str]
    order: ClassVar[Order]
    stops_at_misfit: ClassVar[bool] = True

    def solve(self, problem: Problem, stop: Stop = Stop()) -> Result:
        """Return the batch filled in order; see :class:`edgebatch.solvers.base.Solver`."""
        require_own_batch(problem, self.name)
        require_hostable(problem.node, problem.model, problem.precisions)
        effort = Effort(stop)
        best: Filling | None = None
        precision = None
        for cost in batch_costs(problem):
            filling = Filling(problem, cost)
            in_time = self._fill(problem, cost, filling, effort)
            if best is None or _worth(problem, filling) > _worth(problem, best):
                best, precision = filling, cost.precision.name
            if not in_time:
                break
        return make_result(
            problem,
            self.name,
            effort,
            selected=best.members if best else (),
            precision=precision,
            bound=trivial_bound(problem),
        )

    def _fill(self, problem: Problem, cost: BatchCost, filling: Filling, effort: Effort) -> bool:
        """Fill a batch; return False if the search limit ended it early."""
        candidates = np.flatnonzero(servable_alone(problem, cost))
        if len(candidates) == 0:
            return True
        keys = type(self).order(problem, cost, candidates)
        cap = self._cap(problem, cost, candidates)
        try:
            for index in candidates[np.lexsort((candidates, keys))].tolist():
                if len(filling.members) >= cap:
                    break
                effort.visit()
                if filling.refusal(index) is None:
                    filling.add(index)
                elif self.stops_at_misfit:
                    break
        except LimitReachedError:
            return False
        return True

    def _cap(self, problem: Problem, cost: BatchCost, candidates: IntArray) -> int:
        """Return the most requests that a batch may hold."""
        raise NotImplementedError


@dataclass(frozen=True)
class _CappedListSolver(_ListSolver):
    """A list solver whose cap is a knob.

    Attributes:
        batch_cap: most requests in a batch; None leaves it to the budgets.
    """

    batch_cap: int | None = None

    def __post_init__(self) -> None:
        if self.batch_cap is not None and self.batch_cap < 1:
            raise InputError("batch_cap", f"must be at least 1, got {self.batch_cap}")

    def _cap(self, problem: Problem, cost: BatchCost, candidates: IntArray) -> int:
        return self.batch_cap or len(candidates)


def _worth(problem: Problem, filling: Filling) -> tuple[float, float]:
    value = float(problem.requests.value[filling.members].sum())
    return value, -filling.latency_seconds


class Fcfs(_CappedListSolver):
    """First come first served."""

    name: ClassVar[str] = "fcfs"
    order: ClassVar[Order] = by_age


class Edf(_CappedListSolver):
    """Earliest deadline first."""

    name: ClassVar[str] = "edf"
    order: ClassVar[Order] = by_deadline


class Sjf(_CappedListSolver):
    """Shortest job first."""

    name: ClassVar[str] = "sjf"
    order: ClassVar[Order] = by_duration


class Greedy(_CappedListSolver):
    """Least use of the scarcest budget per value first; passes over what does not fit."""

    name: ClassVar[str] = "greedy"
    order: ClassVar[Order] = by_scarcity
    stops_at_misfit: ClassVar[bool] = False


class NoBatching(_ListSolver):
    """One request at a time, first come first served (NoB)."""

    name: ClassVar[str] = "none"
    order: ClassVar[Order] = by_age

    def _cap(self, problem: Problem, cost: BatchCost, candidates: IntArray) -> int:
        return 1


class StaticBatching(_CappedListSolver):
    """First come first served in batches of a fixed size (StB).

    Unless ``batch_cap`` is set, the size is for the worst case: as many requests as fit the memory
    and the median deadline if each were as long as the longest prompt and the longest output
    waiting, and at least one.
    """

    name: ClassVar[str] = "static"
    order: ClassVar[Order] = by_age

    def _cap(self, problem: Problem, cost: BatchCost, candidates: IntArray) -> int:
        return self.batch_cap or worst_case_batch(problem, cost, candidates)


def worst_case_batch(problem: Problem, cost: BatchCost, candidates: IntArray) -> int:
    """Return how many requests fit for certain at the longest lengths and the median deadline."""
    requests, node = problem.requests, problem.node
    prompt = float(requests.prompt_tokens[candidates].max())
    output = float(requests.output_tokens[candidates].max())
    free_bytes = node.memory_bytes - hosted_bytes(node, problem.model, problem.precisions)
    by_memory = free_bytes / cost.kv_bytes(prompt, output)
    deadline = float(np.median(requests.deadline_seconds[candidates]))
    free_seconds = deadline - node.radio_seconds - cost.fixed_seconds(output)
    by_time = free_seconds / cost.member_seconds(prompt, output)
    return max(1, int(min(by_memory, by_time, len(candidates))))
