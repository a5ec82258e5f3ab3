"""The problem as a family of multi-dimensional knapsacks, one for each *cell*.

Within one precision, let a batch's *key* be (longest prompt P, longest output G, tightest deadline
D). Once the key is fixed, time, memory and spectrum are each a sum over members with a fixed
budget (formulation §3, "a constant plus a sum over members"), and so is the number of members
where that is limited: a knapsack with at most five rows.
A cell is a box of keys. Charging its batches with its smallest lengths and its latest deadline,
and admitting whoever fits its largest lengths and its earliest deadline, gives a knapsack that
every batch of the cell fits into, and exactly the batches' own one when the cell is a single key.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from edgebatch.cost import BatchCost, hosted_bytes
from edgebatch.problem import Problem
from edgebatch.problem.checks import FloatArray, IntArray
from edgebatch.solvers.base import servable_alone
from edgebatch.units import RELATIVE_TOLERANCE

ROUNDING = 1e-12
"""Allowance for float sums, far below the tolerance of the formulation."""
_SLACK = 1.0 + RELATIVE_TOLERANCE + ROUNDING
_LARGEST_EXACT_SUM = 2.0**50

Span = tuple[int, int]
"""First and last level of one coordinate of a cell, both included."""
Cell = tuple[Span, Span, Span]
"""A box of keys: spans of prompt, output and deadline levels."""


@dataclass(frozen=True, eq=False, slots=True)
class Knapsack:
    """Maximise value·x subject to weights·x ≤ 1, x binary.

    Attributes:
        members: ascending indices into the problem's requests, shape (n,).
        value: shape (n,).
        weights: every member's part of each budget, at most 1; shape (rows, n).
        whole_values: whether values are whole numbers, exact in floats and in their sum.
        bound: no solution is worth more.
    """

    members: IntArray
    value: FloatArray
    weights: FloatArray
    whole_values: bool
    bound: float

    def without(self, positions: IntArray) -> Knapsack:
        """Return the knapsack with the cover cut of a selection that turned out not to fit.

        Neither do as many members that each weigh as much as the selection's heaviest in every
        row: of the selection and those like it, at least one fewer can be taken.

        Args:
            positions: the refused selection, positions into ``members``, at least one.
        """
        heaviest = self.weights[:, positions].max(axis=1, keepdims=True)
        alike = (self.weights >= heaviest).all(axis=0)
        alike[positions] = True
        at_most = max(len(positions) - 1.0, 0.5)
        return replace(self, weights=np.vstack([self.weights, alike / at_most]))


class CellSpace:
    """The cells of one precision and their knapsacks.

    Attributes:
        cost: the precision's cost model.
        levels: the distinct prompt lengths, output lengths and deadlines of the requests that the
            precision could serve alone, each ascending. A length on which no batch's cost depends
            has one level.
    """

    def __init__(self, problem: Problem, cost: BatchCost) -> None:
        requests = problem.requests
        self.cost = cost
        self._node = problem.node
        self._batching, self._max_batch = problem.batching, problem.max_batch
        self._members = np.flatnonzero(servable_alone(problem, cost))
        self._prompt = requests.prompt_tokens[self._members].astype(float)
        self._output = requests.output_tokens[self._members].astype(float)
        self._deadline = requests.deadline_seconds[self._members]
        self._value = requests.value[self._members]
        self._shares = [
            column[self._members]
            for column, seconds in (
                (requests.uplink_share, problem.node.uplink_seconds),
                (requests.downlink_share, problem.node.downlink_seconds),
            )
            if seconds > 0.0
        ]
        self._cache_bytes = problem.node.memory_bytes * _SLACK - hosted_bytes(
            problem.node, problem.model, problem.precisions
        )
        self._whole_values = bool(
            (self._value == np.floor(self._value)).all() and self._value.sum() < _LARGEST_EXACT_SUM
        )
        output_matters = self._batching.pads_outputs or cost.step_seconds > 0.0
        prompts, outputs = np.unique(self._prompt), np.unique(self._output)
        self.levels = (
            prompts if self._batching.pads_prompts else prompts[-1:],
            outputs if output_matters else outputs[-1:],
            np.unique(self._deadline),
        )

    @property
    def root(self) -> Cell | None:
        """The cell of all keys; None if the precision can serve nobody."""
        if not len(self._members):
            return None
        prompts, outputs, deadlines = (len(levels) - 1 for levels in self.levels)
        return (0, prompts), (0, outputs), (0, deadlines)

    def split(self, cell: Cell) -> tuple[Cell, Cell] | None:
        """Return two halves of a cell, cut where its levels are furthest apart in ratio.

        None if it is a single key.
        """
        wide = [axis for axis, (first, last) in enumerate(cell) if first < last]
        if not wide:
            return None

        def ratio(axis: int) -> float:
            first, last = cell[axis]
            return float(self.levels[axis][last] / self.levels[axis][first])

        axis = max(wide, key=ratio)
        first, last = cell[axis]
        middle = (first + last) // 2
        lower, upper = list(cell), list(cell)
        lower[axis], upper[axis] = (first, middle), (middle + 1, last)
        return (lower[0], lower[1], lower[2]), (upper[0], upper[1], upper[2])

    def knapsack(self, cell: Cell) -> Knapsack:
        """Return a knapsack that every batch with its key in ``cell`` fits into."""
        (least_prompt, prompt), (least_output, output), (earliest, latest) = (
            (float(levels[first]), float(levels[last]))
            for levels, (first, last) in zip(self.levels, cell, strict=True)
        )
        admitted = (self._prompt <= prompt) & (self._output <= output)
        chosen = np.flatnonzero(admitted & (self._deadline >= earliest))
        prompts, outputs = self._prompt[chosen], self._output[chosen]
        if self._batching.pads_prompts:
            prompts = np.maximum(prompts, least_prompt)
        if self._batching.pads_outputs:
            outputs = np.maximum(outputs, least_output)
        seconds = latest * _SLACK - self._node.radio_seconds - self.cost.fixed_seconds(least_output)
        uses = [self.cost.member_seconds(prompts, outputs), self.cost.kv_bytes(prompts, outputs)]
        uses += [share[chosen] for share in self._shares]
        budgets = [seconds, self._cache_bytes] + [_SLACK] * len(self._shares)
        if self._max_batch is not None:
            uses.append(np.ones(len(chosen)))
            budgets.append(self._max_batch * _SLACK)
        # every request takes some time and memory, so that without a budget none is left
        weights = np.array(
            [
                use / budget if budget > 0.0 else np.full(len(use), np.inf)
                for use, budget in zip(uses, budgets, strict=True)
            ]
        )
        light = (weights <= 1.0).all(axis=0)
        value, weights = self._value[chosen[light]], weights[:, light]
        bound = relaxation_bound(value, weights)
        if self._whole_values:
            bound = float(math.floor(bound))
        return Knapsack(self._members[chosen[light]], value, weights, self._whole_values, bound)


def relaxation_bound(value: FloatArray, weights: FloatArray) -> float:
    """Return a bound on a knapsack: the least of two relaxations over its rows.

    One lets the last request be taken in part; the other takes the most valuable requests, as many
    as there would be of the lightest. The first is close for many small requests, the second
    exact where all weigh the same.

    Args:
        value: shape (n,).
        weights: parts of the budgets, shape (rows, n).
    """
    bounds = [float(value.sum())]
    best_first = np.cumsum(-np.sort(-value))
    for weight in weights:
        if weight.sum() <= 1.0:
            continue
        bounds.append(_fractional_bound(value, weight))
        count = int(np.searchsorted(np.cumsum(np.sort(weight)), 1.0 + ROUNDING, side="right"))
        bounds.append(float(best_first[count - 1]) if count else 0.0)
    return min(bounds) * (1.0 + ROUNDING)


def _fractional_bound(value: FloatArray, weight: FloatArray) -> float:
    order = np.argsort(weight / value, kind="stable")
    filled = np.cumsum(weight[order])
    whole = int(np.searchsorted(filled, 1.0, side="right"))
    worth = float(value[order[:whole]].sum())
    if whole == len(order):
        return worth
    room = 1.0 - (float(filled[whole - 1]) if whole else 0.0)
    return worth + float(value[order[whole]]) * room / float(weight[order[whole]])
