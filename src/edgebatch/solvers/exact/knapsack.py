"""One knapsack with at most five budgets, solved to the end: rounding, exchanges, branch and bound.

With multipliers λ, surpluses r_i = v_i − λ·w_i and the dual bound L, every selection x satisfies

    value(x) = L − Σ_k λ_k·(1 − use_k(x)) − Σ_{i flipped} |r_i|,

where *flipped* means taken although r_i ≤ 0 or left although r_i > 0. A selection that is worth at
least ``need`` therefore flips only members with |r_i| ≤ L − need, and those flips together cost at
most that. The search decides on the dear flips first and tries *no flip* before *flip*.
"""

from __future__ import annotations

import numpy as np

from edgebatch.problem.checks import FloatArray, IntArray
from edgebatch.solvers.exact.compiled import compiled
from edgebatch.solvers.exact.dual import ROWS, BoolArray

LIMIT = 1.0 + 1e-11
"""A budget of 1 with room for the rounding of long sums; the weights allow for the tolerance."""

_SORTED_WHOLE = 512
_SORTED_BAND = 0.1
_CORE = 20
_ROUNDS = 8


@compiled
def round_down(
    value: FloatArray, weight: FloatArray, size: int, surplus: FloatArray, taken: BoolArray
) -> float:
    """Take members in the order of v/(λ·w) as long as they fit; return what they are worth.

    Of many members only those near the margin are put in order; the others are clear.
    """
    use = np.zeros(ROWS)
    total = 0.0
    band = np.inf
    if size > _SORTED_WHOLE:
        band = _SORTED_BAND * value[:size].sum() / size
    open_members = np.empty(size, dtype=np.int64)
    merit = np.empty(size)
    count = 0
    for i in range(size):
        taken[i] = surplus[i] >= band
        if taken[i]:
            total += value[i]
            for k in range(ROWS):
                use[k] += weight[k, i]
        elif surplus[i] > -band:
            open_members[count] = i
            merit[count] = -value[i] / max(value[i] - surplus[i], 1e-300)
            count += 1
    if use.max() > LIMIT:
        taken[:size] = False
        return 0.0
    for position in np.argsort(merit[:count], kind="mergesort"):
        i = open_members[position]
        fits = True
        for k in range(ROWS):
            fits &= use[k] + weight[k, i] <= LIMIT
        if fits:
            taken[i] = True
            total += value[i]
            for k in range(ROWS):
                use[k] += weight[k, i]
    return total


@compiled
def _nearest(surplus: FloatArray, size: int, taken: BoolArray, wanted: bool) -> IntArray:
    """Return up to _CORE members that are (not) taken, those of least |r| first."""
    members, distance = np.empty(_CORE, dtype=np.int64), np.full(_CORE, np.inf)
    count = 0
    for i in range(size):
        if taken[i] != wanted or abs(surplus[i]) >= distance[_CORE - 1]:
            continue
        place = min(count, _CORE - 1)
        count = min(count + 1, _CORE)
        while place > 0 and distance[place - 1] > abs(surplus[i]):
            members[place], distance[place] = members[place - 1], distance[place - 1]
            place -= 1
        members[place], distance[place] = i, abs(surplus[i])
    return members[:count]


@compiled
def exchange(
    value: FloatArray,
    weight: FloatArray,
    size: int,
    surplus: FloatArray,
    taken: BoolArray,
    total: float,
    ceiling: float,
) -> float:
    """Exchange one member for one or two others near the margin while that pays.

    Returns the worth, at most ``ceiling``, at which it stops.
    """
    for _ in range(_ROUNDS):
        if total >= ceiling:
            break
        gain = _best_exchange(value, weight, size, surplus, taken)
        if gain <= 0.0:
            break
        total += gain
    return total


@compiled
def _best_exchange(
    value: FloatArray, weight: FloatArray, size: int, surplus: FloatArray, taken: BoolArray
) -> float:
    """Carry out the exchange that gains most; return the gain, 0 if there is none."""
    slack = np.full(ROWS, LIMIT)
    for i in range(size):
        if taken[i]:
            for k in range(ROWS):
                slack[k] -= weight[k, i]
    inside = _nearest(surplus, size, taken, True)
    outside = _nearest(surplus, size, taken, False)
    best, leaves, joins, joins_too = 0.0, -1, -1, -1
    room, left = np.empty(ROWS), np.empty(ROWS)
    for i in inside:
        for k in range(ROWS):
            room[k] = slack[k] + weight[k, i]
        for position, j in enumerate(outside):
            fits = True
            for k in range(ROWS):
                left[k] = room[k] - weight[k, j]
                fits &= left[k] >= 0.0
            if not fits:
                continue
            if value[j] - value[i] > best:
                best, leaves, joins, joins_too = value[j] - value[i], i, j, -1
            for other in outside[position + 1 :]:
                gain = value[j] + value[other] - value[i]
                if gain <= best:
                    continue
                fits = True
                for k in range(ROWS):
                    fits &= weight[k, other] <= left[k]
                if fits:
                    best, leaves, joins, joins_too = gain, i, j, other
    if best > 0.0:
        taken[leaves] = False
        taken[joins] = True
        if joins_too >= 0:
            taken[joins_too] = True
    return best


