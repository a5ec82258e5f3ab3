"""``rolling`` in whole runs: what it keeps, what it learns, and how it gets over a change."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import pytest

from edgebatch.scenario import Policy, Scenario, parse_policy
from edgebatch.scheduling import NodePool, Outcome, RollingRules, RollingScheduler
from edgebatch.simulation import ContinuousSimulation, Reality, RunLog, summarise
from edgebatch.simulation.reality import Factors
from toy_runs import records

ROLLING = Policy("rolling")


def peers(rate: float, num_requests: int, *settings: str) -> Scenario:
    sizes = [f"workload.rate_per_second={rate}", f"workload.num_requests={num_requests}"]
    return Scenario.load("peers-7b", [*sizes, *settings])


def in_time(log: RunLog) -> int:
    return summarise(log).in_time


@pytest.mark.parametrize("rate", [0.5, 2.0, 10.0])
@pytest.mark.parametrize("shorter", [(), ("workload.actual_fraction=[0.2, 0.6, 1.0]",)])
def test_nobody_who_is_let_in_is_late(rate: float, shorter: tuple[str, ...]) -> None:
    outcomes = [record.outcome for record in records(peers(rate, 150, *shorter).run(ROLLING))]
    assert Outcome.LATE not in outcomes
    assert Outcome.IN_TIME in outcomes


def test_it_serves_more_in_time_than_first_come_first_served_when_more_is_asked_than_it_can() -> (
    None
):
    scenario = peers(6.0, 300)
    fcfs = parse_policy("continuous:expire=true,batch_cap=8")
    assert in_time(scenario.run(ROLLING)) > 1.5 * in_time(scenario.run(fcfs))


def test_the_same_scenario_gives_the_same_run() -> None:
    scenario = peers(3.0, 100, "reality.noise=0.2")
    first, second = (str(records(scenario.run(ROLLING))) for _ in range(2))
    assert first == second


def test_more_value_is_served_where_values_differ() -> None:
    differing = peers(6.0, 300, "workload.value=[1.0, 5.0]")
    valued = summarise(differing.run(ROLLING))
    # the same requests, values not looked at: served in time at mean value 3
    assert valued.value_in_time > 1.2 * 3.0 * in_time(peers(6.0, 300).run(ROLLING))


def scheduler_after(scenario: Scenario) -> RollingScheduler:
    """Return the scheduler of a run, with all that it has learnt."""
    scheduler = RollingScheduler(scenario.hosting, RollingRules())
    ContinuousSimulation(NodePool([scheduler]), scenario.workload, scenario.reality).run()
    return scheduler


@pytest.mark.parametrize("factor", [0.8, 1.2])
def test_it_learns_how_fast_the_node_is(factor: float) -> None:
    scheduler = scheduler_after(peers(2.0, 60, f"reality.time_factor={factor}"))
    assert scheduler.pace.pace == pytest.approx(factor)
    assert scheduler.pace.scatter == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("rate", [1.0, 4.0])
def test_on_a_slow_and_noisy_node_it_serves_nearly_what_one_who_knows_does(rate: float) -> None:
    strange = peers(rate, 300, "reality.time_factor=1.2", "reality.noise=0.1")
    node = strange.hosting.node
    assert node.memory_bandwidth is not None
    informed = peers(
        rate,
        300,
        f"node.flops={node.flops / 1.2}",
        f"node.memory_bandwidth={node.memory_bandwidth / 1.2}",
    )
    assert in_time(strange.run(ROLLING)) >= 0.9 * in_time(informed.run(ROLLING))


@dataclass(frozen=True, slots=True)
class Throttled(Reality):
    """A node that after so many stretches takes ``time_factor`` times as long as before."""

    num_stretches: int = 0

    def factors(self, node: int = 0) -> Factors:
        return _FactorsOfThrottled(self)


class _FactorsOfThrottled(Factors):
    def __init__(self, reality: Throttled) -> None:
        super().__init__(reality)
        self._left, self._then = reality.num_stretches, reality.time_factor

    def next(self) -> float:
        self._left -= 1
        return 1.0 if self._left >= 0 else self._then


class WatchedRolling(RollingScheduler):
    """Notes the pace that it believes in after every observation."""

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(scenario.hosting, RollingRules())
        self.paces: list[float] = []

    def observe(self, believed_seconds: float, actual_seconds: float, size: float) -> None:
        super().observe(believed_seconds, actual_seconds, size)
        self.paces.append(self.pace.pace)


def test_after_a_sudden_slowdown_it_soon_admits_only_what_it_can_keep() -> None:
    scenario = peers(2.5, 1000)
    scheduler = WatchedRolling(scenario)
    reality = Throttled(time_factor=1.5, num_stretches=600)
    log = ContinuousSimulation(NodePool([scheduler]), scenario.workload, reality).run()
    paces = scheduler.paces[599:]
    assert paces[0] == pytest.approx(1.0)
    # towards the new pace from one side only, never past it or back
    assert all(before <= after + 1e-12 for before, after in pairwise(paces))
    assert paces[-1] == pytest.approx(1.5, abs=0.01)
    everyone = records(log)
    late = [record for record in everyone if record.outcome == Outcome.LATE]
    assert 0 < len(late) < 20
    # the memory is 20 s: nobody is late who was let in a minute after the first who was
    settled = late[0].decided_at_seconds + 60.0
    assert max(record.decided_at_seconds for record in late) < settled
    after = [each for each in everyone if each.arrival_seconds > settled]
    served = sum(each.outcome == Outcome.IN_TIME for each in after) / len(after)
    slow = peers(2.5, 1000, "node.flops=17.73e12", "node.memory_bandwidth=0.793e12")
    expected = summarise(slow.run(ROLLING)).attainment
    assert served > 0.9 * expected


def test_shares_give_a_tenant_with_few_requests_what_a_crowd_would_take() -> None:
    crowd = ("workload.tenants=[9, 1]",)
    served = {}
    for shares in ((), ("scheduler.tenant_shares=[1, 1]",)):
        scenario = peers(8.0, 400, *crowd, *shares)
        tenant = {each.number: each.tenant for each in scenario.workload}
        log = scenario.run(ROLLING)
        served[shares] = [
            sum(tenant[each.number] for each in records(log) if each.outcome == Outcome.IN_TIME),
            sum(each.outcome == Outcome.LATE for each in records(log)),
        ]
    (without, _), (with_shares, late) = served.values()
    # a tenth of the requests may claim half of the node: it gets far more than its tenth
    assert with_shares > 1.5 * without
    assert late == 0
