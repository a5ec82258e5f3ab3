"""An optimum that owes nothing to any solver: every subset, judged by the evaluator."""

from __future__ import annotations

from itertools import combinations

from edgebatch.cost import evaluate
from edgebatch.problem import Problem


def best_worth(problem: Problem) -> float:
    """Return the largest objective of any feasible subset in any precision."""
    everyone = range(len(problem.requests))
    return max(
        evaluation.objective
        for precision in problem.precisions
        for size in range(len(problem.requests) + 1)
        for subset in combinations(everyone, size)
        if (evaluation := evaluate(problem, subset, precision.name)).feasible
    )
