"""Among equally good batches: the quicker, then the older requests.

Members are exchanged one by one, the slowest and youngest first, for others that are worth as much,
fit, and either add less time or add the same and are older. Of those only the quickest few are
tried, so the time is N·log N. It is not a search for the quickest of all optimal batches.
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

_MOST_TRIED = 64


@compiled
def prefer_quicker_then_older(candidates: Candidates, age: IntArray, chosen: IntArray) -> None:
    """Exchange members of ``chosen``, columns of the table, in place; least ``age`` is oldest."""
    if len(chosen) == 0:
        return
    values = candidates.table[VALUE]
    weight, slack = _weights(candidates, chosen)
    outside = _others(candidates, chosen)
    outside = outside[_order(values[outside], weight[0][outside], age[outside])]
    taken = np.zeros(len(outside), dtype=np.bool_)
    first_left = np.arange(len(outside))  # of each run of equal values, at its start
    outside_values = values[outside]
    none = np.zeros(len(chosen))
    for position in _order(none, weight[0][chosen], age[chosen])[::-1]:
        leaving = chosen[position]
        run = np.searchsorted(outside_values, values[leaving])
        if run == len(outside) or outside_values[run] != values[leaving]:
            continue
        while first_left[run] < len(outside) and taken[first_left[run]]:
            first_left[run] += 1
        for place in range(first_left[run], min(first_left[run] + _MOST_TRIED, len(outside))):
            joining = outside[place]
            quicker = weight[0, joining] < weight[0, leaving]
            older = weight[0, joining] == weight[0, leaving] and age[joining] < age[leaving]
            if values[joining] != values[leaving] or not (quicker or older):
                break
            if not taken[place] and _fits(weight, slack, leaving, joining):
                taken[place] = True
                slack += weight[:, leaving] - weight[:, joining]
                chosen[position] = joining
                break


@compiled
def _order(first: FloatArray, second: FloatArray, third: IntArray) -> IntArray:
    """Return the positions in ascending order of three keys."""
    order = np.argsort(third, kind="mergesort")
    order = order[np.argsort(second[order], kind="mergesort")]
    return order[np.argsort(first[order], kind="mergesort")]


@compiled
def _others(candidates: Candidates, chosen: IntArray) -> IntArray:
    """Return those outside who lengthen the batch in nothing and can wait for it."""
    table = candidates.table
    longest_prompt, longest_output = table[PROMPT, chosen].max(), table[OUTPUT, chosen].max()
    latest_start = table[DEADLINE, chosen].min()
    open_to = (table[PROMPT] <= longest_prompt) & (table[OUTPUT] <= longest_output)
    open_to &= table[DEADLINE] >= latest_start
    open_to[chosen] = False
    return np.flatnonzero(open_to)


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
