"""Tuning finds the knobs that serve most, and leaves those alone that are set."""

from __future__ import annotations

import pytest

from edgebatch.comparison import tuned
from edgebatch.comparison.tune import BATCH_CAPS
from edgebatch.scenario import Policy, Scenario, parse_policy, policy_names
from edgebatch.simulation import summarise
from toy_scenario import CUSTOM, toy

OVERLOADED = ("workload.rate_per_second=3", "node.batch_overhead_seconds=0.5")


def in_time(policy: Policy, scenario: Scenario) -> int:
    return summarise(scenario.run(policy)).in_time


@pytest.mark.parametrize("name", ["static", "fcfs", "greedy"])
def test_no_cap_serves_more_than_the_one_found(name: str) -> None:
    scenario = toy(*OVERLOADED)
    best = tuned(Policy(name), scenario, scenario.workload)
    most = in_time(best, scenario)
    assert most >= in_time(Policy(name), scenario)
    for cap in BATCH_CAPS:
        assert in_time(Policy(name, batch_cap=cap), scenario) <= most


def test_a_continuous_batch_is_best_kept_small_where_all_would_be_late() -> None:
    # answers of four tokens in 7 s: 16 + 3 · 12 + 4 · (2 + 3 + 4) FLOP alone, 5.5 s; two at once
    # would both take 11 s
    scenario = toy(
        "workload.output_tokens=4",
        "workload.deadline_seconds=7",
        "workload.arrivals=deterministic",
        "workload.rate_per_second=1",
    )
    best = tuned(Policy("continuous"), scenario, scenario.workload)
    assert best == Policy("continuous", batch_cap=1, expire=True)
    assert in_time(best, scenario) > in_time(Policy("continuous", expire=True), scenario) == 0


def test_knobs_that_are_set_stay() -> None:
    scenario = toy(*OVERLOADED)
    policy = parse_policy("static:batch_cap=2,longest_batch_seconds=1.5")
    assert tuned(policy, scenario, scenario.workload) == policy
    assert tuned(Policy("static", batch_cap=2), scenario, scenario.workload).batch_cap == 2


@pytest.mark.parametrize("name", policy_names())
def test_every_policy_can_be_tuned_and_gets_only_knobs_that_it_has(name: str) -> None:
    scenario = toy("workload.num_requests=4")
    best = tuned(Policy(name), scenario, scenario.workload)
    assert best.name == name
    assert in_time(best, scenario) >= in_time(Policy(name), scenario)


def test_a_continuous_policy_chooses_its_precision() -> None:
    # half the time for a token: 2 of 3 such precisions would be served in time
    fast = {**CUSTOM, "name": "w4", "prefill_factor": 0.25, "quality": 0.5}
    slow = toy("workload.rate_per_second=2")
    document = slow.document | {"precisions": {"custom": [CUSTOM, fast]}}
    scenario = Scenario(document)
    assert tuned(Policy("continuous"), scenario, scenario.workload).precision == "w4"
