"""Shortest jobs first, for searches that are cut short: the batch of :class:`..lists.Sjf`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edgebatch.cost import batch_costs
from edgebatch.problem import Problem
from edgebatch.problem.checks import IntArray
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
    Candidates,
    charges,
    first_budget,
    member_seconds,
)
from edgebatch.solvers.exact.compiled import compiled
from edgebatch.solvers.exact.knapsack import LIMIT
from edgebatch.solvers.exact.pools import Pool
from edgebatch.solvers.lists import by_duration


class Quick(NamedTuple):
    """A batch of shortest jobs.

    Attributes:
        worth: Σ v_i.
        latency_seconds: its time without the radio phases.
        precision: its name.
        selected: indices into ``problem.requests``.
    """

    worth: float
    latency_seconds: float
    precision: str
    selected: IntArray


def shortest_first(problem: Problem, pools: list[Pool]) -> Quick | None:
    """Return the batch that shortest jobs first fills, in O(N log N); None if it is empty.

    As that list does, it stops at the first misfit, tries every precision, and prefers the worth,
    then the lower latency, then the first precision.
    """
    best: Quick | None = None
    for cost, pool in zip(batch_costs(problem), pools, strict=True):
        order = np.lexsort((pool.indices, by_duration(problem, cost, pool.indices)))
        count, seconds = longest_prefix(pool.candidates, order)
        worth = float(pool.candidates.table[VALUE, order[:count]].sum())
        if best is None or (worth, -seconds) > (best.worth, -best.latency_seconds):
            best = Quick(worth, seconds, pool.precision, pool.indices[order[:count]])
    return best if best is not None and len(best.selected) else None


@compiled
def longest_prefix(candidates: Candidates, order: IntArray) -> tuple[int, float]:
    """Return how many columns, in order, fit together, and how long they take.

    Whoever joins costs and lengthens: after the first misfit nobody before it could have been one.
    """
    table, costs = candidates.table, candidates.costs
    prompt, output, deadline, latency = 0.0, 0.0, np.inf, 0.0
    seconds = steps = memory = uplink = downlink = place = 0.0
    for count in range(len(order)):
        i = order[count]
        prompt, output = max(prompt, table[PROMPT, i]), max(output, table[OUTPUT, i])
        deadline = min(deadline, table[DEADLINE, i])
        seconds += table[SECONDS, i]
        steps += table[STEPS, i]
        memory += table[MEMORY, i]
        uplink += table[UPLINK, i]
        downlink += table[DOWNLINK, i]
        place += table[PLACE, i]
        own_seconds, per_step, own_memory = charges(candidates, prompt)
        use = seconds + (count + 1) * own_seconds + per_step * steps
        fits = use <= first_budget(candidates, prompt, output, deadline)
        fits &= memory + (count + 1) * own_memory <= LIMIT
        if not fits or max(uplink, downlink, place) > LIMIT:
            return count, latency
        if candidates.mode == PADDED:
            use = (count + 1) * member_seconds(costs, prompt, output)
        latency = use + output * costs.pass_seconds + costs.batch_seconds
    return len(order), latency
