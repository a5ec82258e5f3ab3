"""The best-first search over boxes of longest prompts and longest outputs, in all precisions."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, replace
from itertools import count

import numpy as np

from edgebatch.cost import BatchCost, batch_costs, hosted_bytes
from edgebatch.problem import Batching, Problem
from edgebatch.problem.checks import FloatArray, IntArray
from edgebatch.solvers.base import Effort, LimitReachedError, servable_alone
from edgebatch.solvers.exact import candidates as columns
from edgebatch.solvers.exact.boxes import Best, examine, needed
from edgebatch.solvers.exact.candidates import Box, Candidates, Costs, Knapsack, member_seconds
from edgebatch.solvers.exact.dual import ROWS
from edgebatch.solvers.exact.tie_break import prefer_quicker_then_older
from edgebatch.units import RELATIVE_TOLERANCE

# A hair below the evaluator's tolerance, so that rounding in long sums never exceeds it.
_SLACK = 1.0 + 0.95 * RELATIVE_TOLERANCE
_MODES = {
    Batching.RAGGED: columns.RAGGED,
    Batching.PROMPT_PADDED: columns.PROMPT_PADDED,
    Batching.PADDED: columns.PADDED,
}
_ENDLESS_SECONDS = 1e18
_FIRST_NODES = 2_000
_MORE_NODES = 16


@dataclass(frozen=True, slots=True, eq=False)
class _Pool:
    """The candidates of one precision.

    Attributes:
        precision: its name.
        indices: columns of the table → indices into ``problem.requests``.
        candidates: the table.
        prompts, outputs: lengths that a batch's longest may have, ascending; just the greatest
            where it is no matter.
    """

    precision: str
    indices: IntArray
    candidates: Candidates
    prompts: FloatArray
    outputs: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class _Node:
    """A box by positions in its pool's lengths, and the multipliers that served its parent."""

    pool: _Pool
    prompts: tuple[int, int]
    outputs: tuple[int, int]
    multiplier: FloatArray
    most_nodes: int = _FIRST_NODES

    @property
    def box(self) -> Box:
        prompts, outputs = self.pool.prompts, self.pool.outputs
        return Box(
            float(prompts[self.prompts[0]]),
            float(prompts[self.prompts[1]]),
            float(outputs[self.outputs[0]]),
            float(outputs[self.outputs[1]]),
        )

    def children(self) -> list[_Node]:
        """Return two halves, of the range that matters more to cost; a single one tries harder."""
        multiplier = self.multiplier.copy()
        several_prompts = self.prompts[0] < self.prompts[1]
        if not several_prompts and self.outputs[0] == self.outputs[1]:
            return [replace(self, most_nodes=self.most_nodes * _MORE_NODES)]
        if several_prompts and (self.outputs[0] == self.outputs[1] or self._prompts_matter_more()):
            return [
                replace(self, prompts=half, multiplier=multiplier) for half in _halves(self.prompts)
            ]
        return [
            replace(self, outputs=half, multiplier=multiplier) for half in _halves(self.outputs)
        ]

    def _prompts_matter_more(self) -> bool:
        box, costs = self.box, self.pool.candidates.costs
        by_prompt = member_seconds(costs, box.most_prompt, box.least_output)
        by_output = member_seconds(costs, box.least_prompt, box.most_output)
        passes = (box.most_output - box.least_output) * costs.pass_seconds
        return by_prompt >= by_output + passes


