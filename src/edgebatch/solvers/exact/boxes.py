"""One box of the search tree: bounded, and closed cell by cell if it holds a single longest prompt.

A box charges the least lengths in it and admits everyone up to the greatest, so its bounds hold for
all in it. Within it a *cell* is a tightest deadline and, where outputs are not padded, a longest
output. A sweep with fixed multipliers bounds all cells at once. Multipliers are tuned to the cell
with the highest bound, as far as that lowers the greatest bound of all. The cells left then are
closed one by one, each with multipliers of its own, by a search if need be. A box is split if too
many are left, or if its bound is loose because members are charged too little.
"""

from __future__ import annotations

import numpy as np

from edgebatch.problem.checks import FloatArray
from edgebatch.solvers.exact.candidates import (
    PADDED,
    Box,
    Candidates,
    Knapsack,
    gather,
)
from edgebatch.solvers.exact.closing import (
    CLOSED,
    MOST_MEMBERS,
    all_outputs,
    are_few,
    bound_outputs,
    close_outputs,
)
from edgebatch.solvers.exact.compiled import compiled
from edgebatch.solvers.exact.dual import minimise_dual
from edgebatch.solvers.exact.incumbent import (
    Best,
    is_single,
    needed,
    round_and_keep,
    search_cell,
)
from edgebatch.solvers.exact.sweeps import sweep

_MOST_TUNINGS = 2
"""In a box whose bound is loose because it charges too little; splitting it pays more."""
_PROGRESS = 0.9
"""Any other box is split once tuning leaves more than this part of the gap of its bound."""
_SHORTEST_STEP = 0.1
SPLIT, AGAIN, HARDER = range(3)
"""What a box needs next: to be split, another look, or a harder search in its cells."""


@compiled
def examine(
    candidates: Candidates,
    box: Box,
    multiplier: FloatArray,
    bounds: FloatArray,
    best: Best,
    knapsack: Knapsack,
    most_nodes: int,
    nodes_left: int,
    members_left: int,
) -> tuple[float, int, int]:
    """Bound a box, improving the best selection on the way.

    Args:
        candidates: who there is.
        box: what to look at.
        multiplier: λ to begin with, all 0 if none is known; overwritten with the last tuned one.
        bounds: what is known about each deadline, shape (M,); updated.
        best: updated.
        knapsack: room to work in.
        most_nodes: limit on the nodes of the search in each cell.
        nodes_left: limit on all nodes together.
        members_left: limit on the members of all knapsacks together.

    Returns:
        A bound on what the box holds, the nodes visited, and what it needs next if that is not
        below what is needed: SPLIT, AGAIN or HARDER.
    """
    single = is_single(box)
    loose = not single and (candidates.mode == PADDED or box.least_prompt != box.most_prompt)
    sweep(candidates, box, multiplier, bounds)
    postponed = np.zeros(len(bounds))
    nodes, members, tunings, tuned = 1, 0, 0, -1
    gap, reached, closing = np.inf, 0.0, False
    while True:
        group = int(np.argmax(bounds))
        before = bounds[group]
        if before < needed(best):
            np.maximum(bounds, postponed, bounds)
            return bounds.max(), nodes, HARDER
        worth_tuning = tuned != group and not closing
        if loose:
            worth_tuning = tunings < _MOST_TUNINGS
        elif not single and not closing:
            left = max(before - max(reached, needed(best)), 0.0)
            worth_tuning = left < _PROGRESS * gap
            gap = left
        if (worth_tuning or closing) and (
            members > min(MOST_MEMBERS, members_left) or nodes > nodes_left
        ):
            np.maximum(bounds, postponed, bounds)
            again = 2 * np.count_nonzero(postponed) < tunings or members <= MOST_MEMBERS
            return bounds.max(), nodes, AGAIN if again else (HARDER if single or closing else SPLIT)
        if worth_tuning:
            size, bound = _tune(candidates, box, group, multiplier, bounds, best, knapsack)
            members, tunings, tuned = members + size, tunings + 1, group
            reached = max(reached, bound)
            if not single or bounds[group] < before * (1.0 - 1e-9):
                continue
        limit = min(most_nodes, nodes_left - nodes)
        if single:
            visited, finished = search_cell(
                candidates, box, group, multiplier, best, knapsack, limit
            )
        elif loose or not (closing or are_few(candidates, box, bounds, best)):
            return before, nodes, SPLIT
        else:
            closing = True
            visited, finished, few, size = close_outputs(
                candidates, box, group, multiplier, bounds, best, knapsack, limit
            )
            members += size
            if not few:
                return max(before, postponed.max()), nodes + visited, SPLIT
        nodes += visited
        if not finished:
            postponed[group] = before
        bounds[group], tuned = CLOSED, -1


@compiled
def _tune(
    candidates: Candidates,
    box: Box,
    group: int,
    multiplier: FloatArray,
    bounds: FloatArray,
    best: Best,
    knapsack: Knapsack,
) -> tuple[int, float]:
    """Fit λ to one cell, lower all bounds with it, and try to round its relaxation.

    Returns how many can be in the cell, and its own least bound.
    """
    cell = _highest_cell(candidates, box, group, multiplier, knapsack)
    size, budget = gather(candidates, cell, group, knapsack)
    if size == 0:
        bounds[group] = min(bounds[group], 0.0 if is_single(box) else np.inf)
        return 0, 0.0
    tuned = multiplier.copy()
    tuned[0] *= budget
    bound = minimise_dual(knapsack.value, knapsack.weight, size, tuned, needed(best))
    if bound >= needed(best):
        round_and_keep(candidates, cell, group, tuned, best, knapsack, size, budget)
    tuned[0] /= budget
    if is_single(box):
        bounds[group] = min(bounds[group], bound)
    _approach(candidates, box, tuned, multiplier, bounds)
    return size, bound


@compiled
def _highest_cell(
    candidates: Candidates, box: Box, group: int, multiplier: FloatArray, knapsack: Knapsack
) -> Box:
    """Return the part of a box with the longest output that attains the bound of a deadline."""
    if candidates.mode == PADDED or box.least_output == box.most_output:
        return box
    ceilings = all_outputs(candidates, box)
    bound_outputs(candidates, box, group, multiplier, knapsack, ceilings)
    output = candidates.outputs[np.argmax(ceilings)]
    return Box(box.least_prompt, box.most_prompt, output, output)


@compiled
def _approach(
    candidates: Candidates,
    box: Box,
    tuned: FloatArray,
    multiplier: FloatArray,
    bounds: FloatArray,
) -> None:
    """Move λ towards what suits one cell, as far as that lowers the greatest bound of all.

    That bound is convex in λ, and the way begins downhill as the cell is the one that attains it.
    """
    nearest, least, step = multiplier.copy(), np.inf, 1.0
    before = sweep(candidates, box, multiplier, bounds)
    while step > _SHORTEST_STEP:
        trial = multiplier + step * (tuned - multiplier)
        greatest = sweep(candidates, box, trial, bounds)
        if greatest < least:
            nearest, least = trial, greatest
        elif least < before:
            break
        step *= 0.5
    multiplier[:] = nearest
