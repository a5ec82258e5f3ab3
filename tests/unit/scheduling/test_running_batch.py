"""When members of a running batch end, against the definition of the evaluator."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebatch.cost import BatchCost, end_seconds
from edgebatch.problem import Committed, Request
from edgebatch.problem.checks import FloatArray
from edgebatch.scheduling import Promises, RunningBatch
from toy_runs import ONE_SECOND_A_TOKEN, TINY_MODEL, W16

COST = BatchCost(ONE_SECOND_A_TOKEN, TINY_MODEL, W16)
lengths = st.integers(1, 40)
pairs = st.tuples(lengths, lengths)


def batch_of(cost: BatchCost, members: list[tuple[int, int]]) -> RunningBatch:
    """Return a running batch of (context, remaining tokens), each with an hour to go."""
    context, remaining = np.array(members, dtype=float).reshape(-1, 2).T
    return RunningBatch(cost, remaining, context, an_hour(remaining))


def an_hour(*passes: FloatArray | float) -> Promises:
    """Return promises of tokens that come with these passes."""
    together = np.concatenate([np.atleast_1d(each) for each in passes])
    return Promises(together, np.full(len(together), 3600.0))


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
        passes = [int(each) for each in batch.promises.passes]
        before = [end_seconds(each, joined, running, cost) for each in passes]
        after = [end_seconds(each, [*joined, new], running, cost) for each in passes]
        own = end_seconds(output, [*joined, new], running, cost)
        prompts, outputs = np.array([float(prompt)]), np.array([float(output)])
        assert batch.seconds_until(batch.promises.passes) == pytest.approx(before)
        assert batch.delays(prompts, outputs)[0] == pytest.approx(
            np.subtract(after, before), rel=1e-6
        )
        assert batch.ends(prompts, outputs)[0] == pytest.approx(own)
        batch = batch.joined_by(float(prompt), float(output), an_hour(1.0, float(output)))
        joined.append(new)
    ends = [end_seconds(int(each), joined, running, cost) for each in batch.remaining]
    assert batch.seconds_until(batch.remaining) == pytest.approx(ends)


@given(st.lists(pairs, min_size=1, max_size=6), pairs, pairs)
def test_who_joins_after_a_pass_is_as_if_that_pass_were_over(
    members: list[tuple[int, int]], joiner: tuple[int, int], last: tuple[int, int]
) -> None:
    batch = batch_of(COST, members)
    batch = replace(batch, promises=batch.promises.after(1.0))
    pass_seconds = float(batch.seconds_until(np.array([1.0]))[0])
    after = batch_of(COST, [(context + 1, left - 1) for context, left in members if left > 1])
    for prompt, output in (joiner, last):
        own = np.array([float(prompt)]), np.array([float(output)])
        assert batch.promises.passes.tolist() == [each + 1.0 for each in after.promises.passes]
        assert batch.delays(*own, 1.0)[0] == pytest.approx(after.delays(*own)[0])
        ends = batch.ends(*own, 1.0)
        assert ends == pytest.approx(pass_seconds + after.ends(*own))
        batch = batch.joined_by(float(prompt), float(output), an_hour(output + 1.0), 1.0)
        after = after.joined_by(float(prompt), float(output), an_hour(float(output)))
        assert batch.seconds_until(batch.promises.passes) == pytest.approx(
            pass_seconds + after.seconds_until(after.promises.passes)
        )


@given(st.lists(st.tuples(lengths, st.integers(0, 3), lengths, st.booleans()), max_size=5))
def test_a_batch_made_at_once_is_one_that_members_joined_one_by_one(
    members: list[tuple[int, int, int, bool]],
) -> None:
    one_by_one = batch_of(COST, [(s + got, left) for s, got, left, _ in members if got])
    for prompt, gained, left, waits in members:
        if not gained:
            one_by_one = one_by_one.joined_by(
                float(prompt), float(left), an_hour(float(left + waits)), float(waits)
            )
    columns = np.array([(s, got, left, waits and not got) for s, got, left, waits in members])
    at_once = RunningBatch.of(COST, *columns.reshape(-1, 4).T.astype(float))
    passes = np.arange(1.0, 50.0)
    assert at_once.seconds_until(passes) == pytest.approx(one_by_one.seconds_until(passes))


def test_members_are_kept_by_the_passes_that_they_still_need() -> None:
    batch = batch_of(COST, [(1, 9), (7, 2)])
    batch = batch.joined_by(5.0, 4.0, Promises(np.array([4.0]), np.array([60.0])))
    assert batch.remaining.tolist() == [2.0, 4.0, 9.0]
    assert batch.context.tolist() == [7.0, 5.0, 1.0]
    assert batch.promises.passes.tolist() == [9.0, 2.0, 4.0]
    assert batch.promises.allowed_seconds.tolist() == [3600.0, 3600.0, 60.0]


def test_who_joins_after_a_pass_stays_one_longer() -> None:
    batch = batch_of(COST, [(2, 3)]).joined_by(1.0, 2.0, an_hour(3.0), wait_passes=1.0)
    assert batch.remaining.tolist() == [3.0, 3.0]
    # 20/16 for the pass that runs, then 24/16 and the prompt's 16/16, then 28/16 and 20/16
    assert batch.seconds_until(np.array([3.0])).tolist() == [1.25 + 2.5 + 3.0]
