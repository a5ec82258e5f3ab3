"""Among equally good batches: the quicker, then the older requests.

Members are exchanged one by one for others that are worth as much, fit, and either add less time or
add the same and are older. What comes out cannot be improved by any such exchange; it is not
searched for the quickest of all optimal batches.
"""

from __future__ import annotations

import numpy as np

from edgebatch.problem.checks import FloatArray, IntArray
from edgebatch.solvers.exact.candidates import (
    DEADLINE,
    DOWNLINK,
    MEMORY,
    OUTPUT,
    PROMPT,
    SECONDS,
    STEPS,
    UPLINK,
    VALUE,
    Candidates,
    charges,
    first_budget,
)
from edgebatch.solvers.exact.compiled import compiled
from edgebatch.solvers.exact.dual import ROWS
from edgebatch.solvers.exact.knapsack import LIMIT


@compiled
def prefer_quicker_then_older(candidates: Candidates, age: IntArray, chosen: IntArray) -> None:
    """Exchange members of ``chosen``, columns of the table, in place; least ``age`` is oldest."""
    table = candidates.table
    if len(chosen) == 0:
        return
    weight, slack = _weights(candidates, chosen)
    longest_prompt, longest_output = table[PROMPT, chosen].max(), table[OUTPUT, chosen].max()
    latest_start = table[DEADLINE, chosen].min()
    taken = np.zeros(table.shape[1], dtype=np.bool_)
    taken[chosen] = True
    for position in np.argsort(-weight[0][chosen], kind="mergesort"):
        leaving, best = chosen[position], chosen[position]
        for i in range(table.shape[1]):
            if table[DEADLINE, i] < latest_start:
                break
            if taken[i] or table[VALUE, i] != table[VALUE, leaving]:
                continue
            if table[PROMPT, i] > longest_prompt or table[OUTPUT, i] > longest_output:
                continue
            better = weight[0, i] < weight[0, best]
            better |= weight[0, i] == weight[0, best] and age[i] < age[best]
            if better and _fits(weight, slack, leaving, i):
                best = i
        if best != leaving:
            taken[leaving], taken[best] = False, True
            slack += weight[:, leaving] - weight[:, best]
            chosen[position] = best


@compiled
def _weights(candidates: Candidates, chosen: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return the weights of all candidates at the batch's own lengths, and what it leaves free."""
    table = candidates.table
    prompt, output = table[PROMPT, chosen].max(), table[OUTPUT, chosen].max()
    seconds, per_step, memory = charges(candidates, prompt)
    budget = first_budget(candidates, prompt, output, table[DEADLINE, chosen].min())
    weight = np.empty((ROWS, table.shape[1]))
    weight[0] = (table[SECONDS] + seconds + per_step * table[STEPS]) / budget
    weight[1] = table[MEMORY] + memory
    weight[2] = table[UPLINK]
    weight[3] = table[DOWNLINK]
    slack = np.full(ROWS, LIMIT)
    for i in chosen:
        slack -= weight[:, i]
    return weight, slack


@compiled
def _fits(weight: FloatArray, slack: FloatArray, leaving: int, joining: int) -> bool:
    fits = True
    for k in range(ROWS):
        fits &= weight[k, joining] - weight[k, leaving] <= slack[k]
    return fits
