"""Bounds of all tightest deadlines and longest outputs at once, for given multipliers.

Where outputs are not padded, the longest output G only takes G forward passes off the time budget,
and surpluses r_i = v_i − λ·w_i do not depend on it. So for fixed λ

    L(D, G) = Σ_k λ_k + λ_0·(budget(D) − G·pass) + Σ {r_i⁺ : D_i ≥ D, n_i ≤ G}

(λ_0 in worth per second, left out of the first sum). Let the requests enter by falling deadline,
each adding r_i⁺ to all G ≥ n_i. The greatest L over G is then the greatest prefix sum of a sequence
whose entry at each output length is what its requests add, less λ_0·pass·(step to that length); a
balanced tree keeps it in O(log N) per request.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edgebatch.problem.checks import FloatArray
from edgebatch.solvers.exact.candidates import (
    DEADLINE,
    DOWNLINK,
    MEMORY,
    OUTPUT,
    PADDED,
    PLACE,
    PROMPT,
    SECONDS,
    STEPS,
    UPLINK,
    VALUE,
    Box,
    Candidates,
    charges,
    first_budget,
)
from edgebatch.solvers.exact.compiled import compiled


class Tree(NamedTuple):
    """Greatest prefix sums; entry 1 is the root, 2k and 2k + 1 are the halves of k.

    Attributes:
        total: Σ of the part.
        best: its greatest prefix sum among the levels that count.
    """

    total: FloatArray
    best: FloatArray


@compiled
def sweep(candidates: Candidates, box: Box, multiplier: FloatArray, bounds: FloatArray) -> float:
    """Lower the bound of every deadline to what ``multiplier`` proves, in one pass.

    Returns the greatest of what ``multiplier`` proves by itself.

    Args:
        candidates: who there is.
        box: charged at its least lengths, open to everyone up to its greatest.
        multiplier: λ, shape (ROWS,), the first per unit of the first row's budget.
        bounds: shape (M,), updated.
    """
    table = candidates.table
    seconds, per_step, memory = charges(candidates, box.least_prompt)
    tree = _plant(candidates, box.least_output, multiplier)
    fixed, position, feasible = multiplier[1:].sum(), 0, len(candidates.outputs) - 1
    greatest = 0.0
    for group in range(len(candidates.ends)):
        end = candidates.ends[group]
        for i in range(position, end):
            if table[PROMPT, i] <= box.most_prompt and table[OUTPUT, i] <= box.most_output:
                time = table[SECONDS, i] + seconds + per_step * table[STEPS, i]
                surplus = table[VALUE, i] - multiplier[0] * time
                surplus -= multiplier[1] * (table[MEMORY, i] + memory)
                surplus -= multiplier[2] * table[UPLINK, i]
                surplus -= multiplier[3] * table[DOWNLINK, i]
                surplus -= multiplier[4] * table[PLACE, i]
                if surplus > 0.0:
                    _add(tree, candidates.levels[i], surplus)
        position = end
        budget, passes = _budget(candidates, box, table[DEADLINE, end - 1])
        while feasible >= 0 and passes * candidates.outputs[feasible] >= budget:
            _rule_out(tree, feasible)
            feasible -= 1
        bound = fixed + multiplier[0] * budget + tree.best[1]
        if budget <= 0.0 or bound < 0.0:
            bound = 0.0
        bounds[group] = min(bounds[group], bound)
        greatest = max(greatest, bound)
    return greatest


@compiled
def _budget(candidates: Candidates, box: Box, deadline: float) -> tuple[float, float]:
    """Return the first row's budget before, and what takes off of it, each token of output."""
    if candidates.mode == PADDED:
        return first_budget(candidates, box.least_prompt, box.least_output, deadline), 0.0
    return deadline - candidates.costs.batch_seconds, candidates.costs.pass_seconds


@compiled
def _plant(candidates: Candidates, least_output: float, multiplier: FloatArray) -> Tree:
    """Return a tree that holds what the passes take, and no requests yet."""
    outputs, width = candidates.outputs, 1
    while width < len(outputs):
        width *= 2
    tree = Tree(np.zeros(2 * width), np.full(2 * width, -np.inf))
    passes = 0.0 if candidates.mode == PADDED else candidates.costs.pass_seconds
    reached = 0.0
    for level in range(len(outputs)):
        entry = -multiplier[0] * passes * (outputs[level] - reached)
        tree.total[width + level] = entry
        if outputs[level] >= least_output:
            tree.best[width + level] = entry
        reached = outputs[level]
    for part in range(width - 1, 0, -1):
        _merge(tree, part)
    return tree


@compiled
def _merge(tree: Tree, part: int) -> None:
    left, right = 2 * part, 2 * part + 1
    tree.total[part] = tree.total[left] + tree.total[right]
    tree.best[part] = max(tree.best[left], tree.total[left] + tree.best[right])


@compiled
def _add(tree: Tree, level: int, amount: float) -> None:
    part = len(tree.total) // 2 + level
    tree.total[part] += amount
    tree.best[part] += amount
    while part > 1:
        part //= 2
        _merge(tree, part)


@compiled
def _rule_out(tree: Tree, level: int) -> None:
    part = len(tree.total) // 2 + level
    tree.best[part] = -np.inf
    while part > 1:
        part //= 2
        _merge(tree, part)
