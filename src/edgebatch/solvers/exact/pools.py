"""The candidates of each precision, written down as the tables that the search reads."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgebatch.cost import BatchCost, batch_costs, hosted_bytes
from edgebatch.problem import Batching, Problem
from edgebatch.problem.checks import FloatArray, IntArray
from edgebatch.solvers.base import servable_alone
from edgebatch.solvers.exact import candidates as columns
from edgebatch.solvers.exact.candidates import Candidates, Costs
from edgebatch.units import RELATIVE_TOLERANCE

# A hair below the evaluator's tolerance, so that rounding in long sums never exceeds it.
_SLACK = 1.0 + 0.95 * RELATIVE_TOLERANCE
_MODES = {
    Batching.RAGGED: columns.RAGGED,
    Batching.PROMPT_PADDED: columns.PROMPT_PADDED,
    Batching.PADDED: columns.PADDED,
}
_ENDLESS_SECONDS = 1e120
"""Instead of an infinite deadline, which would make bounds of 0 · ∞; longer than any batch."""


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """The candidates of one precision.

    Attributes:
        precision: its name.
        indices: columns of the table → indices into ``problem.requests``.
        candidates: the table.
        prompts, outputs: lengths that a box may begin or end with, ascending; just the greatest
            where boxes need not tell them apart.
    """

    precision: str
    indices: IntArray
    candidates: Candidates
    prompts: FloatArray
    outputs: FloatArray


def value_quantum(values: FloatArray) -> float:
    """Return a number of which all worths are multiples; 0 if there is none worth using."""
    if len(values) == 0 or (values == values[0]).all():
        return float(values[0]) if len(values) else 1.0
    if (values == np.rint(values)).all() and values.sum() < 2**52:
        return float(math.gcd(*np.unique(values).astype(np.int64).tolist()))
    return 0.0


def make_pools(problem: Problem) -> list[Pool]:
    """Write down who could be served alone in each precision."""
    latest_first = np.argsort(-problem.requests.deadline_seconds, kind="stable")
    return [_make_pool(problem, cost, latest_first) for cost in batch_costs(problem)]


def _make_pool(problem: Problem, cost: BatchCost, latest_first: IntArray) -> Pool:
    requests, node = problem.requests, problem.node
    indices = latest_first[servable_alone(problem, cost)[latest_first]]
    prompt = requests.prompt_tokens[indices].astype(float)
    output = requests.output_tokens[indices].astype(float)
    costs = _costs(problem, cost)
    table = np.zeros((10, len(indices)))
    table[columns.VALUE] = requests.value[indices]
    table[columns.PROMPT], table[columns.OUTPUT] = prompt, output
    if problem.batching is Batching.RAGGED:
        table[columns.SECONDS] = cost.member_seconds(prompt, output)
        table[columns.MEMORY] = (prompt + output) / costs.token_budget
    elif problem.batching is Batching.PROMPT_PADDED:
        table[columns.STEPS] = output - 1.0
        table[columns.SECONDS] = costs.step_per_token * (output - 1.0) * output / 2.0
        table[columns.MEMORY] = output / costs.token_budget
    if node.uplink_seconds > 0.0:
        table[columns.UPLINK] = requests.uplink_share[indices] / _SLACK
    if node.downlink_seconds > 0.0:
        table[columns.DOWNLINK] = requests.downlink_share[indices] / _SLACK
    if problem.max_batch is not None and not problem.batching.pads_outputs:
        table[columns.PLACE] = 1.0 / problem.max_batch
    deadlines = np.minimum(requests.deadline_seconds[indices], _ENDLESS_SECONDS)
    table[columns.DEADLINE] = deadlines * _SLACK - node.radio_seconds
    changes = np.flatnonzero(np.diff(table[columns.DEADLINE])) + 1
    padded = problem.batching.pads_outputs
    outputs = _lengths(output, matter=padded or costs.pass_seconds > 0.0)
    cells = outputs[-1:] if padded else outputs
    return Pool(
        precision=cost.precision.name,
        indices=indices,
        candidates=Candidates(
            table=table,
            ends=np.append(changes, len(indices)),
            outputs=cells,
            levels=np.searchsorted(cells, output),
            mode=_MODES[problem.batching],
            costs=costs,
        ),
        prompts=_lengths(prompt, matter=problem.batching.pads_prompts),
        outputs=outputs,
    )


def _costs(problem: Problem, cost: BatchCost) -> Costs:
    hosted = hosted_bytes(problem.node, problem.model, problem.precisions)
    constant, linear, square = cost.prefill_coefficients()
    per_step, per_token = cost.step_coefficients()
    return Costs(
        prompt_constant=constant,
        prompt_linear=linear,
        prompt_square=square,
        step_constant=per_step,
        step_per_token=per_token,
        pass_seconds=cost.step_seconds,
        batch_seconds=problem.node.batch_overhead_seconds,
        token_budget=(problem.node.memory_bytes * _SLACK - hosted) / cost.kv_bytes_per_token,
        most_members=math.inf if problem.max_batch is None else float(problem.max_batch),
    )


def _lengths(lengths: FloatArray, *, matter: bool) -> FloatArray:
    return np.unique(lengths) if matter else lengths.max(initial=1.0, keepdims=True)
