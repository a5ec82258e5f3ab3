"""The tree that ``dftsp`` and ``brute-force`` search (formulation §6).

A tree belongs to one precision and, where prompts are padded, to one longest prompt P. Its levels
are output-length classes, longest first; a branch says how many of a class are taken. What is left
to decide is *which* members, and for that a class is split into chains:

    Let i precede j if i costs no more than j in everything that members of the class can differ
    in (own prompt, where prompts are not padded; either radio share, where the spectrum can run
    out; deadline, later being cheaper; value, where values count). A chain is a sequence in which
    each member precedes the next. *Taking k of a chain loses nothing by taking its first k*: if a
    feasible batch holds a later member and not an earlier one of the same chain, exchanging the
    two raises no sum, lengthens no padding, tightens no deadline and lowers no value, so the
    batch stays feasible; repeat until the chosen ones are a prefix.

Equal members make one chain, so in the published setting (padded prompts, spectrum to spare) every
class is one chain ordered by deadline and the tree is the published one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, pairwise

import numpy as np

from edgebatch.cost import BatchCost, hosted_bytes
from edgebatch.problem import Batching, Problem
from edgebatch.problem.checks import FloatArray, IntArray
from edgebatch.solvers.base import servable_alone
from edgebatch.units import RELATIVE_TOLERANCE

SLACK = 1.0 + RELATIVE_TOLERANCE


@dataclass(frozen=True, eq=False)
class Tree:
    """One precision and longest prompt; its M members are in the order of its levels.

    Attributes:
        problem: the instance.
        cost: cost model of the tree's precision.
        longest_prompt: P that every member is charged with; None where prompts are not padded.
        members: indices into ``problem.requests``, level by level; shape (M,).
        starts: first position of each level in ``members``, and M at the end; one level of
            everyone until :func:`with_chains` has split the classes.
    """

    problem: Problem
    cost: BatchCost
    longest_prompt: int | None
    members: IntArray
    starts: tuple[int, ...]

    @cached_property
    def most_taken(self) -> int:
        """How many of the members a batch can have at most."""
        limit = self.problem.max_batch
        return len(self.members) if limit is None else min(limit, len(self.members))

    @property
    def num_levels(self) -> int:
        """How many chains there are to decide on."""
        return len(self.starts) - 1

    def first_of(self, level: int, how_many: int) -> IntArray:
        """Return the positions of the first ``how_many`` members of a level."""
        return np.arange(self.starts[level], self.starts[level] + how_many)

    @cached_property
    def output_tokens(self) -> FloatArray:
        """Output limit of each member; shape (M,), descending."""
        return self.problem.requests.output_tokens[self.members].astype(float)

    @cached_property
    def prompt_tokens(self) -> FloatArray:
        """Prompt that each member is charged with; shape (M,)."""
        if self.longest_prompt is not None:
            return np.full(len(self.members), float(self.longest_prompt))
        return self.problem.requests.prompt_tokens[self.members].astype(float)

    @cached_property
    def seconds(self) -> FloatArray:
        """Time that each member adds, where outputs are not padded; shape (M,)."""
        return self.cost.member_seconds(self.prompt_tokens, self.output_tokens)

    @cached_property
    def deadline_seconds(self) -> FloatArray:
        """Time that each member leaves for computing, with the tolerance added; shape (M,)."""
        allowed = self.problem.requests.deadline_seconds[self.members] * SLACK
        return allowed - self.problem.node.radio_seconds

    @cached_property
    def token_budget(self) -> float:
        """Tokens that the cache can hold beside the weights, with the tolerance added."""
        node, model = self.problem.node, self.problem.model
        hosted = hosted_bytes(node, model, self.problem.precisions)
        return (node.memory_bytes * SLACK - hosted) / self.cost.kv_bytes_per_token

    @cached_property
    def uses(self) -> FloatArray:
        """What each member uses of every budget but time that can run out; shape (K, M).

        As parts of the budget, so that each row may sum to 1 over a batch. Means of two rows and
        of all rows follow: they say nothing new about a batch, but bound unfinished ones better.
        """
        requests, node = self.problem.requests, self.problem.node
        rows = []
        if not self.problem.batching.pads_outputs:
            rows.append((self.prompt_tokens + self.output_tokens) / self.token_budget)
        if node.uplink_seconds > 0.0:
            rows.append(requests.uplink_share[self.members] / SLACK)
        if node.downlink_seconds > 0.0:
            rows.append(requests.downlink_share[self.members] / SLACK)
        scarce = [row for row in rows if float(row.sum()) > 1.0]
        means = [np.add(*pair) / 2.0 for pair in combinations(scarce, 2)]
        if len(scarce) > 2:
            means.append(np.mean(scarce, axis=0))
        return np.array([*scarce, *means]).reshape(-1, len(self.members))

    def padded_seconds(self, count: int, longest_output: float) -> float | None:
        """Return what ``count`` members take at padded outputs; None if outputs are not padded.

        Infinite if the cache cannot hold them: where everyone is charged alike, memory is not a
        sum to keep but a largest count.
        """
        if not self.problem.batching.pads_outputs:
            return None
        prompt = float(self.longest_prompt or 0)
        if count * (prompt + longest_output) > self.token_budget:
            return math.inf
        return count * self.cost.member_seconds(prompt, longest_output)


@dataclass(frozen=True, slots=True)
class Partial:
    """What a path from the root has decided: sums over the members taken.

    Attributes:
        count: members taken.
        longest_output: G so far; 0 if none is taken.
        seconds: sum of :attr:`Tree.seconds`.
        uses: sums of the rows of :attr:`Tree.uses`; a scalar 0 if none is taken.
        tightest_seconds: least :attr:`Tree.deadline_seconds`.
        path: the positions taken last, and the path before them.
    """

    count: int = 0
    longest_output: float = 0.0
    seconds: float = 0.0
    uses: FloatArray | float = 0.0
    tightest_seconds: float = np.inf
    path: tuple[Partial, IntArray] | None = None

    def take(self, tree: Tree, positions: IntArray) -> Partial:
        """Return the path with the members at ``positions`` taken as well."""
        if len(positions) == 0:
            return self
        return Partial(
            count=self.count + len(positions),
            longest_output=max(self.longest_output, float(tree.output_tokens[positions].max())),
            seconds=self.seconds + float(tree.seconds[positions].sum()),
            uses=self.uses + tree.uses[:, positions].sum(axis=1),
            tightest_seconds=min(
                self.tightest_seconds, float(tree.deadline_seconds[positions].min())
            ),
            path=(self, positions),
        )

    def selected(self, tree: Tree) -> list[int]:
        """Return the indices into ``problem.requests`` of everyone taken."""
        found: list[int] = []
        path = self.path
        while path is not None:
            before, positions = path
            found += tree.members[positions].tolist()
            path = before.path
        return found


def latency_seconds(tree: Tree, partial: Partial) -> float:
    """Return T(S, q) of the members taken; infinite if padding overfills the cache; 0 for none."""
    if partial.count == 0:
        return 0.0
    padded = tree.padded_seconds(partial.count, partial.longest_output)
    seconds = partial.seconds if padded is None else padded
    return tree.cost.fixed_seconds(partial.longest_output) + seconds


def is_feasible(tree: Tree, partial: Partial) -> bool:
    """Return whether the members taken can be served as a batch of the tree's padding."""
    latency = latency_seconds(tree, partial)
    if math.isinf(latency) or partial.count > tree.most_taken:
        return False  # more than the cache or the batch holds, which no deadline excuses
    return latency <= partial.tightest_seconds and bool(np.all(partial.uses <= 1.0))


