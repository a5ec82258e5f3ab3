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
    PLACE,
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
    outside = _others(candidates, chosen, weight[0])
    outside = outside[_order(values[outside], weight[0][outside], age[outside])]
    taken = np.zeros(len(outside), dtype=np.bool_)
    first_left = np.arange(len(outside))  # of each run of equal values, at its start
    outside_values, outside_weight = values[outside], _columns(weight, outside)
    none, room = np.zeros(len(chosen)), np.empty(ROWS)
    for position in _order(none, weight[0][chosen], age[chosen])[::-1]:
        leaving = chosen[position]
        run = np.searchsorted(outside_values, values[leaving])
        if run == len(outside) or outside_values[run] != values[leaving]:
            continue
        while first_left[run] < len(outside) and taken[first_left[run]]:
            first_left[run] += 1
        for k in range(ROWS):
            room[k] = slack[k] + weight[k, leaving]
        place = _first_fitting(outside_weight, room, first_left[run])
        if place < 0 or outside_values[place] != values[leaving]:
            continue
        joining, seconds = outside[place], weight[0, leaving]
        older = weight[0, joining] == seconds and age[joining] < age[leaving]
        if weight[0, joining] < seconds or older:
            taken[place] = True
            for k in range(ROWS):
                slack[k] = room[k] - weight[k, joining]
                outside_weight[place, k] = np.inf
            chosen[position] = joining


@compiled
def _first_fitting(weight: FloatArray, room: FloatArray, first: int) -> int:
    """Return the first place of the next few whose weights fit, -1 if there is none."""
    one, two, three, four, five = room[0], room[1], room[2], room[3], room[4]
    for place in range(first, min(first + _MOST_TRIED, len(weight))):
        fits = (weight[place, 0] <= one) & (weight[place, 1] <= two)
        fits &= (weight[place, 2] <= three) & (weight[place, 3] <= four)
        fits &= weight[place, 4] <= five
        if fits:
            return place
    return -1


@compiled
def _order(first: FloatArray, second: FloatArray, third: IntArray) -> IntArray:
    """Return the positions in ascending order of three keys, the third distinct from 0 up."""
    order = _ranks(third)
    order = order[np.argsort(second[order], kind="mergesort")]
    if len(first) == 0 or first.min() == first.max():
        return order
    return order[np.argsort(first[order], kind="mergesort")]


@compiled
def _ranks(keys: IntArray) -> IntArray:
    """Return the positions in ascending order of distinct keys from 0 up, in O(greatest key)."""
    places = np.full(keys.max() + 1 if len(keys) else 0, -1)
    for position in range(len(keys)):
        places[keys[position]] = position
    return places[places >= 0]


@compiled
def _others(candidates: Candidates, chosen: IntArray, seconds: FloatArray) -> IntArray:
    """Return those outside who lengthen the batch in nothing and can wait for it."""
    table = candidates.table
    longest_prompt, longest_output = table[PROMPT, chosen].max(), table[OUTPUT, chosen].max()
    latest_start = table[DEADLINE, chosen].min()
    open_to = (table[PROMPT] <= longest_prompt) & (table[OUTPUT] <= longest_output)
    open_to &= (table[DEADLINE] >= latest_start) & (seconds <= seconds[chosen].max())
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
    weight[4] = table[PLACE]
    slack = np.full(ROWS, LIMIT)
    for i in chosen:
        slack -= weight[:, i]
    return weight, slack


@compiled
def _columns(weight: FloatArray, members: IntArray) -> FloatArray:
    """Return the weights of some members, one row for each: they are read one after another."""
    rows = np.empty((len(members), ROWS))
    for place in range(len(members)):
        for k in range(ROWS):
            rows[place, k] = weight[k, members[place]]
    return rows
