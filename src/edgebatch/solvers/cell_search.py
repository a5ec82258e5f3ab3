"""Best-first search over cells, whose knapsacks an optimiser of its own right solves.

A cell is bounded by two textbook relaxations of its knapsack (:mod:`.linear_form`). The most
promising one is split until it is a single key; then the optimiser solves the knapsack. Nothing is
lost: a batch is dealt with in the cell of its own key, and a cell is only set aside once its bound
or the optimiser says that it holds nothing better than what is known. The optimisers compute with
tolerances of their own; they are given a relaxation, the evaluator judges what they return, and
what it refuses is cut off.
"""

from __future__ import annotations

import heapq
import importlib
import itertools
import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edgebatch.cost import batch_costs, evaluate, require_hostable
from edgebatch.errors import MissingExtraError
from edgebatch.problem import Problem
from edgebatch.problem.checks import IntArray
from edgebatch.solvers.base import (
    Effort,
    LimitReachedError,
    Result,
    Stop,
    make_result,
    require_own_batch,
)
from edgebatch.solvers.linear_form import Cell, CellSpace, Knapsack
from edgebatch.units import RELATIVE_TOLERANCE

# half, so that what is not looked into stays within the tolerance of the proof
_BETTER = 1.0 + RELATIVE_TOLERANCE / 2.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an optimiser found out about a knapsack.

    Attributes:
        positions: the best selection found, positions into the knapsack's members; None if none.
        bound: no selection is worth more, except those worth less than was asked for.
        nodes: search nodes, in the optimiser's own sense.
        finished: whether it came to its end, rather than to a limit.
    """

    positions: IntArray | None
    bound: float
    nodes: int
    finished: bool


class Optimiser(Protocol):
    """Solves one knapsack; deterministic unless a time limit cuts it short."""

    def __call__(self, knapsack: Knapsack, at_least: float, limit: Stop) -> Outcome:
        """Return the best selection worth ``at_least`` (0: any), within ``limit``."""
        ...


def solve_by_cells(
    problem: Problem, solver: str, optimiser: Optimiser, stop: Stop, *, library: str
) -> Result:
    """Return the best batch of a problem, proven unless a limit is hit.

    Args:
        problem: without work in flight.
        solver: name of the solver.
        optimiser: solves the knapsacks.
        stop: limits on all knapsacks together; each of them counts as at least one node.
        library: the module that the optimiser needs.

    Raises:
        MissingExtraError: the library is not installed.
        UnsupportedError: the problem has work in flight.
        CannotHostError: the weights alone do not fit.
    """
    try:
        importlib.import_module(library)
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"solver {solver!r}", "solvers") from error
    require_own_batch(problem, solver)
    require_hostable(problem.node, problem.model, problem.precisions)
    search = _CellSearch(problem, optimiser, Effort(stop))
    try:
        search.run()
    except LimitReachedError:
        search.bound = max(search.bound, search.open_bound)
    return make_result(
        problem,
        solver,
        search.effort,
        selected=search.selected,
        precision=search.precision,
        bound=search.bound,
    )


class _CellSearch:
    """The open cells, the best batch so far, and what the closed cells might still hold.

    Attributes:
        selected, precision, worth: the best batch so far; the empty one at first.
        bound: no batch of a closed cell is worth more.
    """

    def __init__(self, problem: Problem, optimiser: Optimiser, effort: Effort) -> None:
        self.effort = effort
        self.selected: tuple[int, ...] = ()
        self.precision: str | None = None
        self.worth = 0.0
        self.bound = 0.0
        self._problem = problem
        self._optimiser = optimiser
        self._serial = itertools.count()
        self._open: list[tuple[float, int, CellSpace, Cell]] = []
        for cost in batch_costs(problem):
            space = CellSpace(problem, cost)
            if space.root is not None:
                self._push(space, space.root)

    @property
    def open_bound(self) -> float:
        """No batch of an open cell is worth more."""
        return -self._open[0][0] if self._open else 0.0

    def run(self) -> None:
        """Close cells until none can hold a better batch; raise LimitReachedError at a limit."""
        while self._promises(self.open_bound):
            self._remaining()
            _, _, space, cell = self._open[0]
            halves = space.split(cell)
            if halves is None:
                self._close(space, cell)
                continue
            heapq.heappop(self._open)
            for half in halves:
                self._push(space, half)

    def _promises(self, bound: float) -> bool:
        return bound > self.worth * _BETTER

    def _push(self, space: CellSpace, cell: Cell) -> None:
        bound = space.knapsack(cell).bound
        if self._promises(bound):
            heapq.heappush(self._open, (-bound, next(self._serial), space, cell))

    def _remaining(self) -> Stop:
        """Return what is left of the limits; raise LimitReachedError if that is nothing."""
        stop, effort = self.effort.stop, self.effort
        seconds, nodes = stop.time_limit_seconds, stop.node_limit
        if seconds is not None:
            seconds = seconds - effort.seconds
        if nodes is not None:
            nodes = nodes - effort.nodes
        if (seconds is not None and seconds <= 0.0) or (nodes is not None and nodes <= 0):
            raise LimitReachedError
        return Stop(seconds, nodes)

    def _close(self, space: CellSpace, cell: Cell) -> None:
        """Solve the knapsack of the first open cell, a single key, and take it off the list.

        It is solved again, with a cut, as long as the evaluator refuses the answer. At a limit
        the cell stays open, with the bound that the optimiser got to.
        """
        knapsack = space.knapsack(cell)
        while True:
            outcome = self._optimiser(knapsack, self._next_worth(knapsack), self._remaining())
            self.effort.nodes += max(outcome.nodes, 1)
            found = outcome.positions
            fits = found is not None and self._offer(space, knapsack, found)
            bound = min(knapsack.bound, max(outcome.bound, self.worth))
            if not outcome.finished:
                heapq.heapreplace(self._open, (-bound, next(self._serial), space, cell))
                raise LimitReachedError
            if found is None or fits:
                break
            knapsack = knapsack.without(found)
        if fits:
            self.bound = max(self.bound, bound)
        heapq.heappop(self._open)

    def _next_worth(self, knapsack: Knapsack) -> float:
        """Return the least worth that would be an improvement."""
        if knapsack.whole_values:
            return math.floor(self.worth) + 1.0
        return self.worth * _BETTER

    def _offer(self, space: CellSpace, knapsack: Knapsack, positions: IntArray) -> bool:
        """Keep a selection if it is the best so far; return whether it is feasible at all."""
        selected = tuple(int(index) for index in np.sort(knapsack.members[positions]))
        evaluation = evaluate(self._problem, selected, space.cost.precision.name)
        if evaluation.feasible and evaluation.objective > self.worth:
            self.worth = evaluation.objective
            self.selected, self.precision = selected, space.cost.precision.name
        return evaluation.feasible
