"""Chains and trees: every batch worth looking at, and as few choices as possible."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebatch.cost import batch_costs, evaluate
from edgebatch.problem import Batching, Model, Node, Precision, Problem, Request, Requests
from edgebatch.problem.checks import FloatArray
from edgebatch.solvers.tree import Partial, Tree, chains, is_feasible, trees, with_chains
from strategies import problems

TINY_MODEL = Model(layers=1, hidden_size=1, ffn_size=1, heads=1)
ROOMY = Node(memory_bytes=1e9, flops=1e9)
W16 = Precision("w16", 2.0)


def cost_tables(columns: int) -> st.SearchStrategy[FloatArray]:
    row = st.tuples(*[st.integers(0, 4).map(float)] * columns)
    return st.lists(row, max_size=8).map(lambda rows: np.array(rows).reshape(-1, columns))


@given(costs=st.integers(1, 4).flatmap(cost_tables))
def test_chains_hold_every_member_once(costs: FloatArray) -> None:
    found = [index for chain in chains(costs) for index in chain.tolist()]
    assert sorted(found) == list(range(len(costs)))


@given(costs=st.integers(1, 4).flatmap(cost_tables))
def test_earlier_members_of_a_chain_cost_no_more_in_anything(costs: FloatArray) -> None:
    for chain in chains(costs):
        steps = np.diff(costs[chain], axis=0)
        assert (steps >= 0.0).all()


def width(costs: FloatArray) -> int:
    """Largest set in which no member precedes another; by Dilworth, the fewest chains."""

    def unrelated(one: int, other: int) -> bool:
        lower, higher = (costs[one] <= costs[other]).all(), (costs[other] <= costs[one]).all()
        return not lower and not higher

    everyone = range(len(costs))
    return max(
        size
        for size in range(len(costs) + 1)
        for subset in combinations(everyone, size)
        if all(unrelated(*pair) for pair in combinations(subset, 2))
    )


@given(costs=st.integers(1, 2).flatmap(cost_tables))
def test_two_columns_give_the_fewest_chains_possible(costs: FloatArray) -> None:
    assert len(chains(costs)) == width(costs)


def test_equal_members_make_one_chain_oldest_first() -> None:
    (chain,) = chains(np.ones((4, 3)))
    assert chain.tolist() == [0, 1, 2, 3]


def test_two_requests_of_which_neither_is_cheaper_make_two_chains() -> None:
    assert sorted(chain.tolist() for chain in chains(np.array([[1.0, 2.0], [2.0, 1.0]]))) == [
        [0],
        [1],
    ]


def problem_of(*requests: Request, node: Node = ROOMY, batching: Batching) -> Problem:
    return Problem(node, TINY_MODEL, (W16,), Requests.from_list(requests), batching)


def single_tree(problem: Problem, *, by_value: bool = False) -> Tree:
    (whole,) = trees(problem, batch_costs(problem))
    return with_chains(whole, by_value=by_value)


def levels(tree: Tree) -> list[list[int]]:
    return [
        tree.members[start:end].tolist()
        for start, end in zip(tree.starts, tree.starts[1:], strict=False)
    ]


def test_the_published_tree_has_one_level_a_class_longest_first_latest_deadline_first() -> None:
    problem = problem_of(
        Request("a", 4, 8, deadline_seconds=1.0),
        Request("b", 4, 16, deadline_seconds=1.0),
        Request("c", 4, 8, deadline_seconds=2.0),
        Request("d", 4, 16, deadline_seconds=3.0),
        batching=Batching.PADDED,
    )
    assert levels(single_tree(problem)) == [[3, 1], [2, 0]]


def test_own_prompts_split_a_class_where_prompts_are_not_padded() -> None:
    requests = (
        Request("short and urgent", 2, 8, deadline_seconds=1.0),
        Request("long and patient", 4, 8, deadline_seconds=2.0),
    )
    assert levels(single_tree(problem_of(*requests, batching=Batching.RAGGED))) == [[1], [0]]
    padded = problem_of(*requests, batching=Batching.PROMPT_PADDED)
    # one tree for each longest prompt, in each of them deadline alone counts
    assert [
        levels(with_chains(tree, by_value=False)) for tree in trees(padded, batch_costs(padded))
    ] == [
        [[0]],
        [[1, 0]],
    ]


def test_shares_split_a_class_only_where_the_spectrum_can_run_out() -> None:
    node = ROOMY.replace(uplink_seconds=0.1)
    narrow, broad = 0.4, 0.5
    requests = (
        Request("narrow and urgent", 4, 8, deadline_seconds=1.0, uplink_share=narrow),
        Request("broad and patient", 4, 8, deadline_seconds=2.0, uplink_share=broad),
    )
    together_below_one = problem_of(*requests, node=node, batching=Batching.PADDED)
    assert levels(single_tree(together_below_one)) == [[1, 0]]
    third = Request("also broad", 4, 8, deadline_seconds=1.5, uplink_share=broad)
    above_one = problem_of(*requests, third, node=node, batching=Batching.PADDED)
    assert levels(single_tree(above_one)) == [[1, 2], [0]]


def test_values_split_a_class_only_where_they_count() -> None:
    problem = problem_of(
        Request("worth more", 4, 8, deadline_seconds=1.0, value=3.0),
        Request("patient", 4, 8, deadline_seconds=2.0),
        batching=Batching.PADDED,
    )
    assert levels(single_tree(problem)) == [[1, 0]]
    assert levels(single_tree(problem, by_value=True)) == [[1], [0]]


def test_requests_that_cannot_be_served_alone_are_in_no_tree() -> None:
    problem = problem_of(
        Request("hopeless", 4, 8, deadline_seconds=0.0),
        Request("fine", 4, 8, deadline_seconds=1.0),
        batching=Batching.RAGGED,
    )
    assert single_tree(problem).members.tolist() == [1]


@pytest.mark.parametrize("batching", Batching)
@given(data=st.data())
def test_a_path_is_feasible_exactly_if_the_evaluator_says_so(
    batching: Batching, data: st.DataObject
) -> None:
    problem = data.draw(problems(batching=batching))
    for whole in trees(problem, batch_costs(problem)):
        tree = with_chains(whole, by_value=False)
        partial = Partial()
        for level in range(tree.num_levels):
            size = tree.starts[level + 1] - tree.starts[level]
            partial = partial.take(tree, tree.first_of(level, data.draw(st.integers(0, size))))
        selected = partial.selected(tree)
        evaluation = evaluate(problem, selected, tree.cost.precision.name)
        prompts = problem.requests.prompt_tokens[selected]
        if tree.longest_prompt in (None, *prompts.tolist()):
            assert is_feasible(tree, partial) is evaluation.feasible
        elif is_feasible(tree, partial):  # charged with a longer prompt than any member has
            assert evaluation.feasible
