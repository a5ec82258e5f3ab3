"""The best selection so far, and how one cell may improve it: by rounding or by searching it."""

from __future__ import annotations

from typing import NamedTuple

from edgebatch.problem.checks import FloatArray, IntArray
from edgebatch.solvers.exact.branching import GIVEN_UP, NONE, search_branches
from edgebatch.solvers.exact.candidates import (
    OUTPUT,
    PROMPT,
    Box,
    Candidates,
    Knapsack,
    gather,
    weigh_up,
)
from edgebatch.solvers.exact.compiled import compiled
from edgebatch.solvers.exact.dual import bound_at
from edgebatch.solvers.exact.knapsack import exchange, round_down


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
def is_single(box: Box) -> bool:
    """Return whether a box cannot be split."""
    return box.least_prompt == box.most_prompt and box.least_output == box.most_output


@compiled
def round_and_keep(
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
    weigh_up(knapsack, size, multiplier)
    if not is_single(box):
        own = _own_lengths(candidates, box, knapsack, size)
        scaled = multiplier.copy()
        size, own_budget = gather(candidates, own, group, knapsack)
        scaled[0] *= own_budget / budget
        multiplier = scaled
        weigh_up(knapsack, size, multiplier)
    value, weight, surplus = knapsack.value, knapsack.weight, knapsack.surplus
    total = round_down(value, weight, size, surplus, knapsack.taken)
    ceiling = bound_at(value, weight, size, multiplier)
    if total < needed(best) <= ceiling:
        total = exchange(value, weight, size, surplus, knapsack.taken, total, ceiling)
    _keep(total, size, best, knapsack)


@compiled
def _own_lengths(candidates: Candidates, box: Box, knapsack: Knapsack, size: int) -> Box:
    """Return the longest lengths among those that the relaxation takes."""
    prompt, output = box.least_prompt, box.least_output
    for i in range(size):
        if knapsack.surplus[i] > 0.0:
            prompt = max(prompt, candidates.table[PROMPT, knapsack.member[i]])
            output = max(output, candidates.table[OUTPUT, knapsack.member[i]])
    return Box(prompt, prompt, output, output)


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
def search_cell(
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
    value, weight = knapsack.value, knapsack.weight
    scaled = multiplier.copy()
    scaled[0] *= budget
    nodes = 0
    while True:
        total, visited = search_branches(
            value, weight, size, scaled, needed(best), knapsack.taken, most_nodes - nodes
        )
        nodes += visited
        if total == GIVEN_UP:
            return nodes, False
        if total == NONE:
            return nodes, True
        _keep(total, size, best, knapsack)
