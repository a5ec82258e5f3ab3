"""Mixed-integer programming with HiGHS: an independent proof of optimality."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from edgebatch.problem import Problem
from edgebatch.solvers.base import Result, Stop
from edgebatch.solvers.cell_search import Outcome, solve_by_cells
from edgebatch.solvers.linear_form import Knapsack
from edgebatch.units import RELATIVE_TOLERANCE

if TYPE_CHECKING:
    import highspy

_OPTIONS: dict[str, bool | int | float | str] = {
    "output_flag": False,
    "presolve": "off",  # on knapsacks it costs several times what it saves
    "threads": 1,
    "random_seed": 1,
    "mip_rel_gap": 0.0,
    "mip_abs_gap": 0.0,
    "mip_feasibility_tolerance": RELATIVE_TOLERANCE,
    "primal_feasibility_tolerance": RELATIVE_TOLERANCE,
    "dual_feasibility_tolerance": RELATIVE_TOLERANCE,
    "small_matrix_value": 1e-12,
}


@dataclass(frozen=True, slots=True)
class MilpSolver:
    """Solves the knapsack of each promising key with HiGHS; exact for all positive values.

    Nodes are branch-and-bound nodes of HiGHS, at least one for each knapsack; a node limit is
    theirs too, and deterministic.
    """

    name: ClassVar[str] = "milp"

    def solve(self, problem: Problem, stop: Stop = Stop()) -> Result:
        """Return the best batch.

        Raises:
            MissingExtraError: highspy is not installed.
            UnsupportedError: the problem has work in flight.
            CannotHostError: the weights alone do not fit.
        """
        return solve_by_cells(problem, self.name, _maximise, stop, library="highspy")


def _maximise(knapsack: Knapsack, at_least: float, limit: Stop) -> Outcome:
    import highspy

    highs = highspy.Highs()
    for option, setting in _OPTIONS.items():
        highs.setOptionValue(option, setting)
    if limit.time_limit_seconds is not None:
        highs.setOptionValue("time_limit", limit.time_limit_seconds)
    if limit.node_limit is not None:
        highs.setOptionValue("mip_max_nodes", limit.node_limit)
    unit = float(knapsack.value.max())
    highs.passModel(_model(knapsack, at_least, unit))
    highs.run()
    status, info = highs.getModelStatus(), highs.getInfo()
    nodes = max(int(info.mip_node_count), 0)
    if status == highspy.HighsModelStatus.kInfeasible:
        return Outcome(None, at_least, nodes, finished=True)
    positions = None
    if info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible:
        positions = np.flatnonzero(np.array(highs.getSolution().col_value) > 0.5)
    if status == highspy.HighsModelStatus.kOptimal and positions is not None:
        return Outcome(positions, float(knapsack.value[positions].sum()), nodes, finished=True)
    # before its first relaxation HiGHS reports a bound of 0; every knapsack is worth more
    reached = float(info.mip_dual_bound) * unit * (1.0 + RELATIVE_TOLERANCE)
    return Outcome(positions, reached if reached > 0.0 else math.inf, nodes, finished=False)


def _model(knapsack: Knapsack, at_least: float, unit: float) -> highspy.HighsLp:
    """Return the model: values in ``unit``, a row per budget, and one for ``at_least``."""
    import highspy

    num_rows, num_members = knapsack.weights.shape
    rows = knapsack.weights
    lower, upper = np.full(num_rows, -highspy.kHighsInf), np.ones(num_rows)
    if at_least > 0.0:
        rows = np.vstack([rows, knapsack.value / at_least])
        lower = np.append(lower, 1.0 - RELATIVE_TOLERANCE)
        upper = np.append(upper, highspy.kHighsInf)
    model = highspy.HighsLp()
    model.sense_ = highspy.ObjSense.kMaximize
    model.num_col_, model.num_row_ = num_members, len(rows)
    model.col_cost_ = knapsack.value / unit
    model.col_lower_, model.col_upper_ = np.zeros(num_members), np.ones(num_members)
    model.integrality_ = [highspy.HighsVarType.kInteger] * num_members
    model.row_lower_, model.row_upper_ = lower, upper
    matrix = model.a_matrix_
    matrix.format_ = highspy.MatrixFormat.kRowwise
    matrix.start_ = np.arange(len(rows) + 1, dtype=np.int32) * num_members
    matrix.index_ = np.tile(np.arange(num_members, dtype=np.int32), len(rows))
    matrix.value_ = rows.ravel()
    return model
