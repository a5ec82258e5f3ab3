"""Continuous batching by hand: stalls, places that become free, and who may join then."""

from __future__ import annotations

import pytest

from edgebatch.cost import Budget
from edgebatch.problem import Node
from edgebatch.scheduling import ContinuousScheduler, JoinRules, NodePool, Outcome, RequestRecord
from edgebatch.scheduling.log import RunLog
from edgebatch.simulation.continuous_driver import ContinuousSimulation
from edgebatch.simulation.reality import Reality
from edgebatch.workload import Arrival
from toy_runs import ONE_SECOND_A_TOKEN, arrival, hosting, listed, records


def run(
    *arrivals: Arrival,
    node: Node = ONE_SECOND_A_TOKEN,
    rules: JoinRules | None = None,
    reality: Reality = Reality(),
) -> RunLog:
    scheduler = ContinuousScheduler(hosting(node), rules or JoinRules())
    return ContinuousSimulation(NodePool([scheduler]), listed(*arrivals), reality).run()


def instants(record: RequestRecord) -> tuple[float, float, float]:
    return (
        record.decided_at_seconds,
        record.first_token_at_seconds,
        record.last_token_at_seconds,
    )


def test_a_lone_request_is_prefilled_and_decoded() -> None:
    (record,) = records(run(arrival(0, 2.0, 1, 3)))
    # prefill 16/16, steps at contexts 2 and 3: 20/16 and 24/16
    assert instants(record) == (2.0, 3.0, 5.75)


def test_who_runs_stalls_while_a_joiner_is_prefilled() -> None:
    first, second = records(run(arrival(0, 0.0, 1, 3), arrival(1, 0.5, 2, 1)))
    # the second joins at the next step, 1.0: its prefill, (24 + 16)/16 = 2.5, and the first's
    # step at context 2, 1.25, end at 4.75; then the first's last step, 1.5
    assert instants(first) == (0.0, 1.0, 6.25)
    assert instants(second) == (1.0, 4.75, 4.75)


def test_a_place_is_free_from_the_step_at_which_a_member_ends() -> None:
    rules = JoinRules(batch_cap=1)
    log = run(arrival(0, 0.0, 1, 2), arrival(1, 0.1), rules=rules)
    assert instants(records(log)[1]) == (2.25, 3.25, 3.25)
    assert log.batches[0].binding is Budget.SIZE


def test_the_head_of_the_line_is_not_overtaken() -> None:
    # 14 tokens fit: 11 run, the head needs 4, the one behind it only 2
    node = ONE_SECOND_A_TOKEN.replace(memory_bytes=12.0 + 4.0 * 14)
    log = run(arrival(0, 0.0, 1, 10), arrival(1, 0.5, 3, 1), arrival(2, 0.6), node=node)
    ends = records(log)
    assert ends[1].decided_at_seconds == ends[2].decided_at_seconds == ends[0].last_token_at_seconds
    assert log.batches[0].binding is Budget.MEMORY


@pytest.mark.parametrize("at", [0.6, 2.1])
def test_an_expired_head_makes_way_at_the_next_step(at: float) -> None:
    # as above, but the head, which alone takes (36 + 36)/16 = 4.5 s, must start by 2.0; steps end
    # at 1.0, 2.25 and so on
    node = ONE_SECOND_A_TOKEN.replace(memory_bytes=12.0 + 4.0 * 14)
    rules = JoinRules(expire=True)
    arrivals = (arrival(0, 0.0, 1, 10), arrival(1, 0.5, 3, 1, deadline=6.0), arrival(2, at))
    ends = records(run(*arrivals, node=node, rules=rules))
    assert ends[1].outcome == Outcome.EXPIRED
    assert ends[1].decided_at_seconds == pytest.approx(2.0, rel=1e-8)
    # prefill 1.0 and the first's step at context 3, 1.5
    assert instants(ends[2]) == (2.25, 4.75, 4.75)


def test_the_uplink_comes_before_the_queue_and_the_downlink_after_the_last_token() -> None:
    node = ONE_SECOND_A_TOKEN.replace(uplink_seconds=0.5, downlink_seconds=0.25)
    (record,) = records(run(arrival(0, 0.0, deadline=1.75), node=node))
    assert instants(record) == (0.5, 1.5, 1.5)
    assert record.finished_at_seconds == 1.75
    assert record.outcome == Outcome.IN_TIME


@pytest.mark.parametrize(("deadline", "served"), [(1.75, True), (1.74, False)])
def test_who_can_just_be_in_time_is_not_turned_away(deadline: float, served: bool) -> None:
    node = ONE_SECOND_A_TOKEN.replace(
        uplink_seconds=0.5, downlink_seconds=0.25, batch_overhead_seconds=0.1
    )
    (record,) = records(
        run(arrival(0, 0.0, deadline=deadline), node=node, rules=JoinRules(expire=True))
    )
    # joining a batch costs no batch overhead: 0.5 + 1 + 0.25
    assert record.outcome == (Outcome.IN_TIME if served else Outcome.REJECTED)


def test_todays_engines_serve_late() -> None:
    (record,) = records(run(arrival(0, 0.0, deadline=0.5)))
    assert record.outcome == Outcome.LATE


def test_only_the_tokens_that_are_really_produced_take_time() -> None:
    (record,) = records(run(arrival(0, 0.0, 1, 3, actual=2)))
    assert instants(record) == (0.0, 1.0, 2.25)


def test_a_slow_node_takes_its_factor() -> None:
    (record,) = records(run(arrival(0, 0.0, 1, 3), reality=Reality(time_factor=2.0)))
    assert instants(record) == (0.0, 2.0, 7.5)


def test_use_adds_up() -> None:
    log = run(arrival(0, 0.0, 1, 3), arrival(1, 0.5, 2, 1), arrival(2, 10.0))
    # busy 0 to 6.25 and 10 to 11; the second runs from 1.0 to 4.75
    assert log.busy_seconds == 7.25
    assert log.running_seconds == 6.25 + 3.75 + 1.0
    assert log.span_seconds == 11.0
    assert [batch.size for batch in log.batches] == [1, 1, 1]
    assert [batch.running for batch in log.batches] == [1, 2, 1]