def _halves(ends: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    middle = sum(ends) // 2
    return (ends[0], middle), (middle + 1, ends[1])


class Search:
    """One run on one problem.

    Args:
        problem: the instance.
        effort: counts boxes and nodes, and ends the search at its limit.

    Attributes:
        finished: whether the search ended by itself.
    """

    def __init__(self, problem: Problem, effort: Effort) -> None:
        self.effort, self.finished = effort, False
        size = max(len(problem.requests), 1)
        self._pools = [_pool(problem, cost) for cost in batch_costs(problem)]
        self._winner: _Pool | None = None
        self._best = Best(
            worth=np.zeros(1),
            size=np.zeros(1, dtype=np.int64),
            chosen=np.empty(size, dtype=np.int64),
            quantum=value_quantum(problem.requests.value),
        )
        self._knapsack = Knapsack(
            value=np.empty(size),
            weight=np.empty((ROWS, size)),
            surplus=np.empty(size),
            member=np.empty(size, dtype=np.int64),
            taken=np.empty(size, dtype=np.bool_),
        )

    def run(self) -> float:
        """Search; return a bound on the worth of any batch."""
        serial = count()
        heap: list[tuple[float, int, _Node]] = []
        for pool in self._pools:
            if len(pool.indices):
                whole = (0, len(pool.prompts) - 1), (0, len(pool.outputs) - 1)
                worth = float(pool.candidates.table[columns.VALUE].sum())
                heap.append((-worth, next(serial), _Node(pool, *whole, np.zeros(ROWS))))
        heapq.heapify(heap)
        while heap and -heap[0][0] >= needed(self._best):
            bound, _, node = heapq.heappop(heap)
            try:
                self.effort.visit()
            except LimitReachedError:
                return -bound
            within, closed = self._examine(node)
            if not closed and within >= needed(self._best):
                for child in node.children():
                    heapq.heappush(heap, (-min(within, -bound), next(serial), child))
        self.finished = True
        if self._winner is not None:
            prefer_quicker_then_older(
                self._winner.candidates,
                self._winner.indices,
                self._best.chosen[: self._best.size[0]],
            )
        return float(self._best.worth[0])

    def _examine(self, node: _Node) -> tuple[float, bool]:
        before = self._best.worth[0]
        within, nodes, closed = examine(
            node.pool.candidates,
            node.box,
            node.multiplier,
            self._best,
            self._knapsack,
            node.most_nodes,
        )
        self.effort.nodes += nodes - 1
        if self._best.worth[0] > before:
            self._winner = node.pool
        return within, closed

    def selected(self) -> list[int]:
        """Return the indices of the best batch."""
        if self._winner is None:
            return []
        chosen: list[int] = self._winner.indices[self._best.chosen[: self._best.size[0]]].tolist()
        return chosen

    def precision_name(self) -> str | None:
        """Return the precision of the best batch."""
        return None if self._winner is None else self._winner.precision


def value_quantum(values: FloatArray) -> float:
    """Return a number of which all worths are multiples; 0 if there is none worth using."""
    if len(values) == 0 or (values == values[0]).all():
        return float(values[0]) if len(values) else 1.0
    if (values == np.rint(values)).all() and values.sum() < 2**52:
        return float(math.gcd(*np.unique(values).astype(np.int64).tolist()))
    return 0.0


def _pool(problem: Problem, cost: BatchCost) -> _Pool:
    requests, node = problem.requests, problem.node
    fitting = np.flatnonzero(servable_alone(problem, cost))
    indices = fitting[np.argsort(-requests.deadline_seconds[fitting], kind="stable")]
    prompt = requests.prompt_tokens[indices].astype(float)
    output = requests.output_tokens[indices].astype(float)
    costs = _costs(problem, cost)
    table = np.zeros((9, len(indices)))
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
    deadlines = np.minimum(requests.deadline_seconds[indices], _ENDLESS_SECONDS)
    table[columns.DEADLINE] = deadlines * _SLACK - node.radio_seconds
    changes = np.flatnonzero(np.diff(table[columns.DEADLINE])) + 1
    ends = np.append(changes, len(indices)).astype(np.int64)
    return _Pool(
        precision=cost.precision.name,
        indices=indices,
        candidates=Candidates(table, ends, _MODES[problem.batching], costs),
        prompts=_lengths(prompt, matters=problem.batching.pads_prompts),
        outputs=_lengths(output, matters=problem.batching.pads_outputs or cost.step_seconds > 0.0),
    )


def _costs(problem: Problem, cost: BatchCost) -> Costs:
    hosted = hosted_bytes(problem.node, problem.model, problem.precisions)
    one, two = cost.prefill_seconds(1.0), cost.prefill_seconds(2.0)
    square = (two - 2.0 * one) / 2.0
    per_step, per_token = cost.step_coefficients()
    return Costs(
        prompt_linear=one - square,
        prompt_square=square,
        step_constant=per_step,
        step_per_token=per_token,
        pass_seconds=cost.step_seconds,
        batch_seconds=problem.node.batch_overhead_seconds,
        token_budget=(problem.node.memory_bytes * _SLACK - hosted) / cost.kv_bytes_per_token,
    )


def _lengths(lengths: FloatArray, *, matters: bool) -> FloatArray:
    return np.unique(lengths) if matters else lengths.max(initial=1.0, keepdims=True)
