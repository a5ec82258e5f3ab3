"""The best-first search over boxes of longest prompts and outputs, in all precisions."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from itertools import count

import numpy as np

from edgebatch.problem import Problem
from edgebatch.problem.checks import FloatArray
from edgebatch.solvers.base import Effort, LimitReachedError
from edgebatch.solvers.exact import candidates as columns
from edgebatch.solvers.exact.boxes import HARDER, SPLIT, examine
from edgebatch.solvers.exact.candidates import Box, Knapsack, member_seconds, worth_within
from edgebatch.solvers.exact.dual import ROWS
from edgebatch.solvers.exact.incumbent import Best, needed
from edgebatch.solvers.exact.pools import Pool, make_pools, value_quantum
from edgebatch.solvers.exact.quick import Quick, shortest_first
from edgebatch.solvers.exact.tie_break import prefer_quicker_then_older

_FIRST_NODES = 2000
_FIRST_FITS = 4
"""Nodes of the first search in a cell, at least enough to fit λ that many times to all requests."""
_MORE_NODES = 4
_MOST_NODES = 10**15
_FEW = 16
_NODES_PER_SECOND = 1e6
_MEMBERS_PER_SECOND = 2e6
"""On a slow machine; how many nodes, and members of knapsacks, a time limit allows between two
looks at the clock."""

Span = tuple[int, int]


@dataclass(slots=True, eq=False)
class _Node:
    """A box by positions in its pool's lengths, and what is known about it.

    Attributes:
        pool: whose candidates.
        prompts, outputs: first and last position, both included.
        multiplier: λ that served last.
        bounds: what is known about each deadline.
        most_nodes: how hard to search in it.
    """

    pool: Pool
    prompts: Span
    outputs: Span
    multiplier: FloatArray
    bounds: FloatArray
    most_nodes: int

    @property
    def box(self) -> Box:
        prompts, outputs = self.pool.prompts, self.pool.outputs
        return Box(
            float(prompts[self.prompts[0]]),
            float(prompts[self.prompts[1]]),
            float(outputs[self.outputs[0]]),
            float(outputs[self.outputs[1]]),
        )

    def after(self, next_step: int) -> list[_Node]:
        """Return what is to be examined instead: itself, or halves of what matters more to cost."""
        if next_step == HARDER:
            self.most_nodes = min(self.most_nodes * _MORE_NODES, _MOST_NODES)
        if next_step != SPLIT:
            return [self]
        several_prompts = self.prompts[0] < self.prompts[1]
        several_outputs = self.outputs[0] < self.outputs[1]
        if several_prompts and (not several_outputs or self._prompts_matter_more()):
            return [self._part(half, self.outputs) for half in _halves(self.prompts)]
        return [self._part(self.prompts, half) for half in _halves(self.outputs)]

    def _part(self, prompts: Span, outputs: Span) -> _Node:
        return _Node(
            self.pool,
            prompts,
            outputs,
            self.multiplier.copy(),
            np.full(len(self.bounds), np.inf),
            self.most_nodes,
        )

    def _prompts_matter_more(self) -> bool:
        if self.pool.candidates.mode != columns.PADDED:
            return True  # all longest outputs are bounded at once
        box, costs = self.box, self.pool.candidates.costs
        by_prompt = member_seconds(costs, box.most_prompt, box.least_output)
        by_output = member_seconds(costs, box.least_prompt, box.most_output)
        passes = (box.most_output - box.least_output) * costs.pass_seconds
        return by_prompt >= by_output + passes


def _halves(ends: Span) -> tuple[Span, Span]:
    middle = sum(ends) // 2
    return (ends[0], middle), (middle + 1, ends[1])


def _first_boxes(pool: Pool, num_requests: int) -> list[_Node]:
    """Return one box with everything in it, or one for each few lengths that box would blur."""
    if not len(pool.indices):
        return []
    padded = pool.candidates.mode == columns.PADDED
    prompts, outputs = (0, len(pool.prompts) - 1), (0, len(pool.outputs) - 1)
    parts = [(prompts, outputs)]
    if len(pool.prompts) * (len(pool.outputs) if padded else 1) <= _FEW:
        all_outputs = _each(pool.outputs) if padded else [outputs]
        parts = [(one, other) for one in _each(pool.prompts) for other in all_outputs]
    unknown = np.full(len(pool.candidates.ends), np.inf)
    most_nodes = max(_FIRST_NODES, _FIRST_FITS * num_requests)
    return [_Node(pool, *part, np.zeros(ROWS), unknown.copy(), most_nodes) for part in parts[::-1]]


def _each(lengths: FloatArray) -> list[Span]:
    return [(position, position) for position in range(len(lengths))]


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
        self._problem = problem
        size = max(len(problem.requests), 1)
        self._pools = make_pools(problem)
        self._winner: Pool | None = None
        self._quick: Quick | None = None
        self._multiplier = np.zeros(ROWS)
        self._best = Best(
            worth=np.zeros(1),
            size=np.zeros(1, dtype=np.int64),
            chosen=np.empty(size, dtype=np.int64),
            quantum=value_quantum(problem.requests.value),
        )
        # what comes after the search sorts and sums as what came before it does
        self._seconds_after = 2.0 * effort.seconds
        self._knapsack = Knapsack(
            value=np.empty(size),
            weight=np.empty((ROWS, size)),
            surplus=np.empty(size),
            member=np.empty(size, dtype=np.int64),
            taken=np.empty(size, dtype=np.bool_),
        )

    def run(self) -> float:
        """Search; return a bound on the worth of any batch."""
        bound = self._search()
        if not self.finished:
            quick = shortest_first(self._problem, self._pools)
            if quick is not None and quick.worth > self._best.worth[0]:
                self._quick = quick
        if self._winner is not None and self._quick is None:
            prefer_quicker_then_older(
                self._winner.candidates,
                self._winner.indices,
                self._best.chosen[: self._best.size[0]],
            )
        return bound

    def _search(self) -> float:
        serial = count()
        heap: list[tuple[int, float, int, _Node]] = []
        for pool in self._pools:
            for node in _first_boxes(pool, len(self._problem.requests)):
                worth = worth_within(pool.candidates, node.box)
                heapq.heappush(heap, (node.most_nodes, -worth, next(serial), node))
        while heap:
            _, bound, _, node = heap[0]
            if -bound >= needed(self._best):
                try:
                    within, next_step = self._examine(node)
                except LimitReachedError:
                    return max(-bound for _, bound, _, _ in heap)
                heapq.heappop(heap)
                if within < needed(self._best):
                    continue
                for child in node.after(next_step):
                    entry = (child.most_nodes, max(-within, bound), next(serial), child)
                    heapq.heappush(heap, entry)
            else:
                heapq.heappop(heap)
        self.finished = True
        return float(self._best.worth[0])

    def _examine(self, node: _Node) -> tuple[float, int]:
        nodes_left, seconds_left = self._nodes_left(), self._seconds_left()
        if seconds_left <= 0.0:
            raise LimitReachedError
        if not node.multiplier.any():
            node.multiplier[:] = self._multiplier
        self.effort.visit()
        before = self._best.worth[0]
        within, nodes, next_step = examine(
            node.pool.candidates,
            node.box,
            node.multiplier,
            node.bounds,
            self._best,
            self._knapsack,
            node.most_nodes,
            nodes_left,
            int(min(seconds_left * _MEMBERS_PER_SECOND, 2**60)),
        )
        self.effort.nodes += nodes - 1
        self._multiplier[:] = node.multiplier
        if self._best.worth[0] > before:
            self._winner = node.pool
        return within, next_step

    def _seconds_left(self) -> float:
        limit = self.effort.stop.time_limit_seconds
        if limit is None:
            return math.inf
        return limit - self.effort.seconds - self._seconds_after

    def _nodes_left(self) -> int:
        """Return how many nodes can be visited before a limit has to be looked at."""
        left = max(self._seconds_left(), 0.0) * _NODES_PER_SECOND + 1
        if self.effort.stop.node_limit is not None:
            left = min(left, self.effort.stop.node_limit - self.effort.nodes)
        return int(min(left, 2**60))

    def selected(self) -> list[int]:
        """Return the indices of the best batch."""
        chosen: list[int] = []
        if self._quick is not None:
            chosen = self._quick.selected.tolist()
        elif self._winner is not None:
            columns_chosen = self._best.chosen[: self._best.size[0]]
            chosen = self._winner.indices[columns_chosen].tolist()
        return chosen

    def precision_name(self) -> str | None:
        """Return the precision of the best batch."""
        if self._quick is not None:
            return self._quick.precision
        return None if self._winner is None else self._winner.precision
