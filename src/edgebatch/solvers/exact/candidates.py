"""Candidates of one precision as a table, and the knapsacks that it stands for.

Given longest prompt P, longest output G and tightest deadline D, everything is a sum over members:
a knapsack whose rows are time (or, where everyone is charged alike, how many fit), memory, the two
radio shares and, where a batch may have only so many members, their number. Rows are scaled to
budgets of 1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edgebatch.problem.checks import FloatArray, IntArray
from edgebatch.solvers.exact.compiled import compiled
from edgebatch.solvers.exact.dual import ROWS, BoolArray

# rows of the table
VALUE, PROMPT, OUTPUT, SECONDS, STEPS, MEMORY, UPLINK, DOWNLINK, PLACE, DEADLINE = range(10)
# batching modes
RAGGED, PROMPT_PADDED, PADDED = range(3)


class Costs(NamedTuple):
    """The cost model as plain numbers.

    Attributes:
        prompt_constant, prompt_linear, prompt_square: a prefill takes constant + linear·P +
            square·P² seconds.
        step_constant, step_per_token: a decode step takes constant + per_token·context seconds.
        pass_seconds: time of a forward pass without members.
        batch_seconds: fixed time of a batch.
        token_budget: tokens that the cache can hold.
        most_members: of a batch; infinite without such a limit.
    """

    prompt_constant: float
    prompt_linear: float
    prompt_square: float
    step_constant: float
    step_per_token: float
    pass_seconds: float
    batch_seconds: float
    token_budget: float
    most_members: float


class Candidates(NamedTuple):
    """Everyone who could be served alone in one precision, by falling deadline.

    Attributes:
        table: shape (10, N). SECONDS and MEMORY are what a member costs whatever the longest prompt
            is, STEPS how often it pays what a longer prompt adds to a step. PLACE is 0 where the
            first row is a number of members already.
        ends: end of each group of equal deadlines, shape (M,).
        outputs: lengths that the longest output may have, ascending; just the greatest where it
            costs nothing, and in padded batching, where the box says it.
        levels: position in ``outputs`` of the least that is as long as a candidate's, shape (N,).
        mode: batching mode.
        costs: the cost model.
    """

    table: FloatArray
    ends: IntArray
    outputs: FloatArray
    levels: IntArray
    mode: int
    costs: Costs


class Box(NamedTuple):
    """A range of longest prompts and one of longest outputs, both ends included."""

    least_prompt: float
    most_prompt: float
    least_output: float
    most_output: float


class Knapsack(NamedTuple):
    """Room for one knapsack; the first ``size`` entries, which is passed around beside it, count.

    Attributes:
        value: shape (N,).
        weight: shape (ROWS, N), budgets are 1.
        surplus: shape (N,), v − λ·w.
        member: shape (N,), columns of the table.
        taken: shape (N,).
    """

    value: FloatArray
    weight: FloatArray
    surplus: FloatArray
    member: IntArray
    taken: BoolArray


@compiled
def prefill_seconds(costs: Costs, prompt: float) -> float:
    """Return the prefill time of one member."""
    linear = costs.prompt_linear * prompt
    return costs.prompt_constant + linear + costs.prompt_square * prompt * prompt


@compiled
def member_seconds(costs: Costs, prompt: float, output: float) -> float:
    """Return the time that one member adds."""
    per_step = costs.step_constant + costs.step_per_token * (prompt + output / 2.0)
    return prefill_seconds(costs, prompt) + (output - 1.0) * per_step


@compiled
def charges(candidates: Candidates, prompt: float) -> tuple[float, float, float]:
    """Return what P adds to every member: time, time per step, part of the memory."""
    costs = candidates.costs
    if candidates.mode == PROMPT_PADDED:
        per_step = costs.step_constant + costs.step_per_token * prompt
        return prefill_seconds(costs, prompt), per_step, prompt / costs.token_budget
    return (1.0 if candidates.mode == PADDED else 0.0), 0.0, 0.0


@compiled
def first_budget(
    candidates: Candidates, prompt: float, output: float, deadline_seconds: float
) -> float:
    """Return the budget of the first row: seconds, or how many fit if all are charged alike."""
    costs = candidates.costs
    seconds = deadline_seconds - output * costs.pass_seconds - costs.batch_seconds
    if candidates.mode != PADDED:
        return seconds
    by_time = seconds / member_seconds(costs, prompt, output)
    by_memory = costs.token_budget / (prompt + output)
    how_many: float = np.floor(min(by_time, by_memory, costs.most_members))
    return how_many


@compiled
def worth_within(candidates: Candidates, box: Box) -> float:
    """Return what everyone is worth whom a box admits."""
    table, worth = candidates.table, 0.0
    for i in range(table.shape[1]):
        if table[PROMPT, i] <= box.most_prompt and table[OUTPUT, i] <= box.most_output:
            worth += table[VALUE, i]
    return worth


@compiled
def gather(candidates: Candidates, box: Box, group: int, knapsack: Knapsack) -> tuple[int, float]:
    """Write down the knapsack of a box and a deadline.

    Returns how many members it has, and the budget by which the first row was divided.
    """
    table, end = candidates.table, candidates.ends[group]
    seconds, per_step, memory = charges(candidates, box.least_prompt)
    deadline = table[DEADLINE, end - 1]
    budget = first_budget(candidates, box.least_prompt, box.least_output, deadline)
    size = 0
    if budget <= 0.0:
        return 0, 1.0
    for i in range(end):
        if table[PROMPT, i] > box.most_prompt or table[OUTPUT, i] > box.most_output:
            continue
        time = (table[SECONDS, i] + seconds + per_step * table[STEPS, i]) / budget
        if time > 1.0 or table[MEMORY, i] + memory > 1.0:
            continue
        knapsack.value[size] = table[VALUE, i]
        knapsack.weight[0, size] = time
        knapsack.weight[1, size] = table[MEMORY, i] + memory
        knapsack.weight[2, size] = table[UPLINK, i]
        knapsack.weight[3, size] = table[DOWNLINK, i]
        knapsack.weight[4, size] = table[PLACE, i]
        knapsack.member[size] = i
        size += 1
    return size, budget


@compiled
def weigh_up(knapsack: Knapsack, size: int, multiplier: FloatArray) -> None:
    """Write the surpluses r = v − λ·w."""
    for i in range(size):
        surplus = knapsack.value[i]
        for k in range(ROWS):
            surplus -= multiplier[k] * knapsack.weight[k, i]
        knapsack.surplus[i] = surplus
