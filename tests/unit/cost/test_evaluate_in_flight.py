"""Joining a running batch: the closed form of T_j against one pass after the other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebatch.cost import BatchCost, Budget, end_seconds, evaluate
from edgebatch.errors import InputError
from edgebatch.problem import (
    Committed,
    InFlight,
    Model,
    Node,
    Precision,
    Problem,
    Request,
    Requests,
)

# A = 2 + 2 + 2 = 6: a prompt of one token takes 16 FLOP, a step at context c takes 12 + 4·c FLOP
TINY = Model(layers=1, hidden_size=1, ffn_size=1, heads=1)
W16 = Precision("w16", weight_bytes=2.0)
W8 = Precision("w8", weight_bytes=1.0, decode_factor=0.5)
NODE = Node(memory_bytes=1e6, flops=16.0)


def joining(
    *requests: Request,
    committed: tuple[Committed, ...],
    node: Node = NODE,
    precisions: tuple[Precision, ...] = (W16,),
) -> Problem:
    return Problem(
        node, TINY, precisions, Requests.from_list(requests), in_flight=InFlight("w16", committed)
    )


def test_a_running_member_waits_for_the_prefill_of_the_joiner() -> None:
    problem = joining(Request("new", 1, 2, 10.0), committed=(Committed(2, 1, 10.0),))
    # pass 1: prefill 16 + step at context 2, 20 → 36/16 = 2.25 s, ends the committed one;
    # pass 2: the joiner's step at context 2, 20/16 = 1.25 s
    assert end_seconds(1, [problem.requests[0]], [Committed(2, 1, 10.0)], cost_of(problem)) == 2.25
    assert evaluate(problem, (0,), "w16").latency_seconds == 3.5


def test_nobody_joining_leaves_the_commitments_as_they_are() -> None:
    problem = joining(Request("new", 1, 2, 10.0), committed=(Committed(2, 2, 10.0),))
    # contexts 2 and 3: (20 + 24)/16
    assert evaluate(problem, (), "w16").latency_seconds == 2.75


def test_no_admission_may_break_a_commitment() -> None:
    in_time = joining(Request("new", 1, 2, 10.0), committed=(Committed(2, 1, 2.25),))
    assert evaluate(in_time, (0,), "w16").feasible
    problem = joining(Request("new", 1, 2, 10.0), committed=(Committed(2, 1, 2.0),))
    (violation,) = evaluate(problem, (0,), "w16").violations
    assert (violation.budget, violation.request) == (Budget.LATENCY, None)
    assert (violation.use, violation.limit) == (2.25, 2.0)
    assert evaluate(problem, (), "w16").feasible


def test_the_uplink_is_still_to_come_for_joiners_only() -> None:
    node = NODE.replace(uplink_seconds=1.0, downlink_seconds=0.5)
    committed = (Committed(2, 1, 2.75),)  # 2.25 + 0.5
    assert evaluate(
        joining(Request("new", 1, 2, 5.0), committed=committed, node=node), (0,), "w16"
    ).feasible  # 1 + 3.5 + 0.5
    late = joining(Request("new", 1, 2, 4.9), committed=committed, node=node)
    assert [each.request for each in evaluate(late, (0,), "w16").violations] == [0]


def test_the_cache_of_the_running_batch_is_reserved_to_its_end() -> None:
    problem = joining(Request("new", 1, 2, 10.0), committed=(Committed(2, 3, 10.0),))
    # 4 bytes a token: (2 + 3) + (1 + 2) tokens, and 6 parameters of 2 bytes
    assert evaluate(problem, (0,), "w16").memory_bytes == 12.0 + 4.0 * 8.0


def test_joiners_run_in_the_precision_of_the_running_batch() -> None:
    problem = joining(Request("new", 1, 2, 10.0), committed=(), precisions=(W16, W8))
    with pytest.raises(InputError, match="must be 'w16'"):
        evaluate(problem, (0,), "w8")


def cost_of(problem: Problem) -> BatchCost:
    return BatchCost(problem.node, problem.model, problem.precisions[0])


lengths = st.integers(1, 12)


@given(
    new=st.lists(st.tuples(lengths, lengths), max_size=4),
    old=st.lists(st.tuples(lengths, lengths), max_size=4),
    bandwidth=st.sampled_from((None, 50.0)),
    overhead=st.sampled_from((0.0, 0.1)),
)
def test_ends_agree_with_one_pass_after_the_other(
    new: list[tuple[int, int]],
    old: list[tuple[int, int]],
    bandwidth: float | None,
    overhead: float,
) -> None:
    node = NODE.replace(memory_bandwidth=bandwidth, step_overhead_seconds=overhead)
    cost = BatchCost(node, TINY, W16)
    joiners = [Request(str(number), *pair, 1e9) for number, pair in enumerate(new)]
    running = [Committed(*pair, 1e9) for pair in old]
    per_step, per_token = cost.step_coefficients()
    # [context, passes to come, whether it has been prefilled]
    members = [[context, passes, True] for context, passes in old]
    members += [[prompt, passes, False] for prompt, passes in new]
    now, ends = 0.0, {}
    for passed in range(1, 13):
        now += cost.step_seconds
        for member in members:
            context, passes, prefilled = member
            if passes < passed:
                continue
            if prefilled:
                now += per_step + per_token * context
            else:
                now += cost.prefill_seconds(float(context))
            member[0], member[2] = context + 1, True
        ends[passed] = now
    for _, passes in (*new, *old):
        assert end_seconds(passes, joiners, running, cost) == pytest.approx(ends[passes])


def test_who_runs_already_has_a_place_in_the_batch() -> None:
    problem = joining(Request("new", 1, 2, 10.0), committed=(Committed(2, 1, 10.0),))
    assert evaluate(problem.replace(max_batch=2), (0,), "w16").feasible
    (violation,) = evaluate(problem.replace(max_batch=1), (0,), "w16").violations
    assert (violation.budget, violation.use, violation.limit) == (Budget.SIZE, 2, 1)
