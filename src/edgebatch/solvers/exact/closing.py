"""Closes what a box has left, one tightest deadline and longest output after the other."""

from __future__ import annotations

import numpy as np

from edgebatch.problem.checks import FloatArray
from edgebatch.solvers.exact.candidates import Box, Candidates, Knapsack, gather, weigh_up
from edgebatch.solvers.exact.compiled import compiled
from edgebatch.solvers.exact.dual import minimise_dual
from edgebatch.solvers.exact.incumbent import Best, needed, round_and_keep, search_cell
from edgebatch.solvers.exact.sweeps import sweep

CLOSED = -1.0
MOST_MEMBERS = 200_000
"""Members of all knapsacks in one call: about how often a time limit is looked at."""
_MOST_CLOSED = 1_000_000
_DEADLINES_PER_OUTPUT = 4
"""Deadlines times candidates, and deadlines for each longest output, that are worth closing one by
one; a box with more is split."""
_MOST_CELLS = 64
"""Longest outputs of one deadline that are closed one by one before the box is split instead."""


@compiled
def are_few(candidates: Candidates, box: Box, bounds: FloatArray, best: Best) -> bool:
    """Return whether closing the deadlines left one by one takes less than splitting the box."""
    how_many, outputs = np.count_nonzero(bounds >= needed(best)), candidates.outputs
    num_outputs = np.count_nonzero((outputs >= box.least_output) & (outputs <= box.most_output))
    few = how_many * candidates.table.shape[1] <= _MOST_CLOSED
    return bool(few and how_many <= _DEADLINES_PER_OUTPUT * num_outputs)


@compiled
def close_outputs(
    candidates: Candidates,
    box: Box,
    group: int,
    multiplier: FloatArray,
    bounds: FloatArray,
    best: Best,
    knapsack: Knapsack,
    most_nodes: int,
) -> tuple[int, bool, bool, int]:
    """Close the cells of one deadline, highest bound first, each with a λ of its own.

    Returns the nodes visited, whether no search was given up, whether the cells were few enough to
    close all, and the members of all knapsacks together.
    """
    outputs = candidates.outputs
    ceilings = all_outputs(candidates, box)
    tuned, nodes, members, finished = multiplier.copy(), 0, 0, True
    for _ in range(_MOST_CELLS):
        members += bound_outputs(candidates, box, group, tuned, knapsack, ceilings)
        level = int(np.argmax(ceilings))
        if ceilings[level] < needed(best):
            sweep(candidates, box, tuned, bounds)
            return nodes, finished, True, members
        cell = Box(box.least_prompt, box.most_prompt, outputs[level], outputs[level])
        size, budget = gather(candidates, cell, group, knapsack)
        if size == 0:
            ceilings[level] = CLOSED
            continue
        tuned[0] *= budget
        bound = minimise_dual(knapsack.value, knapsack.weight, size, tuned, needed(best))
        if bound >= needed(best):
            round_and_keep(candidates, cell, group, tuned, best, knapsack, size, budget)
        tuned[0] /= budget
        ceilings[level] = min(ceilings[level], bound)
        members += size
        if ceilings[level] >= needed(best):
            limit, done = most_nodes - nodes, False
            if limit > 0:
                visited, done = search_cell(candidates, cell, group, tuned, best, knapsack, limit)
                nodes += visited
            finished &= done
            ceilings[level] = CLOSED
        if members > MOST_MEMBERS:
            break
    return nodes, finished, False, members


@compiled
def all_outputs(candidates: Candidates, box: Box) -> FloatArray:
    """Return bounds of the longest outputs: unknown in the box, below all others outside."""
    outputs = candidates.outputs
    ceilings = np.full(len(outputs), np.inf)
    ceilings[(outputs < box.least_output) | (outputs > box.most_output)] = -np.inf
    return ceilings


@compiled
def bound_outputs(
    candidates: Candidates,
    box: Box,
    group: int,
    multiplier: FloatArray,
    knapsack: Knapsack,
    ceilings: FloatArray,
) -> int:
    """Lower the bound of each longest output to what λ proves; return how many can be members."""
    size, budget = gather(candidates, box, group, knapsack)
    scaled = multiplier.copy()
    scaled[0] *= budget
    weigh_up(knapsack, size, scaled)
    pass_worth = multiplier[0] * candidates.costs.pass_seconds
    worth = np.zeros(len(ceilings))
    for i in range(size):
        worth[candidates.levels[knapsack.member[i]]] += max(knapsack.surplus[i], 0.0)
    bound = scaled.sum() + pass_worth * box.least_output
    for level in range(len(ceilings)):
        bound += worth[level]
        ceilings[level] = min(ceilings[level], bound - pass_worth * candidates.outputs[level])
    return size
