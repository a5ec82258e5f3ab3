"""``brute-force``: the tree of ``dftsp`` without any pruning, the published yardstick."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from edgebatch.cost import batch_costs, require_hostable
from edgebatch.problem import Problem
from edgebatch.solvers.base import (
    Effort,
    LimitReachedError,
    Result,
    Stop,
    make_result,
    require_own_batch,
    trivial_bound,
)
from edgebatch.solvers.tree import Partial, Tree, is_feasible, latency_seconds, trees, with_chains


@dataclass(slots=True)
class _Best:
    objective: float = 0.0
    latency_seconds: float = math.inf
    selected: tuple[int, ...] = ()
    precision: str | None = None

    def offer(self, tree: Tree, partial: Partial) -> None:
        """Keep a complete path if it is feasible and worth more, or as much in less time."""
        if not is_feasible(tree, partial):
            return
        selected = partial.selected(tree)
        objective = math.fsum(tree.problem.requests.value[selected].tolist())
        latency = latency_seconds(tree, partial)
        if (objective, -latency) > (self.objective, -self.latency_seconds):
            self.objective, self.latency_seconds = objective, latency
            self.selected, self.precision = tuple(selected), tree.cost.precision.name


@dataclass(frozen=True, slots=True)
class BruteForce:
    """Visits every leaf of every tree; exact for any values, and hopeless beyond a few classes."""

    name: ClassVar[str] = "brute-force"

    def solve(self, problem: Problem, stop: Stop = Stop()) -> Result:
        """Return the best batch of all; see :class:`edgebatch.solvers.base.Solver`."""
        require_own_batch(problem, self.name)
        require_hostable(problem.node, problem.model, problem.precisions)
        effort, best = Effort(stop), _Best()
        bound = math.inf
        try:
            for tree in trees(problem, batch_costs(problem)):
                _enumerate(with_chains(tree, by_value=True), effort, best)
            bound = best.objective
        except LimitReachedError:
            bound = trivial_bound(problem)
        return make_result(
            problem,
            self.name,
            effort,
            selected=best.selected,
            precision=best.precision,
            bound=bound,
        )


def _enumerate(tree: Tree, effort: Effort, best: _Best) -> None:
    stack = [(0, Partial())]
    while stack:
        level, partial = stack.pop()
        effort.visit()
        if level == tree.num_levels:
            best.offer(tree, partial)
            continue
        size = tree.starts[level + 1] - tree.starts[level]
        size = min(size, tree.most_taken - partial.count)
        stack += [
            (level + 1, partial.take(tree, tree.first_of(level, how_many)))
            for how_many in range(size, -1, -1)
        ]
