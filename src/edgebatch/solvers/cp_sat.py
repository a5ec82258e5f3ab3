"""Constraint programming with OR-Tools CP-SAT: an independent proof of optimality."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edgebatch.problem import Problem
from edgebatch.solvers.base import Result, Stop
from edgebatch.solvers.cell_search import Outcome, solve_by_cells
from edgebatch.solvers.linear_form import Knapsack

_BUDGET = 2**40
"""Every budget in whole units: fine enough for the tolerance, far from overflow in sums."""
_TOTAL_VALUE = 2.0**50
"""All values together in whole units, where they are not whole already."""


@dataclass(frozen=True, slots=True)
class CpSatSolver:
    """Solves the knapsack of each promising key with CP-SAT; exact for all positive values.

    CP-SAT computes in whole numbers: weights are rounded down and values up, so that its bound
    holds for the real ones. Nodes are its conflicts, at least one for each knapsack, because those
    are what it can be limited by deterministically.
    """

    name: ClassVar[str] = "cp-sat"

    def solve(self, problem: Problem, stop: Stop = Stop()) -> Result:
        """Return the best batch.

        Raises:
            MissingExtraError: OR-Tools is not installed.
            UnsupportedError: the problem has work in flight.
            CannotHostError: the weights alone do not fit.
        """
        return solve_by_cells(
            problem, self.name, _maximise, stop, library="ortools.sat.python.cp_model"
        )


def _maximise(knapsack: Knapsack, at_least: float, limit: Stop) -> Outcome:
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    taken = [model.new_bool_var("") for _ in knapsack.members]
    for weights in np.floor(knapsack.weights * _BUDGET).astype(np.int64).tolist():
        model.add(cp_model.LinearExpr.weighted_sum(taken, weights) <= _BUDGET)
    unit = 1.0 if knapsack.whole_values else float(knapsack.value.sum()) / _TOTAL_VALUE
    values = np.ceil(knapsack.value / unit).astype(np.int64).tolist()
    worth = cp_model.LinearExpr.weighted_sum(taken, values)
    model.add(worth >= int(at_least / unit))
    model.maximize(worth)

    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 1
    # with large coefficients the presolve of 9.15 loses optima (google/or-tools issue 5293), and on
    # knapsacks it costs more than it saves
    solver.parameters.cp_model_presolve = False
    if limit.time_limit_seconds is not None:
        solver.parameters.max_time_in_seconds = limit.time_limit_seconds
    if limit.node_limit is not None:
        solver.parameters.max_number_of_conflicts = limit.node_limit
    status = solver.solve(model)
    if status == cp_model.INFEASIBLE:
        return Outcome(None, at_least, solver.num_conflicts, finished=True)
    if status == cp_model.UNKNOWN:
        return Outcome(None, math.inf, solver.num_conflicts, finished=False)
    positions = np.flatnonzero([solver.boolean_value(variable) for variable in taken])
    bound = solver.best_objective_bound * unit
    return Outcome(positions, bound, solver.num_conflicts, finished=status == cp_model.OPTIMAL)
