"""One box of the search tree: bounded, and closed if it holds a single longest prompt and output.

A box charges the least P and G in it and admits everyone up to the greatest, so its bound holds for
all in it. Deadlines need no ranges of their own: a sweep with fixed multipliers bounds all of them.
Multipliers are tuned to the deadline with the highest bound, which rules out most others, until
none is left or, in a box of single lengths, until the knapsack of that deadline has to be solved.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edgebatch.problem.checks import FloatArray, IntArray
from edgebatch.solvers.exact.candidates import (
    OUTPUT,
    PROMPT,
    Box,
    Candidates,
    Knapsack,
    gather,
    sweep,
    weigh_up,
)
from edgebatch.solvers.exact.compiled import compiled
from edgebatch.solvers.exact.dual import ROWS, bound_at, minimise_dual
from edgebatch.solvers.exact.knapsack import exchange, round_down, search_flips

_MOST_TUNINGS = 2
_CLOSED = -1.0


class Best(NamedTuple):
    """The best selection so far.

    Attributes:
        worth: shape (1,).
        size: shape (1,), how many are in it.
        chosen: shape (N,), columns of the table; the first ``size`` count.
        quantum: all worths are multiples of this; 0 if of nothing worth using.
    """

    worth: FloatArray
    size: IntArray
    chosen: IntArray
    quantum: float


@compiled
def needed(best: Best) -> float:
    """Return the least worth that would be an improvement."""
    worth: float = best.worth[0]
    if best.quantum > 0.0:
        return worth + best.quantum * (1.0 - 1e-6)
    return worth + max(worth, 1e-300) * 1e-9


@compiled
def examine(
    candidates: Candidates,
    box: Box,
    multiplier: FloatArray,
    best: Best,
    knapsack: Knapsack,
    most_nodes: int,
) -> tuple[float, int, bool]:
    """Bound a box, improving the best selection on the way.

    Args:
        candidates: who there is.
        box: what to look at.
        multiplier: λ to begin with, all 0 if none is known; overwritten with the last tuned one.
        best: updated.
        knapsack: room to work in.
        most_nodes: limit of the search in each knapsack.

    Returns:
        A bound on what the box holds, the nodes visited, and whether nothing better than the best
        is left in it.
    """
    single = _is_single(box)
    bounds = np.full(len(candidates.ends), np.inf)
    sweep(candidates, box, np.zeros(ROWS), bounds)
    if multiplier.any():
        sweep(candidates, box, multiplier, bounds)
    nodes, given_up, tunings, tuned = 1, 0.0, 0, -1
    while True:
        group = int(np.argmax(bounds))
        before = bounds[group]
        if before < needed(best):
            return max(before, given_up), nodes, given_up == 0.0
        if tuned != group and (single or tunings < _MOST_TUNINGS):
            _tune(candidates, box, group, multiplier, bounds, best, knapsack)
            tuned, tunings = group, tunings + 1
            if not single or bounds[group] < before * (1.0 - 1e-9):
                continue
        if not single:
            return before, nodes, False
        visited, finished = _close(candidates, box, group, multiplier, best, knapsack, most_nodes)
        nodes += visited
        if not finished:
            given_up = max(given_up, before)
        bounds[group], tuned = _CLOSED, -1


@compiled
def _is_single(box: Box) -> bool:
    return box.least_prompt == box.most_prompt and box.least_output == box.most_output


@compiled
def _tune(
    candidates: Candidates,
    box: Box,
    group: int,
    multiplier: FloatArray,
    bounds: FloatArray,
    best: Best,
    knapsack: Knapsack,
) -> None:
    """Fit λ to one deadline, lower all bounds with it, and try to round its relaxation."""
    size, budget = gather(candidates, box, group, knapsack)
    if size == 0:
        bounds[group] = 0.0
        return
    multiplier[0] *= budget
    bound = minimise_dual(knapsack.value, knapsack.weight, size, multiplier, needed(best))
    multiplier[0] /= budget
    sweep(candidates, box, multiplier, bounds)
    bounds[group] = min(bounds[group], bound)
    if bound >= needed(best):
        _round(candidates, box, group, multiplier, best, knapsack, size, budget)


@compiled
def _round(
    candidates: Candidates,
    box: Box,
    group: int,
    multiplier: FloatArray,
    best: Best,
    knapsack: Knapsack,
    size: int,
    budget: float,
) -> None:
    """Round the relaxation down to a batch; in a box of several lengths, one of its own longest."""
    scaled = multiplier.copy()
    scaled[0] *= budget
    weigh_up(knapsack, size, scaled)
    if not _is_single(box):
        own_prompt, own_output = 0.0, 0.0
        for i in range(size):
            if knapsack.surplus[i] > 0.0:
                own_prompt = max(own_prompt, candidates.table[PROMPT, knapsack.member[i]])
                own_output = max(own_output, candidates.table[OUTPUT, knapsack.member[i]])
        own = Box(own_prompt, own_prompt, own_output, own_output)
        size, budget = gather(candidates, own, group, knapsack)
        scaled[0] = multiplier[0] * budget
        weigh_up(knapsack, size, scaled)
    value, weight, surplus = knapsack.value, knapsack.weight, knapsack.surplus
    total = round_down(value, weight, size, surplus, knapsack.taken)
    ceiling = bound_at(value, weight, size, scaled)
    if total < needed(best) <= ceiling:
        total = exchange(value, weight, size, surplus, knapsack.taken, total, ceiling)
    _keep(total, size, best, knapsack)


@compiled
def _keep(total: float, size: int, best: Best, knapsack: Knapsack) -> None:
    """Remember the selection taken if it is better than the best."""
    if total < needed(best):
        return
    count = 0
    for i in range(size):
        if knapsack.taken[i]:
            best.chosen[count] = knapsack.member[i]
            count += 1
    best.worth[0], best.size[0] = total, count


@compiled
def _close(
    candidates: Candidates,
    box: Box,
    group: int,
    multiplier: FloatArray,
    best: Best,
    knapsack: Knapsack,
    most_nodes: int,
) -> tuple[int, bool]:
    """Search one knapsack until nothing better than the best is left; return nodes and success."""
    size, budget = gather(candidates, box, group, knapsack)
    value, weight, surplus = knapsack.value, knapsack.weight, knapsack.surplus
    scaled = multiplier.copy()
    scaled[0] *= budget
    bound = minimise_dual(value, weight, size, scaled, 0.0)
    weigh_up(knapsack, size, scaled)
    nodes = 0
    while bound >= needed(best):
        total, visited = search_flips(
            value,
            weight,
            size,
            scaled,
            surplus,
            bound,
            needed(best),
            knapsack.taken,
            most_nodes - nodes,
        )
        nodes += visited
        if total == -2.0:
            return nodes, False
        if total < 0.0:
            break
        _keep(total, size, best, knapsack)
    return nodes, True
