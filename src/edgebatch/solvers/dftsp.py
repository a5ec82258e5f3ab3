"""``dftsp``: depth-first tree search with online pruning, exact for the number served.

The published method asks, for target sizes z from an upper bound down, whether z requests can be
served together, and searches a tree of counts per output-length class for them. A path is cut when
what it has taken cannot meet a budget, or when too few are left to reach z. Here a path is judged
by its cheapest conceivable completion:

    Of the members still to be decided on, r = z − taken are needed. In each budget they use at
    least as much as the r cheapest in that budget. With the least time T that this leaves, members
    whose deadline comes before T can be in no completion; without them the r cheapest may cost
    more, which raises T, and so on until nothing changes. If then fewer than r remain, or a budget
    is exceeded, or T exceeds the deadline of a member already taken, no completion exists.

The r cheapest themselves are tried as a completion: if they are feasible, z is reached. Every
batch of a tree keeps to its budgets when a member is dropped, so the first z reached from above
is the optimum. Of largest batches the quickest that the roots propose is taken.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from edgebatch.cost import batch_costs, require_hostable
from edgebatch.problem import Problem
from edgebatch.problem.checks import FloatArray, IntArray
from edgebatch.solvers.base import (
    Effort,
    LimitReachedError,
    Result,
    Stop,
    make_result,
    require_own_batch,
    trivial_bound,
)
from edgebatch.solvers.lists import Greedy, Sjf
from edgebatch.solvers.tree import Partial, Tree, is_feasible, latency_seconds, trees, with_chains


@dataclass(frozen=True, slots=True)
class Dftsp:
    """Serves the most requests; any-time: with a limit it returns its best and a true bound.

    Values are not looked at: where they differ, the answer is optimal only if it happens to reach
    the bound on their sum.
    """

    name: ClassVar[str] = "dftsp"

    def solve(self, problem: Problem, stop: Stop = Stop()) -> Result:
        """Return a largest batch; see :class:`edgebatch.solvers.base.Solver`."""
        require_own_batch(problem, self.name)
        require_hostable(problem.node, problem.model, problem.precisions)
        search = _Search(problem, Effort(stop))
        search.run()
        return make_result(
            problem,
            self.name,
            search.effort,
            selected=search.selected,
            precision=search.precision,
            bound=_worth_of_largest(problem, search.most),
        )


def _worth_of_largest(problem: Problem, count: int | None) -> float:
    """Return a bound on the worth of ``count`` requests; None if not even that is known."""
    if count is None:
        return trivial_bound(problem)
    values = np.sort(problem.requests.value)[::-1]
    worth = float(values[:count].sum())
    all_alike = len(values) == 0 or values[0] == values[-1]
    return worth if all_alike else min(worth, trivial_bound(problem))


@dataclass(slots=True)
class _Search:
    """One run: the best found so far, and the largest size not yet ruled out.

    Attributes:
        most: no batch is larger than this; None until the roots have been looked at.
        latency: T(S, q) of the best found.
    """

    problem: Problem
    effort: Effort
    selected: tuple[int, ...] = ()
    precision: str | None = None
    most: int | None = None
    latency: float = math.inf
    _trees: list[Tree] = field(init=False)
    _open: list[tuple[int, Tree]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._trees = list(trees(self.problem, batch_costs(self.problem)))

    def run(self) -> None:
        """Search until the best found is proven best, or the limit is hit."""
        try:
            self._look_at_roots()
            self.most = max(len(self.selected), *(size for size, _ in self._open), 0)
            if self.most > len(self.selected):
                self._propose_smaller()
                self._open = [
                    (size, with_chains(tree, by_value=False)) for size, tree in self._open
                ]
            while self.most > len(self.selected):
                if not any(
                    self._reaches(tree, self.most) for size, tree in self._open if size >= self.most
                ):
                    self.most -= 1
            self._prefer_quicker()
        except LimitReachedError:
            pass

    def _look_at_roots(self) -> None:
        """Keep the trees whose root is not cut for a larger batch than the best found."""
        for tree in self._trees:
            size = self._largest_open_size(tree)
            if size > len(self.selected):
                self._open.append((size, tree))

    def _largest_open_size(self, tree: Tree) -> int:
        """Return the largest size for which the root is not cut; dropping members keeps it open."""
        low, high = len(self.selected), tree.most_taken
        size = low + 1
        while low < high:
            if self._visit(tree, 0, Partial(), size):
                low = max(size, len(self.selected))
            else:
                high = size - 1
            size = (low + high + 1) // 2
        return low

    def _propose_smaller(self) -> None:
        """Start a real search from a good batch, in case it is cut short.

        Quick lists first; then the roots' own proposals for sizes between the best and the bound.
        """
        for solver in (Greedy(), Sjf()):
            result = solver.solve(self.problem)
            if len(result.selected) > len(self.selected):
                self.selected, self.precision = result.selected, result.precision
                self.latency = math.inf
        for size, tree in self._open:
            high = size - 1
            while high > len(self.selected):
                middle = (len(self.selected) + high + 1) // 2
                self._visit(tree, 0, Partial(), middle)
                if len(self.selected) < middle:
                    high = middle - 1

    def _reaches(self, tree: Tree, target: int) -> bool:
        """Search one tree for a batch of ``target`` members; remember it if there is one."""
        stack = [(0, Partial())]
        while stack:
            level, partial = stack.pop()
            if not self._visit(tree, level, partial, target):
                continue
            if len(self.selected) >= target:
                return True
            if level < tree.num_levels:
                stack += _branches(tree, level, partial, target)
        return False

    def _visit(self, tree: Tree, level: int, partial: Partial, target: int) -> bool:
        """Return whether a node is *not* cut; remember its completion if that is feasible."""
        self.effort.visit()
        completion = _Completion(tree, tree.starts[level], partial, target - partial.count)
        if not completion.settle():
            return False
        for positions in completion.proposals():
            completed = partial.take(tree, positions)
            if is_feasible(tree, completed):
                self._offer(tree, completed)
                break
        return True

    def _offer(self, tree: Tree, completed: Partial) -> None:
        """Remember a batch if it is larger than the best, or as large and quicker."""
        latency = latency_seconds(tree, completed)
        if (completed.count, -latency) > (len(self.selected), -self.latency):
            self.selected, self.latency = tuple(completed.selected(tree)), latency
            self.precision = tree.cost.precision.name

    def _prefer_quicker(self) -> None:
        """Ask every tree once more for a batch of the best size, which may take less time."""
        if self.selected:
            for tree in self._trees:
                if len(tree.members) >= len(self.selected):
                    self._visit(tree, 0, Partial(), len(self.selected))


def _branches(
    tree: Tree, level: int, partial: Partial, target: int
) -> Iterator[tuple[int, Partial]]:
    """Yield the children of a node that can still reach the target, the emptiest on top."""
    needed = target - partial.count
    size = tree.starts[level + 1] - tree.starts[level]
    beyond = len(tree.members) - tree.starts[level + 1]
    for how_many in range(min(size, needed), max(0, needed - beyond) - 1, -1):
        yield level + 1, partial.take(tree, tree.first_of(level, how_many))


@dataclass(slots=True)
class _Completion:
    """The cheapest conceivable way to take ``needed`` more of the members from ``start`` on."""

    tree: Tree
    start: int
    partial: Partial
    needed: int
    eligible: IntArray = field(init=False)

    def settle(self) -> bool:
        """Narrow the members down to those that can be in a completion; False if none exists."""
        deadlines = self.tree.deadline_seconds[self.start :]
        self.eligible = np.arange(self.start, len(self.tree.members))
        while True:
            if len(self.eligible) < self.needed:
                return False
            least_seconds = self._least_seconds()
            if math.isinf(least_seconds) or least_seconds > self.partial.tightest_seconds:
                return False
            in_time = self.start + (deadlines >= least_seconds).nonzero()[0]
            if len(in_time) >= len(self.eligible):  # rounding could bring some back, for ever
                return self._fits_other_budgets()
            self.eligible = in_time

    def _least_output(self) -> float:
        """Return the least G of any completion: levels come longest first."""
        if self.partial.longest_output or not self.needed:
            return self.partial.longest_output
        outputs = self.tree.output_tokens[self.eligible]
        return float(outputs[len(outputs) - self.needed])

    def _least_seconds(self) -> float:
        tree, output = self.tree, self._least_output()
        fixed = tree.cost.fixed_seconds(output)
        padded = tree.padded_seconds(self.partial.count + self.needed, output)
        if padded is not None:
            return fixed + padded
        return fixed + self.partial.seconds + self._least_sum(tree.seconds[self.eligible])

    def _least_sum(self, values: FloatArray) -> float:
        if self.needed == 0:
            return 0.0
        if self.needed < len(values):
            values = np.partition(values, self.needed - 1)[: self.needed]
        return float(values.sum())

    def _fits_other_budgets(self) -> bool:
        uses, taken = self.tree.uses, self.partial.uses
        for row in range(len(uses)):
            used = 0.0 if isinstance(taken, float) else float(taken[row])
            if used + self._least_sum(uses[row, self.eligible]) > 1.0:
                return False
        return len(uses) == 0 or self._fits_time_and_rest()

    def _fits_time_and_rest(self) -> bool:
        """Judge the mean of time and the other budgets, which binds where each alone does not.

        Time is measured against the latest deadline that ``needed`` of the members can keep.
        """
        tree, partial = self.tree, self.partial
        if self.needed == 0 or tree.problem.batching.pads_outputs:
            return True
        deadlines = tree.deadline_seconds[self.eligible]
        latest = float(np.partition(deadlines, -self.needed)[-self.needed])
        budget = min(latest, partial.tightest_seconds)
        budget -= tree.cost.fixed_seconds(self._least_output())
        rest = tree.uses[-1, self.eligible]
        taken = 0.0 if isinstance(partial.uses, float) else float(partial.uses[-1])
        together = taken + partial.seconds / budget
        together += self._least_sum(rest + tree.seconds[self.eligible] / budget)
        return together <= 2.0

    def proposals(self) -> Iterator[IntArray]:
        """Yield the members cheapest in time, in each other budget, and in all together."""
        tree = self.tree
        seconds = tree.seconds[self.eligible]
        if tree.problem.batching.pads_outputs:
            seconds = tree.output_tokens[self.eligible]
        yield self._cheapest(seconds)
        if len(tree.uses) == 0 or self.needed == 0:
            return
        uses = tree.uses[:, self.eligible]
        for row in uses:
            yield self._cheapest(row)
        total_use = float(uses[-1].sum())
        if total_use > 0.0:
            yield self._cheapest(uses[-1] / total_use + seconds / seconds.sum())

    def _cheapest(self, costs: FloatArray) -> IntArray:
        age = self.tree.members[self.eligible]
        return self.eligible[np.lexsort((age, costs))[: self.needed]]
