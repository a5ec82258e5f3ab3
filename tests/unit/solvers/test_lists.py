"""The baselines by example: whom each takes first, and when it stops."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebatch.cost import BatchCost, Budget, batch_costs, evaluate, hosted_bytes
from edgebatch.errors import InputError, UnknownNameError
from edgebatch.problem import Batching, Model, Node, Precision, Problem, Request, Requests
from edgebatch.solvers import (
    Edf,
    Fcfs,
    Filling,
    Greedy,
    NoBatching,
    Sjf,
    StaticBatching,
    Status,
    Stop,
)
from edgebatch.solvers.registry import make_solver
from strategies import problems

# a prompt of s tokens takes 12·s + 4·s² FLOP at 16 FLOP/s: 1 s for one token, 2.5 s for two
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


OLD = Request("old", 2, 1, deadline_seconds=4.0)  # 2.5 s
SHORT = Request("short", 1, 1, deadline_seconds=4.0)  # 1 s
URGENT = Request("urgent", 2, 1, deadline_seconds=3.6)  # 2.5 s
THREE = tiny(OLD, SHORT, URGENT)  # any two with the short one fit, the two long ones do not


def test_fcfs_takes_the_oldest_first() -> None:
    assert Fcfs().solve(THREE).selected == (0, 1)


def test_edf_takes_the_most_urgent_first_and_stops_at_the_first_misfit() -> None:
    # urgent (3.6), then old (4.0): 5 s are too long, and short is not looked at any more
    assert Edf().solve(THREE).selected == (2,)


def test_sjf_takes_the_shortest_first_and_the_older_of_equals() -> None:
    assert Sjf().solve(THREE).selected == (0, 1)


def test_greedy_passes_over_what_does_not_fit() -> None:
    dear = Request("dear", 2, 1, deadline_seconds=3.6, value=9.0)
    # per value: dear 2.5/9, short 1/1, old 2.5/1; dear and short take 3.5 s, old is passed over
    assert Greedy().solve(tiny(OLD, SHORT, dear)).selected == (1, 2)
    # after old and dear (5 s) failed, the short one would still fit
    old = Request("old", 2, 1, deadline_seconds=4.0, value=8.0)
    assert Greedy().solve(tiny(old, SHORT, dear)).selected == (1, 2)


def test_none_serves_the_oldest_that_can_be_served() -> None:
    hopeless = Request("hopeless", 2, 1, deadline_seconds=2.0)
    assert NoBatching().solve(tiny(hopeless, SHORT, OLD)).selected == (1,)


def test_static_batches_are_sized_for_the_worst_case() -> None:
    # at the longest lengths 2.5 s each, the median deadline of 6 s holds two
    four = [
        Request(name, prompt, 1, 6.0) for name, prompt in zip("abcd", (1, 1, 1, 2), strict=True)
    ]
    assert StaticBatching().solve(tiny(*four)).selected == (0, 1)
    assert Fcfs().solve(tiny(*four)).selected == (0, 1, 2, 3)  # 5.5 s


def test_a_static_batch_holds_at_least_one() -> None:
    late = Request("patient", 2, 2, 100.0)
    problem = tiny(SHORT, *(Request(str(number), 1, 1, 1.1) for number in range(3)), late)
    assert len(StaticBatching().solve(problem).selected) == 1


@pytest.mark.parametrize("count", range(2, 12))
def test_a_static_batch_may_end_at_the_very_deadline(count: int) -> None:
    # a tenth of a second each, which floats cannot say: 0.3 / 0.1 is 2.9999999999999996
    requests = [Request(str(number), 1, 1, count / 10) for number in range(count)]
    problem = tiny(*requests, node=TINY_NODE.replace(flops=160.0))
    assert len(StaticBatching().solve(problem).selected) == count


def test_without_deadlines_a_static_batch_is_as_large_as_memory_allows() -> None:
    # 12 bytes of weights and 4·(1 + 1) bytes a request: (36 − 12)/8 = 3
    requests = [Request(name, 1, 1, math.inf) for name in "abcde"]
    problem = tiny(*requests, node=TINY_NODE.replace(memory_bytes=36.0))
    assert StaticBatching().solve(problem).selected == (0, 1, 2)


def test_a_batch_cap_is_kept() -> None:
    requests = [Request(name, 1, 1, 100.0) for name in "abcde"]
    for solver in (Fcfs(2), Edf(2), Sjf(2), Greedy(2), StaticBatching(2)):
        assert solver.solve(tiny(*requests)).selected == (0, 1)


def test_the_precision_that_serves_more_is_kept() -> None:
    requests = [Request(name, 1, 1, 1.0) for name in "abc"]
    result = Fcfs().solve(tiny(*requests, precisions=(W16, W8)))
    assert (result.precision, result.selected) == ("w8", (0, 1))  # 0.5 s each


def test_of_equal_worth_the_quicker_precision_is_kept() -> None:
    result = Fcfs().solve(tiny(Request("a", 1, 1, 9.0), precisions=(W16, W8)))
    assert result.precision == "w8"


def test_all_served_is_proven_optimal() -> None:
    assert Fcfs().solve(tiny(OLD, SHORT)).status is Status.OPTIMAL
    assert Fcfs().solve(THREE).status is Status.FEASIBLE
    assert Fcfs().solve(THREE).bound == 3.0


def test_each_request_looked_at_is_a_node() -> None:
    requests = [Request(name, 1, 1, 100.0) for name in "abcde"]
    result = Fcfs().solve(tiny(*requests), Stop(node_limit=3))
    assert (result.nodes, result.selected) == (3, (0, 1, 2))


@pytest.mark.parametrize("kind", [Fcfs, Edf, Sjf, Greedy, StaticBatching])
def test_a_cap_below_one_is_refused(kind: type[Fcfs]) -> None:
    with pytest.raises(InputError, match="batch_cap: must be at least 1, got 0"):
        kind(batch_cap=0)


def test_an_unknown_solver_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'dftsp'"):
        make_solver("dfstp")


def test_an_unknown_knob_is_refused() -> None:
    with pytest.raises(InputError, match="'none' has no knob 'batch_cap'"):
        make_solver("none", batch_cap=3)


def test_a_knob_left_open_keeps_its_default() -> None:
    assert make_solver("fcfs", batch_cap=None) == Fcfs()


def test_a_full_batch_is_ended_and_says_so() -> None:
    short = [Request(str(number), 1, 1, deadline_seconds=4.0) for number in range(4)]  # 1 s each
    problem = tiny(*short).replace(max_batch=2)
    for name in ("fcfs", "edf", "sjf", "greedy", "static"):
        result = make_solver(name).solve(problem)
        assert (result.selected, result.bound, result.status) == ((0, 1), 2.0, Status.OPTIMAL), name
    filling = Filling(problem, batch_costs(problem)[0])
    filling.add(0)
    assert filling.refusal(2) is None
    filling.add(1)
    assert filling.refusal(2) is Budget.SIZE


def test_static_waits_for_no_more_than_a_batch_may_have() -> None:
    # a batch of three takes 3 s, which all but the first can wait; one of two all of them
    patient = [Request(str(number), 1, 1, deadline_seconds=9.0) for number in range(3)]
    problem = tiny(Request("urgent", 1, 1, deadline_seconds=2.0), *patient)
    assert StaticBatching(batch_cap=3).solve(problem).selected == (1, 2, 3)
    assert StaticBatching(batch_cap=3).solve(problem.replace(max_batch=2)).selected == (0, 1)


@given(problem=problems(), data=st.data())
def test_filling_refuses_exactly_what_the_evaluator_forbids(
    problem: Problem, data: st.DataObject
) -> None:
    if len(problem.requests) == 0:
        return
    order = data.draw(st.permutations(range(len(problem.requests))))
    for cost in batch_costs(problem):
        filling = Filling(problem, cost)
        for index in order:
            evaluation = evaluate(problem, [*filling.members, index], cost.precision.name)
            refusal = filling.refusal(index)
            assert (refusal is None) is evaluation.feasible
            if refusal is None:
                filling.add(index)
            else:
                assert refusal in {violation.budget for violation in evaluation.violations}


@given(problem=problems(), data=st.data())
def test_filling_adds_up_what_the_evaluator_computes(problem: Problem, data: st.DataObject) -> None:
    selected = [index for index in range(len(problem.requests)) if data.draw(st.booleans())]
    cost: BatchCost = batch_costs(problem)[0]
    filling = Filling(problem, cost)
    for index in selected:
        filling.add(index)
    evaluation = evaluate(problem, selected, cost.precision.name)
    hosted = hosted_bytes(problem.node, problem.model, problem.precisions)
    assert filling.latency_seconds == pytest.approx(evaluation.latency_seconds, rel=1e-12)
    assert hosted + filling.kv_bytes == pytest.approx(evaluation.memory_bytes, rel=1e-12)
    assert filling.uplink_use == pytest.approx(evaluation.uplink_use)
    assert filling.downlink_use == pytest.approx(evaluation.downlink_use)


def test_a_refusal_names_the_budget() -> None:
    # w8: 6 bytes of weights, 4 bytes a token, half a second for a prompt of one token
    node = TINY_NODE.replace(memory_bytes=30.0, uplink_seconds=0.5)
    problem = tiny(
        Request("member", 1, 1, 10.0, uplink_share=0.5),
        Request("choosy", 1, 1, 10.0, min_quality=0.95),
        Request("broad", 1, 1, 10.0, uplink_share=0.6),
        Request("large", 4, 1, 10.0),
        Request("late", 1, 1, 1.4),
        Request("welcome", 1, 1, 10.0),
        node=node,
        precisions=(W8,),
    )
    filling = Filling(problem, batch_costs(problem)[0])
    filling.add(0)
    assert [filling.refusal(index) for index in range(1, 6)] == [
        Budget.QUALITY,
        Budget.UPLINK,
        Budget.MEMORY,  # 6 + 4·(2 + 5) = 34 > 30
        Budget.LATENCY,  # 0.5 of uplink and twice 0.5 of compute > 1.4
        None,
    ]
