"""When members of a running batch end, against the definition of the evaluator."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebatch.cost import BatchCost, end_seconds
from edgebatch.problem import Committed, Request
from edgebatch.scheduling import RunningBatch
from toy_runs import ONE_SECOND_A_TOKEN, TINY_MODEL, W16

COST = BatchCost(ONE_SECOND_A_TOKEN, TINY_MODEL, W16)
lengths = st.integers(1, 40)
pairs = st.tuples(lengths, lengths)


def batch_of(cost: BatchCost, members: list[tuple[int, int]]) -> RunningBatch:
    """Return a running batch of (context, remaining tokens), each with an hour to go."""
    context, remaining = np.array(members, dtype=float).reshape(-1, 2).T
    return RunningBatch(cost, remaining, context, np.full(len(members), 3600.0))


def committed(members: list[tuple[int, int]]) -> list[Committed]:
    return [Committed(context, remaining, 3600.0) for context, remaining in members]


def cost_of(bandwidth: float | None, overhead: float) -> BatchCost:
    node = ONE_SECOND_A_TOKEN.replace(memory_bandwidth=bandwidth, step_overhead_seconds=overhead)
    precision = W16 if overhead == 0.0 else W16.replace(request_overhead_seconds=overhead)
    return BatchCost(node, TINY_MODEL, precision)


def test_members_share_passes_until_the_shorter_one_ends() -> None:
    batch = batch_of(COST, [(2, 1), (1, 2)])
    # contexts 2 and 1: (20 + 16)/16 = 2.25 s; then the second alone at context 2: 20/16 = 1.25 s
    assert batch.seconds_until(np.array([1.0, 2.0])).tolist() == [2.25, 3.5]


def test_a_joiner_delays_a_member_by_its_prefill_and_the_steps_that_they_share() -> None:
    batch = batch_of(COST, [(2, 1), (1, 3)])
    # prefill 16/16 = 1 s; with the second member also its steps at contexts 2 and 3, (20 + 24)/16
    assert batch.delays(np.array([1.0]), np.array([9.0])).tolist() == [[1.0, 3.75]]
    # a joiner of two tokens has gone before the second member's last pass: one step, 20/16
    assert batch.delays(np.array([1.0]), np.array([2.0])).tolist() == [[1.0, 2.25]]


def test_an_empty_batch_leaves_the_joiner_alone() -> None:
    alone = batch_of(COST, []).ends(np.array([1.0]), np.array([2.0]))
    assert alone.tolist() == [2.25]  # 16/16 + 20/16


@given(
    st.lists(pairs, max_size=6),
    st.lists(pairs, min_size=1, max_size=4),
    st.sampled_from((None, 50.0)),
    st.sampled_from((0.0, 0.25)),
)
def test_ends_and_delays_are_the_evaluators_whoever_has_joined_before(
    members: list[tuple[int, int]],
    joiners: list[tuple[int, int]],
    bandwidth: float | None,
    overhead: float,
) -> None:
    cost = cost_of(bandwidth, overhead)
    running = committed(members)
    batch, joined = batch_of(cost, members), list[Request]()
    for number, (prompt, output) in enumerate(joiners):
        new = Request(str(number), prompt, output, 3600.0)
        passes = [int(each) for each in batch.remaining]
        before = [end_seconds(each, joined, running, cost) for each in passes]
        after = [end_seconds(each, [*joined, new], running, cost) for each in passes]
        own = end_seconds(output, [*joined, new], running, cost)
        prompts, outputs = np.array([float(prompt)]), np.array([float(output)])
        assert batch.seconds_until(batch.remaining) == pytest.approx(before)
        assert batch.delays(prompts, outputs)[0] == pytest.approx(
            np.subtract(after, before), rel=1e-6
        )
        assert batch.ends(prompts, outputs)[0] == pytest.approx(own)
        batch = batch.joined_by(float(prompt), float(output), 3600.0)
        joined.append(new)
    ends = [end_seconds(int(each), joined, running, cost) for each in batch.remaining]
    assert batch.seconds_until(batch.remaining) == pytest.approx(ends)


def test_members_are_kept_by_the_passes_that_they_still_need() -> None:
    batch = batch_of(COST, [(1, 9), (7, 2)]).joined_by(5.0, 4.0, 60.0)
    assert batch.remaining.tolist() == [2.0, 4.0, 9.0]
    assert batch.context.tolist() == [7.0, 5.0, 1.0]
    assert batch.allowed_seconds.tolist() == [3600.0, 60.0, 3600.0]
