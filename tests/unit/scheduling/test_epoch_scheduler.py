"""From the queue to a batch: what the solver is asked, and what comes of its answer."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgebatch.cost import Budget
from edgebatch.errors import InputError
from edgebatch.problem import Node, Problem
from edgebatch.radio import Channel, RadioScenario
from edgebatch.scheduling import Batch, EpochScheduler, Outcome, Reason
from edgebatch.solvers import Dftsp, Fcfs, Stop
from toy_runs import ONE_SECOND_A_TOKEN, W8, W16, WatchedSolver, arrival, hosting

WITH_RADIO = ONE_SECOND_A_TOKEN.replace(uplink_seconds=0.5, downlink_seconds=0.25)


def watched(
    node: Node = WITH_RADIO, channel: Channel | None = None
) -> tuple[EpochScheduler, WatchedSolver]:
    solver = WatchedSolver(Fcfs())
    return EpochScheduler(hosting(node, W16, W8), solver, channel=channel), solver


def asked(solver: WatchedSolver) -> Problem:
    """Return the problem of the last batch."""
    return solver.batches[-1][0]


def test_deadlines_count_from_the_decision() -> None:
    scheduler, solver = watched()
    scheduler.submit(arrival(0, 1.0, deadline=10.0), 1.0)
    scheduler.decide(now=3.0)
    assert asked(solver).requests.deadline_seconds.tolist() == [8.0]  # 1 + 10 − 3


def test_waiting_for_the_running_batch_takes_from_the_deadlines() -> None:
    scheduler, solver = watched()
    scheduler.submit(arrival(0, 1.0, deadline=10.0), 1.0)
    scheduler.decide(now=3.0, compute_free_at=4.25)
    # the prompts are there at 3.5, but computed only from 4.25 on
    assert asked(solver).requests.deadline_seconds.tolist() == [7.25]


def test_a_running_batch_that_ends_during_the_uplink_costs_nothing() -> None:
    scheduler, solver = watched()
    scheduler.submit(arrival(0, 1.0, deadline=10.0), 1.0)
    scheduler.decide(now=3.0, compute_free_at=3.5)
    assert asked(solver).requests.deadline_seconds.tolist() == [8.0]


def test_who_would_have_to_wait_too_long_for_the_downlink_is_no_candidate() -> None:
    scheduler, solver = watched()
    scheduler.submit(arrival(0, 0.0, deadline=5.0), 0.0)
    scheduler.submit(arrival(1, 0.0, deadline=6.0), 0.0)
    batch = scheduler.decide(now=0.0, downlink_free_at=5.5)
    assert batch is not None
    assert asked(solver).requests.ids == ("1",)  # 5.5 + 0.25
    assert 0 in scheduler.queue


def test_a_limit_draws_deadlines_in_but_never_below_the_request_alone() -> None:
    scheduler, solver = watched(ONE_SECOND_A_TOKEN)
    scheduler.submit(arrival(0, 0.0, deadline=50.0), 0.0)
    scheduler.submit(arrival(1, 0.0, 4, deadline=50.0), 0.0)
    scheduler.submit(arrival(2, 0.0, deadline=1.5), 0.0)
    scheduler.decide(now=0.0, longest_batch_seconds=2.0)
    # the long prompt alone takes (48 + 64)/16
    assert asked(solver).requests.deadline_seconds.tolist() == [2.0, 7.0, 1.5]


def test_a_limit_leaves_a_slow_node_the_time_that_it_takes_for_a_request_alone() -> None:
    scheduler, _ = watched()
    scheduler.observe(believed_seconds=1.0, actual_seconds=2.0)
    scheduler.submit(arrival(0, 0.0, 4, deadline=50.0), 0.0)
    batch = scheduler.decide(now=0.0, longest_batch_seconds=2.0)
    assert batch is not None
    assert batch.compute_seconds == 14.0  # 2·(48 + 64)/16


def test_without_a_channel_the_spectrum_is_free() -> None:
    scheduler, solver = watched()
    scheduler.submit(arrival(0, 0.0), 0.0)
    scheduler.decide(now=0.0)
    assert asked(solver).requests.uplink_share.tolist() == [0.0]


def test_shares_come_from_the_channel_of_the_moment() -> None:
    channel = Channel(RadioScenario(block_seconds=0.5), seed=1)
    scheduler, solver = watched(channel=channel)
    given_bits = arrival(0, 0.0)._replace(prompt_bits=5e5)
    scheduler.submit(given_bits, 0.0)
    scheduler.submit(arrival(1, 0.0, 3, 7), 0.0)
    scheduler.decide(now=0.8)  # the second block
    numbers = np.array([0, 1])
    up, down = channel.rates(numbers, block=1)
    requests = asked(solver).requests
    # 32 bits a token
    assert requests.uplink_share == pytest.approx(np.array([5e5, 96.0]) / (0.5 * up))
    assert requests.downlink_share == pytest.approx(np.array([32.0, 224.0]) / (0.25 * down))


def decided(scheduler: EpochScheduler, now: float = 0.0) -> Batch:
    batch = scheduler.decide(now)
    assert batch is not None
    return batch


def test_a_batch_says_what_it_uses_and_who_is_in_it() -> None:
    scheduler, _ = watched()
    for number in range(2):
        scheduler.submit(arrival(number, 0.0, deadline=2.8), 0.0)
    scheduler.submit(arrival(2, 0.0, deadline=2.8, quality=0.95), 0.0)
    batch = decided(scheduler)
    # 0.5 + 2·1 + 0.25 < 2.8 in either precision; w16 comes first, w8 is as quick for one token
    assert [member.arrival.number for member in batch.members] == [0, 1]
    assert (batch.number, batch.decided_at_seconds, batch.num_waiting) == (0, 0.0, 3)
    assert batch.compute_seconds == 2.0
    assert batch.memory_bytes == 12.0 + 6.0 + 2.0 * 4.0 * 2.0
    assert batch.binding is Budget.LATENCY
    assert len(scheduler.queue) == 1
    assert decided(scheduler).number == 1


def test_nobody_left_out_means_that_nothing_binds() -> None:
    scheduler, _ = watched()
    scheduler.submit(arrival(0, 0.0), 0.0)
    assert decided(scheduler).binding is None


def test_an_empty_queue_gives_no_batch() -> None:
    scheduler, solver = watched()
    assert scheduler.decide(now=0.0) is None
    assert solver.batches == []


def test_who_has_waited_too_long_is_expired_before_the_decision() -> None:
    scheduler, _ = watched()
    scheduler.submit(arrival(0, 0.0, deadline=2.0), 0.0)
    assert scheduler.decide(now=1.0) is None  # 1 + 1.75 > 2
    assert scheduler.ledger.column("outcome").tolist() == [Outcome.EXPIRED]


def test_completing_a_batch_closes_its_requests() -> None:
    scheduler, _ = watched()
    scheduler.submit(arrival(0, 0.0, deadline=5.0), 0.0)
    scheduler.submit(arrival(1, 0.0, deadline=4.0), 0.0)
    batch = decided(scheduler)
    scheduler.complete(batch, first_token_at=2.0, last_token_at=4.0, finished_at=4.5)
    assert scheduler.ledger.column("outcome").tolist() == [Outcome.IN_TIME, Outcome.LATE]
    assert scheduler.ledger.column("finished_at_seconds").tolist() == [4.5, 4.5]
    scheduler.ledger.check_conservation()


def test_without_a_deadline_a_prompt_that_no_channel_could_carry_is_rejected_at_once() -> None:
    node = ONE_SECOND_A_TOKEN.replace(uplink_seconds=0.25)
    scheduler = EpochScheduler(hosting(node), Fcfs(), channel=Channel(RadioScenario(), seed=1))
    endless = arrival(0, 0.0, deadline=math.inf)
    assert scheduler.submit(endless._replace(prompt_bits=1e15), 0.0) is None
    assert scheduler.submit(endless._replace(number=1, prompt_bits=1e5), 0.0) is not None
    assert scheduler.ledger.column("reason").tolist() == [Reason.RADIO]


def test_a_search_that_is_cut_short_with_empty_hands_still_serves_the_oldest() -> None:
    scheduler = EpochScheduler(hosting(), Dftsp(), stop=Stop(node_limit=0))
    scheduler.submit(arrival(0, 0.0, deadline=math.inf), 0.0)
    batch = scheduler.decide(0.0)
    assert batch is not None
    assert [member.arrival.number for member in batch.members] == [0]


def test_a_batch_has_no_more_members_than_the_engine_runs_at_once() -> None:
    scheduler = EpochScheduler(replace(hosting(), max_running=2), Dftsp())
    for number in range(9):
        scheduler.submit(arrival(number, 0.0), 0.0)
    sizes = []
    for most in (None, 1, 3, None):  # in place of any such limit before
        scheduler.limit_running(most)
        batch = decided(scheduler)
        sizes.append(len(batch.members))
    assert sizes == [2, 1, 2, 2]
    assert batch.binding is Budget.SIZE


@pytest.mark.parametrize("most", [0, -1, 1.5])
def test_an_engine_that_runs_nobody_is_refused(most: Any) -> None:
    with pytest.raises(InputError, match="max_running: must be a whole number of at least 1"):
        replace(hosting(), max_running=most)