@compiled
def search_flips(
    value: FloatArray,
    weight: FloatArray,
    size: int,
    multiplier: FloatArray,
    surplus: FloatArray,
    bound: float,
    need: float,
    taken: BoolArray,
    most_nodes: int,
) -> tuple[float, int]:
    """Look for a selection worth at least ``need``; ``bound`` is L and ``surplus`` r at λ.

    Writes the selection to ``taken`` if there is one. Gives up after ``most_nodes``.

    Returns:
        Its worth, or −1 if there is none, or −2 if the search was given up; and the nodes.
    """
    allowance = bound - need
    core = np.empty(size, dtype=np.int64)
    use = np.zeros(ROWS)
    total, count = 0.0, 0
    for i in range(size):
        if surplus[i] > 0.0:
            total += value[i]
            for k in range(ROWS):
                use[k] += weight[k, i]
        if abs(surplus[i]) <= allowance:
            core[count] = i
            count += 1
    core = core[:count]
    core = core[np.argsort(-np.abs(surplus[core]), kind="mergesort")]
    can_free, can_add, cheapest = _reach(weight, surplus, core)
    flipped = np.zeros(count + 1, dtype=np.bool_)
    penalty, depth, nodes = 0.0, 0, 0
    while True:
        nodes += 1
        if total >= need and use.max() <= LIMIT:
            _write_selection(surplus, size, core, flipped, depth, taken)
            return total, nodes
        if nodes >= most_nodes:
            return -2.0, nodes
        alive = depth < count and penalty <= allowance
        if alive:
            forced = 0.0
            for k in range(ROWS):
                over = use[k] - LIMIT
                if over > 0.0:
                    alive &= over <= can_free[k, depth] * (1.0 + 1e-12)
                    alive &= penalty + over * cheapest[k, depth] <= allowance
                else:
                    forced += multiplier[k] * max(1.0 - use[k] - can_add[k, depth], 0.0)
            alive &= penalty + forced <= allowance
        if alive:
            flipped[depth] = False
            depth += 1
            continue
        # back to the last member that was not flipped, and flip it
        while True:
            depth -= 1
            if depth < 0:
                return -1.0, nodes
            i = core[depth]
            sign = -1.0 if surplus[i] > 0.0 else 1.0
            if flipped[depth]:
                sign = -sign
            flipped[depth] = not flipped[depth]
            total += sign * value[i]
            for k in range(ROWS):
                use[k] += sign * weight[k, i]
            if flipped[depth]:
                penalty += abs(surplus[i])
                depth += 1
                break
            penalty -= abs(surplus[i])


@compiled
def _reach(
    weight: FloatArray, surplus: FloatArray, core: IntArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return, for each row and depth, what the flips left can free, can add, and free cheapest.

    The last is the least |r|/w of those that could still be dropped.
    """
    count = len(core)
    can_free, can_add = np.zeros((ROWS, count + 1)), np.zeros((ROWS, count + 1))
    cheapest = np.full((ROWS, count + 1), np.inf)
    for depth in range(count - 1, -1, -1):
        i = core[depth]
        for k in range(ROWS):
            can_free[k, depth] = can_free[k, depth + 1]
            can_add[k, depth] = can_add[k, depth + 1]
            cheapest[k, depth] = cheapest[k, depth + 1]
            if surplus[i] > 0.0:
                can_free[k, depth] += weight[k, i]
                if weight[k, i] > 0.0:
                    ratio = abs(surplus[i]) / weight[k, i]
                    cheapest[k, depth] = min(cheapest[k, depth], ratio)
            else:
                can_add[k, depth] += weight[k, i]
    return can_free, can_add, cheapest


@compiled
def _write_selection(
    surplus: FloatArray,
    size: int,
    core: IntArray,
    flipped: BoolArray,
    depth: int,
    taken: BoolArray,
) -> None:
    for i in range(size):
        taken[i] = surplus[i] > 0.0
    for position in range(depth):
        if flipped[position]:
            i = core[position]
            taken[i] = not taken[i]
