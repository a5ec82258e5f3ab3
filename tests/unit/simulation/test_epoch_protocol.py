"""The epoch protocol: a timeline by hand, and what must hold in every run."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebatch.cost import evaluate
from edgebatch.errors import InputError
from edgebatch.problem import Batching, Node
from edgebatch.radio import Channel, RadioScenario
from edgebatch.scheduling import EpochProtocol, EpochScheduler, Hosting, Outcome, RequestRecord
from edgebatch.scheduling.log import BatchRecord, RunLog
from edgebatch.simulation.epoch_driver import EpochSimulation
from edgebatch.simulation.reality import Reality
from edgebatch.solvers import Dftsp, Edf, Fcfs, Greedy, NoBatching, Solver
from edgebatch.workload import Arrival
from toy_runs import (
    ONE_SECOND_A_TOKEN,
    TINY_MODEL,
    W8,
    W16,
    ListedWorkload,
    WatchedSolver,
    arrival,
    hosting,
    listed,
    records,
)

WITH_RADIO = ONE_SECOND_A_TOKEN.replace(uplink_seconds=0.5, downlink_seconds=0.25)


def run(
    *arrivals: Arrival,
    node: Node = WITH_RADIO,
    protocol: EpochProtocol = EpochProtocol(),
    reality: Reality = Reality(),
) -> RunLog:
    scheduler = EpochScheduler(hosting(node), Fcfs(batch_cap=1))
    return EpochSimulation(scheduler, listed(*arrivals), protocol, reality).run()


def timeline(log: RunLog) -> list[tuple[float, float, float, float]]:
    """Return decision, start, end and answer of every request."""
    return [
        (
            record.decided_at_seconds,
            log.batches[record.batch].started_at_seconds,
            record.last_token_at_seconds,
            record.finished_at_seconds,
        )
        for record in records(log)
    ]


def test_the_uplink_of_the_next_batch_ends_when_the_running_one_does() -> None:
    log = run(arrival(0, 0.0), arrival(1, 0.1), arrival(2, 0.2))
    assert timeline(log) == [
        (0.0, 0.5, 1.5, 1.75),
        (1.0, 1.5, 2.5, 2.75),  # 1.5 − 0.5
        (2.0, 2.5, 3.5, 3.75),
    ]
    assert log.span_seconds == 3.75
    assert log.busy_seconds == 3.0


def test_without_pipelining_one_thing_happens_at_a_time() -> None:
    log = run(arrival(0, 0.0), arrival(1, 0.1), protocol=EpochProtocol(pipelined=False))
    assert timeline(log) == [(0.0, 0.5, 1.5, 1.75), (1.75, 2.25, 3.25, 3.5)]


def test_fixed_epochs_decide_at_their_multiples_only() -> None:
    log = run(arrival(0, 0.1), arrival(1, 0.2), protocol=EpochProtocol(epoch_seconds=2.0))
    assert timeline(log) == [(2.0, 2.5, 3.5, 3.75), (4.0, 4.5, 5.5, 5.75)]


def test_a_batch_whose_prompts_are_there_waits_for_the_running_one() -> None:
    # epochs shorter than a batch: decided at 1, sent at 1.5, computed once the first has ended
    log = run(
        arrival(0, 0.1, 2),
        arrival(1, 0.2),
        arrival(2, 0.3),
        protocol=EpochProtocol(epoch_seconds=1),
    )
    # the first takes (12·2 + 4·4)/16 = 2.5 s
    assert timeline(log) == [
        (1.0, 1.5, 4.0, 4.25),
        (2.0, 4.0, 5.0, 5.25),
        (4.0, 5.0, 6.0, 6.25),
    ]


def test_answers_queue_for_the_downlink() -> None:
    slow = ONE_SECOND_A_TOKEN.replace(downlink_seconds=3.0)
    log = run(arrival(0, 0.0), arrival(1, 0.0), node=slow)
    assert timeline(log) == [(0.0, 0.0, 1.0, 4.0), (1.0, 1.0, 2.0, 7.0)]


def test_a_batch_is_not_chosen_if_the_running_one_will_keep_the_downlink_too_long() -> None:
    # while the first is computed (0.5 to 1.5) its answers are known to take until 4.5; those of
    # the second, decided at 1.0, would arrive at 7.5
    slow = ONE_SECOND_A_TOKEN.replace(uplink_seconds=0.5, downlink_seconds=3.0)
    too_late = run(arrival(0, 0.0), arrival(1, 0.1, deadline=7.3), node=slow)
    assert [record.outcome for record in records(too_late)] == [Outcome.IN_TIME, Outcome.EXPIRED]
    in_time = run(arrival(0, 0.0), arrival(1, 0.1, deadline=7.4), node=slow)
    assert [record.outcome for record in records(in_time)] == [Outcome.IN_TIME] * 2
    assert records(in_time)[1].finished_at_seconds == 7.5


def test_the_first_token_comes_at_the_end_of_the_first_pass() -> None:
    log = run(arrival(0, 0.0, 1, 2))
    assert records(log)[0].first_token_at_seconds == 1.5  # uplink 0.5, prefill 16/16
    assert records(log)[0].last_token_at_seconds == 2.75  # step at context 2: 20/16


def test_a_shorter_answer_than_its_limit_ends_sooner() -> None:
    log = run(arrival(0, 0.0, 1, 2, actual=1), arrival(1, 0.1))
    assert log.batches[0].believed_seconds == 2.25
    assert log.batches[0].ended_at_seconds == 1.5
    assert records(log)[1].decided_at_seconds == 1.5  # at once, not at 2.75 − 0.5 as was planned


def test_a_slow_node_makes_requests_late() -> None:
    in_time = run(arrival(0, 0.0, deadline=1.8))  # 0.5 + 1 + 0.25
    late = run(arrival(0, 0.0, deadline=1.8), reality=Reality(time_factor=1.2))
    assert records(in_time)[0].outcome == Outcome.IN_TIME
    assert records(late)[0].outcome == Outcome.LATE
    assert records(late)[0].finished_at_seconds == pytest.approx(1.95)


def test_a_short_limit_on_batches_splits_them() -> None:
    scheduler = EpochScheduler(hosting(), Fcfs())
    protocol = EpochProtocol(longest_batch_seconds=2.0)
    arrivals = (arrival(0, 0.0, 4), *(arrival(number, 0.0) for number in range(1, 6)))
    log = EpochSimulation(scheduler, listed(*arrivals), protocol).run()
    # the long one alone takes (48 + 64)/16 = 7 s, which is allowed; the others go in pairs
    assert [batch.size for batch in log.batches] == [1, 2, 2, 1]


def test_every_arrival_is_announced() -> None:
    seen: list[int] = []
    scheduler = EpochScheduler(hosting(), Fcfs())
    simulation = EpochSimulation(scheduler, listed(arrival(0, 0.0), arrival(1, 1.0)))
    simulation.run(on_arrival=lambda: seen.append(1))
    assert len(seen) == 2


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.inf, math.nan])
def test_a_protocol_time_that_is_none_is_refused(seconds: float) -> None:
    with pytest.raises(InputError, match="epoch_seconds"):
        EpochProtocol(epoch_seconds=seconds)
    with pytest.raises(InputError, match="longest_batch_seconds"):
        EpochProtocol(longest_batch_seconds=seconds)


@dataclass(frozen=True)
class Case:
    """A run to be checked."""

    log: RunLog
    solver: WatchedSolver
    node: Node
    protocol: EpochProtocol
    as_believed: bool
    num_arrivals: int


SOLVERS: tuple[Solver, ...] = (Dftsp(), Fcfs(), Fcfs(batch_cap=2), Edf(), Greedy(), NoBatching())
NARROW = RadioScenario(uplink_hz=1e5, downlink_hz=1e5, block_seconds=0.5)


def drawn_arrivals(seed: int, count: int, rate: float, shorter: bool) -> tuple[Arrival, ...]:
    generator = np.random.default_rng(seed)
    times = np.cumsum(generator.exponential(1.0 / rate, count))
    arrivals = []
    for number, at in enumerate(times.tolist()):
        prompt, output = (int(length) for length in generator.integers(1, 10, 2))
        actual = int(generator.integers(1, output + 1)) if shorter else output
        deadline = float(generator.uniform(1.0, 40.0))
        quality = float(generator.choice((0.0, 0.0, 0.95)))
        bits = float(generator.uniform(1e3, 2e5))
        arrivals.append(Arrival(number, at, prompt, output, actual, deadline, quality, 1.0, bits))
    return tuple(arrivals)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    count = draw(st.integers(1, 14))
    shorter = draw(st.booleans())
    factor = draw(st.sampled_from((1.0, 1.0, 1.3)))
    arrivals = drawn_arrivals(
        draw(st.integers(0, 10**6)), count, draw(st.sampled_from((0.1, 1.0, 5.0))), shorter
    )
    node = Node(
        memory_bytes=12.0 + 6.0 + 4.0 * draw(st.sampled_from((18, 60, 1000))),
        flops=71.3,
        uplink_seconds=draw(st.sampled_from((0.0, 0.3, 2.0))),
        downlink_seconds=draw(st.sampled_from((0.0, 0.2, 3.0))),
        step_overhead_seconds=draw(st.sampled_from((0.0, 0.0137))),
    )
    protocol = EpochProtocol(
        pipelined=draw(st.booleans()),
        epoch_seconds=draw(st.sampled_from((None, None, 0.7, 5.0))),
        longest_batch_seconds=draw(st.sampled_from((None, 3.0))),
    )
    solver = WatchedSolver(draw(st.sampled_from(SOLVERS)))
    channel = draw(st.sampled_from((None, Channel(NARROW, 3))))
    scheduler = EpochScheduler(
        Hosting(node, TINY_MODEL, (W16, W8), draw(st.sampled_from(Batching))),
        solver,
        channel=channel,
        queue_limit=draw(st.sampled_from((None, 2))),
    )
    log = EpochSimulation(
        scheduler, ListedWorkload(arrivals), protocol, Reality(time_factor=factor)
    ).run()
    return Case(log, solver, node, protocol, factor == 1.0 and not shorter, count)


@settings(max_examples=300)
@given(case=cases())
def test_what_must_hold_in_every_run(case: Case) -> None:
    ends = records(case.log)
    assert [record.number for record in ends] == list(range(case.num_arrivals))
    assert len(case.log.batches) == len(case.solver.batches)
    if case.as_believed:
        assert Outcome.LATE not in {record.outcome for record in ends}
    before: BatchRecord | None = None
    answered_before = 0.0
    for batch in case.log.batches:
        members = [record for record in ends if record.batch == batch.number]
        assert len(members) == batch.size > 0
        answered_at = check_members(case, batch, members)
        check_choice(case, batch, members)
        check_order(case, batch, before, answered_before)
        assert answered_at == pytest.approx(
            max(batch.ended_at_seconds, answered_before) + case.node.downlink_seconds
        )
        before, answered_before = batch, answered_at


def check_members(case: Case, batch: BatchRecord, members: list[RequestRecord]) -> float:
    """Check the instants of one batch and return when its answers arrived."""
    (answered_at,) = {record.finished_at_seconds for record in members}
    for record in members:
        assert record.arrival_seconds <= record.decided_at_seconds == batch.decided_at_seconds
        assert record.decided_at_seconds + case.node.uplink_seconds <= batch.started_at_seconds
        assert batch.started_at_seconds < record.first_token_at_seconds
        assert record.first_token_at_seconds <= record.last_token_at_seconds * (1.0 + 1e-12)
        assert record.last_token_at_seconds == batch.ended_at_seconds
        assert record.last_token_at_seconds + case.node.downlink_seconds <= answered_at
    if case.as_believed:
        seconds = batch.ended_at_seconds - batch.started_at_seconds
        assert seconds == pytest.approx(batch.believed_seconds)
    return answered_at


def check_choice(case: Case, batch: BatchRecord, members: list[RequestRecord]) -> None:
    """Check that the batch is what the solver chose, and that the evaluator allows it."""
    problem, result = case.solver.batches[batch.number]
    chosen = [problem.requests.ids[index] for index in result.selected]
    assert sorted(chosen) == sorted(str(record.number) for record in members)
    assert result.precision == case.log.precisions[batch.precision]
    evaluation = evaluate(problem, result.selected, result.precision or "")
    assert evaluation.feasible
    assert batch.believed_seconds == pytest.approx(evaluation.latency_seconds)
    assert batch.memory_use == pytest.approx(evaluation.memory_bytes / case.node.memory_bytes)
    assert batch.uplink_use == pytest.approx(evaluation.uplink_use)
    assert batch.downlink_use == pytest.approx(evaluation.downlink_use)
    for index, record in zip(result.selected, members, strict=True):
        request = problem.requests[index]
        assert (request.prompt_tokens, request.output_tokens) == (
            record.prompt_tokens,
            record.output_tokens,
        )
        # no more time than is left once the prompt has been sent at the decision
        left = record.deadline_at_seconds - batch.decided_at_seconds
        assert request.deadline_seconds <= left + 1e-9
    longest = case.protocol.longest_batch_seconds
    if longest is not None and batch.size > 1:
        alone = max(
            evaluate(problem, (index,), name).latency_seconds
            for index in result.selected
            for name in case.log.precisions
        )
        assert batch.believed_seconds <= max(longest, alone) * (1.0 + 1e-9)


def check_order(
    case: Case, batch: BatchRecord, before: BatchRecord | None, answered_before: float
) -> None:
    """Check that the node and the uplink serve one batch at a time, and when they may."""
    epoch = case.protocol.epoch_seconds
    if epoch is not None:
        assert batch.decided_at_seconds / epoch == pytest.approx(
            round(batch.decided_at_seconds / epoch)
        )
    if before is None:
        return
    assert batch.started_at_seconds == pytest.approx(
        max(before.ended_at_seconds, batch.decided_at_seconds + case.node.uplink_seconds)
    )
    # nobody's prompts are sent while others' are, or while others wait to be computed
    assert batch.decided_at_seconds >= before.started_at_seconds
    if not case.protocol.pipelined:
        assert batch.decided_at_seconds >= answered_before
    elif epoch is None:
        believed_end = before.started_at_seconds + before.believed_seconds
        permitted = min(believed_end - case.node.uplink_seconds, before.ended_at_seconds)
        if case.node.uplink_seconds == 0.0:
            permitted = before.ended_at_seconds
        assert batch.decided_at_seconds >= permitted * (1.0 - 1e-12)
