"""One knapsack whose flips are too many to search: branched on its weightiest undecided members.

A member that takes much of a budget and has a surplus near 0 is what makes the relaxation promise
more than there is: it is taken in part. The search over flips decides on it last. Here it is
taken or left first, λ is fitted anew to what is left of the budgets and those who still fit, and
the search over flips has another try.
"""

from __future__ import annotations

import numpy as np

from edgebatch.problem.checks import FloatArray, IntArray
from edgebatch.solvers.exact.compiled import compiled
from edgebatch.solvers.exact.dual import ROWS, BoolArray, bound_at, minimise_dual
from edgebatch.solvers.exact.knapsack import LIMIT, exchange, round_down, search_flips

NONE, GIVEN_UP = -1.0, -2.0
_FLIPS = 200
_OPEN, _TAKEN, _LEFT = range(3)


@compiled
def search_branches(
    value: FloatArray,
    weight: FloatArray,
    size: int,
    multiplier: FloatArray,
    need: float,
    taken: BoolArray,
    most_nodes: int,
) -> tuple[float, int]:
    """Look for a selection worth at least ``need``; ``multiplier`` is where λ begins.

    Writes the selection to ``taken`` if there is one. Gives up after ``most_nodes``; fitting λ
    counts as one for each member.

    Returns:
        Its worth, or −1 if there is none, or −2 if the search was given up; and the nodes.
    """
    state = np.zeros(size, dtype=np.int64)
    branched = np.zeros(size + 1, dtype=np.int64)
    own_value, own_weight = np.empty(size), np.empty((ROWS, size))
    surplus, own_taken = np.empty(size), np.empty(size, dtype=np.bool_)
    member = np.empty(size, dtype=np.int64)
    scaled, tuned = np.empty(ROWS), multiplier.copy()
    depth, nodes = 0, 0
    while True:
        worth, left, count = _what_is_left(
            value, weight, size, state, own_value, own_weight, member
        )
        total = NONE
        if left.min() > 0.0:
            for k in range(ROWS):
                scaled[k] = tuned[k] * left[k]
            bound = minimise_dual(own_value, own_weight, count, scaled, need - worth)
            nodes += 1 + count
            if worth + bound >= need:
                for k in range(ROWS):
                    tuned[k] = scaled[k] / left[k]
                bound = bound_at(own_value, own_weight, count, scaled)
                _weigh(own_value, own_weight, count, scaled, surplus)
                total = round_down(own_value, own_weight, count, surplus, own_taken)
                if total < need - worth:
                    total = exchange(own_value, own_weight, count, surplus, own_taken, total, bound)
                if total < need - worth:
                    total, visited = search_flips(
                        own_value,
                        own_weight,
                        count,
                        scaled,
                        surplus,
                        bound,
                        need - worth,
                        own_taken,
                        max(min(_FLIPS, most_nodes - nodes), 1),
                    )
                    nodes += visited
        if total >= 0.0:
            _write(state, size, member, own_taken, count, taken)
            return worth + total, nodes
        if total == GIVEN_UP:
            if nodes >= most_nodes:
                return GIVEN_UP, nodes
            i = _weightiest(own_weight, count, scaled, surplus, worth + bound - need)
            depth += 1
            branched[depth] = member[i]
            state[member[i]] = _TAKEN
            continue
        while depth > 0 and state[branched[depth]] == _LEFT:
            state[branched[depth]] = _OPEN
            depth -= 1
        if depth == 0:
            return NONE, nodes
        state[branched[depth]] = _LEFT


@compiled
def _what_is_left(
    value: FloatArray,
    weight: FloatArray,
    size: int,
    state: IntArray,
    own_value: FloatArray,
    own_weight: FloatArray,
    member: IntArray,
) -> tuple[float, FloatArray, int]:
    """Write down the undecided members that still fit, budgets scaled to 1.

    Returns what those taken are worth, what they leave of each budget, and how many are undecided.
    """
    worth, left, count = 0.0, np.full(ROWS, LIMIT), 0
    for i in range(size):
        if state[i] == _TAKEN:
            worth += value[i]
            for k in range(ROWS):
                left[k] -= weight[k, i]
    if left.min() <= 0.0:
        return worth, left, 0
    for i in range(size):
        fits = state[i] == _OPEN
        for k in range(ROWS):
            fits &= weight[k, i] <= left[k]
        if fits:
            own_value[count], member[count] = value[i], i
            for k in range(ROWS):
                own_weight[k, count] = weight[k, i] / left[k]
            count += 1
    return worth, left, count


@compiled
def _weigh(
    value: FloatArray, weight: FloatArray, size: int, multiplier: FloatArray, surplus: FloatArray
) -> None:
    for i in range(size):
        surplus[i] = value[i]
        for k in range(ROWS):
            surplus[i] -= multiplier[k] * weight[k, i]


@compiled
def _weightiest(
    weight: FloatArray, size: int, multiplier: FloatArray, surplus: FloatArray, allowance: float
) -> int:
    """Return the member with the greatest part of a budget, times how open the decision is."""
    weightiest, most = 0, -1.0
    for i in range(size):
        part = 0.0
        for k in range(ROWS):
            if multiplier[k] > 0.0:
                part = max(part, weight[k, i])
        score = part * (1.0 - abs(surplus[i]) / allowance)
        if score > most:
            weightiest, most = i, score
    return weightiest


@compiled
def _write(
    state: IntArray, size: int, member: IntArray, own: BoolArray, count: int, taken: BoolArray
) -> None:
    for i in range(size):
        taken[i] = state[i] == _TAKEN
    for position in range(count):
        taken[member[position]] = own[position]
