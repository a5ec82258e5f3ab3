"""``dftsp`` by example: what it chooses, what it proves, and how little it looks at."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given

from edgebatch.cost import BatchCost, evaluate
from edgebatch.errors import CannotHostError, UnsupportedError
from edgebatch.problem import (
    Batching,
    InFlight,
    Model,
    Node,
    Precision,
    Problem,
    Request,
    Requests,
)
from edgebatch.solvers import BruteForce, Dftsp, Status, Stop
from strategies import problems

# A = 2 + 2 + 2 = 6 parameters, so that a prompt of one token takes 2·6 + 4 = 16 FLOP: one second
TINY_MODEL = Model(layers=1, hidden_size=1, ffn_size=1, heads=1)
TINY_NODE = Node(memory_bytes=1e6, flops=16.0)
W16 = Precision("w16", 2.0)
W8 = Precision("w8", 1.0, prefill_factor=0.5, quality=0.9)


def tiny(
    *requests: Request,
    node: Node = TINY_NODE,
    precisions: tuple[Precision, ...] = (W16,),
    batching: Batching = Batching.RAGGED,
) -> Problem:
    return Problem(node, TINY_MODEL, precisions, Requests.from_list(requests), batching)


def one_second(name: str, deadline: float, quality: float = 0.0) -> Request:
    return Request(name, 1, 1, deadline, min_quality=quality)


def test_three_seconds_hold_three_requests_of_one_second() -> None:
    result = Dftsp().solve(tiny(*(one_second(name, 3.0) for name in "abcd")))
    assert (result.objective, result.bound, result.status) == (3.0, 3.0, Status.OPTIMAL)
    assert result.solver == "dftsp"


def test_one_urgent_request_is_left_out_for_two_patient_ones() -> None:
    urgent, first, second = one_second("u", 1.5), one_second("f", 2.0), one_second("s", 2.0)
    assert Dftsp().solve(tiny(urgent, first, second)).selected == (1, 2)


def test_the_precision_that_serves_more_is_chosen() -> None:
    requests = (one_second("a", 1.0), one_second("b", 1.0), one_second("choosy", 1.0, 1.0))
    result = Dftsp().solve(tiny(*requests, precisions=(W16, W8)))
    # w16 serves any one of them; w8 takes half a second each, but the choosy one refuses it
    assert (result.precision, result.selected) == ("w8", (0, 1))


def test_nothing_servable_is_an_optimal_empty_batch() -> None:
    for requests in ((), (one_second("late", 0.5),)):
        result = Dftsp().solve(tiny(*requests))
        assert (result.status, result.objective, result.bound) == (Status.OPTIMAL, 0.0, 0.0)
        assert (result.selected, result.precision) == ((), None)


@pytest.mark.parametrize("batching", Batching)
def test_without_deadlines_memory_alone_binds(batching: Batching) -> None:
    # 6 parameters of 2 bytes, then 4 bytes a token, 2 tokens a request: 3 of them need 36 bytes
    node = TINY_NODE.replace(memory_bytes=36.0)
    requests = [one_second(name, math.inf) for name in "abcde"]
    result = Dftsp().solve(tiny(*requests, node=node, batching=batching))
    assert (result.objective, result.status) == (3.0, Status.OPTIMAL)


def test_no_node_leaves_the_trivial_bound() -> None:
    problem = tiny(*(one_second(name, 3.0) for name in "abcd"))
    result = Dftsp().solve(problem, Stop(node_limit=0))
    assert (result.objective, result.bound, result.nodes) == (0.0, 4.0, 0)
    assert result.status is Status.FEASIBLE


def test_a_time_limit_of_zero_is_kept() -> None:
    problem = tiny(*(one_second(name, 3.0) for name in "abcd"))
    result = Dftsp().solve(problem, Stop(time_limit_seconds=0.0))
    assert (result.nodes, result.status) == (0, Status.FEASIBLE)


def test_values_are_not_looked_at_but_the_bound_is_true() -> None:
    cheap, dear = Request("cheap", 1, 1, 1.0), Request("dear", 1, 1, 1.0, value=5.0)
    result = Dftsp().solve(tiny(cheap, dear))
    assert len(result.selected) == 1
    assert result.bound == 5.0


def test_leftovers_without_radio_needs_are_judged_by_time_alone() -> None:
    # Once no broad one is taken, nobody left needs any uplink. Of these, the long answers take
    # 5.5 s each and 4 passes of 2 s, 19 s a pair; the long prompts 7 s each and one pass, 16 s.
    node = TINY_NODE.replace(uplink_seconds=0.25, step_overhead_seconds=2.0)
    problem = tiny(
        one_second("urgent", 3.25),
        *(Request(f"long answer {name}", 1, 4, 16.75) for name in "ab"),
        *(Request(f"long prompt {name}", 4, 1, 16.75) for name in "ab"),
        *(Request(f"broad {name}", 1, 10, 100.0, uplink_share=0.9) for name in "ab"),
        node=node,
    )
    result = Dftsp().solve(problem)
    assert (result.selected, result.status) == ((3, 4), Status.OPTIMAL)


def test_a_deadline_that_differs_from_a_sum_by_its_rounding_alone_ends_the_search_too() -> None:
    # prompts of 3, 2 and 1 tokens take 72, 40 and 16 FLOP, and the fourth request 112; where their
    # times add up to more from the shortest on, it can wait for them in one order, not in the other
    tried = 0
    for flops in range(100, 1000):
        node = TINY_NODE.replace(flops=float(flops))
        cost = BatchCost(node, TINY_MODEL, W16)
        one, two, three = (cost.member_seconds(prompt, 1.0) for prompt in (1.0, 2.0, 3.0))
        deadline = (three + two + one) / (1.0 + 1e-9)
        if one + two + three > three + two + one == deadline * (1.0 + 1e-9):
            patient = [Request(str(prompt), prompt, 1, math.inf) for prompt in (3, 2, 1)]
            result = Dftsp().solve(tiny(*patient, Request("fourth", 4, 1, deadline), node=node))
            assert (result.selected, result.status) == ((0, 1, 2), Status.OPTIMAL)
            tried += 1
    assert tried > 0


def test_work_in_flight_is_not_taken() -> None:
    problem = tiny(one_second("a", 3.0)).replace(in_flight=InFlight("w16", ()))
    with pytest.raises(UnsupportedError, match="dftsp"):
        Dftsp().solve(problem)


def test_weights_that_do_not_fit_are_refused() -> None:
    with pytest.raises(CannotHostError):
        Dftsp().solve(tiny(one_second("a", 3.0), node=TINY_NODE.replace(memory_bytes=11.0)))


@given(problem=problems(max_requests=9, unit_values=True))
def test_it_visits_no_more_nodes_than_brute_force(problem: Problem) -> None:
    # beside the tree's own nodes it looks at roots, a logarithm of the number of requests each
    trees = len(problem.precisions) * len(set(problem.requests.prompt_tokens.tolist()))
    roots = 8 * max(trees, 1)
    assert Dftsp().solve(problem).nodes <= BruteForce().solve(problem).nodes + roots


def test_a_hundred_mixed_requests_are_proven_within_few_nodes() -> None:
    generator = np.random.default_rng(5)
    lengths = (128, 256, 512)
    requests = [
        Request(
            str(number),
            int(generator.choice(lengths)),
            int(generator.choice(lengths)),
            float(generator.uniform(0.5, 2.0)),
        )
        for number in range(100)
    ]
    bloom = Model(layers=30, hidden_size=2560, ffn_size=10240, heads=32)
    node = Node(160e9, 26.6e12, uplink_seconds=0.25, downlink_seconds=0.25)
    problem = Problem(node, bloom, (W16,), Requests.from_list(requests), Batching.PADDED)
    result = Dftsp().solve(problem, Stop(node_limit=2000))
    assert result.status is Status.OPTIMAL
    assert result.precision is not None
    assert evaluate(problem, result.selected, result.precision).feasible