def trees(problem: Problem, costs: Sequence[BatchCost]) -> Iterator[Tree]:
    """Yield the trees that together hold every batch worth looking at, their classes not split.

    Args:
        problem: the instance.
        costs: cost models of the precisions to try, in this order.
    """
    for cost in costs:
        candidates = np.flatnonzero(servable_alone(problem, cost))
        outputs = problem.requests.output_tokens[candidates]
        candidates = candidates[np.argsort(-outputs, kind="stable")]
        if not problem.batching.pads_prompts:
            yield Tree(problem, cost, None, candidates, (0, len(candidates)))
            continue
        prompts = problem.requests.prompt_tokens[candidates]
        for longest_prompt in np.unique(prompts).tolist():
            fitting = candidates[prompts <= longest_prompt]
            yield Tree(problem, cost, longest_prompt, fitting, (0, len(fitting)))


def with_chains(tree: Tree, *, by_value: bool) -> Tree:
    """Return the tree with every output-length class split into chains.

    Args:
        tree: its members in order of falling output.
        by_value: whether members of a chain must also be ordered by value.
    """
    columns = _differing_costs(tree.problem, tree.members, by_value)
    borders = [0, *(np.flatnonzero(np.diff(tree.output_tokens)) + 1).tolist(), len(tree.members)]
    levels: list[IntArray] = []
    for first, end in pairwise(borders):
        of_class = tree.members[first:end]
        if len(of_class) == 1:
            levels.append(of_class)
        else:
            levels += [of_class[chain] for chain in chains(columns[first:end])]
    starts = np.concatenate(([0], np.cumsum([len(level) for level in levels]))).astype(int)
    members = np.concatenate([*levels, tree.members[:0]])
    return replace(tree, members=members, starts=tuple(starts.tolist()))


def _differing_costs(problem: Problem, candidates: IntArray, by_value: bool) -> FloatArray:
    """Return, shape (M, K), what members of one class can differ in; smaller is better."""
    requests, node = problem.requests, problem.node
    columns = [-requests.deadline_seconds[candidates]]
    if problem.batching is Batching.RAGGED:
        columns.append(requests.prompt_tokens[candidates].astype(float))
    for seconds, shares in (
        (node.uplink_seconds, requests.uplink_share[candidates]),
        (node.downlink_seconds, requests.downlink_share[candidates]),
    ):
        if seconds > 0.0 and float(shares.sum()) > 1.0:
            columns.append(shares)
    if by_value:
        columns.append(-requests.value[candidates])
    return np.column_stack(columns)


def chains(costs: FloatArray) -> list[IntArray]:
    """Split M members into few chains, each ordered so that earlier ones cost no more in anything.

    Best fit over members in lexicographic order, which for two columns gives the fewest chains
    possible; ties go to the older member.

    Args:
        costs: shape (M, K), K ≥ 1.

    Returns:
        Index arrays into the M members that together hold each of them once.
    """
    order = np.lexsort((np.arange(len(costs)), *costs.T[::-1]))
    members: list[list[int]] = []
    ends = np.empty((0, costs.shape[1]))
    for index in order.tolist():
        fitting = np.flatnonzero((ends <= costs[index]).all(axis=1))
        if len(fitting) == 0:
            members.append([index])
            ends = np.vstack((ends, costs[index]))
            continue
        closest = int(fitting[np.lexsort(ends[fitting].T)[-1]])
        members[closest].append(index)
        ends[closest] = costs[index]
    return [np.array(chain, dtype=np.int64) for chain in members]
