"""Policies meet the same requests, whoever runs them and in how many processes."""

from __future__ import annotations

import pytest

from edgebatch.comparison import compare
from edgebatch.errors import InputError
from edgebatch.scenario import Policy
from toy_scenario import toy

POLICIES = (Policy("static"), Policy("dftsp"), Policy("continuous"))


def test_runs_are_in_the_order_asked_for() -> None:
    comparison = compare(toy(), POLICIES, loads=[2.0, 0.5], num_seeds=2)
    assert comparison.capacity_per_second == 1.0
    assert [(run.policy, run.load, run.rate_per_second, run.seed) for run in comparison.runs] == [
        (name, load, load, seed)  # the capacity is 1 a second
        for name in ("static", "dftsp", "continuous")
        for load in (2.0, 0.5)
        for seed in (3, 4)
    ]
    assert comparison.policies() == ["static", "dftsp", "continuous"]
    assert comparison.rates() == [2.0, 0.5]
    assert [run.seed for run in comparison.of("dftsp", 0.5)] == [3, 4]


def test_every_policy_meets_the_same_requests() -> None:
    scenario = toy("workload.num_requests=", "workload.duration_seconds=30")
    comparison = compare(scenario, POLICIES, rates_per_second=[0.5, 2.0], num_seeds=3)
    for rate in comparison.rates():
        counts = [
            [run.summary["requests"] for run in comparison.of(policy, rate)]
            for policy in comparison.policies()
        ]
        assert counts[0] == counts[1] == counts[2]
        assert len(set(counts[0])) > 1  # seeds differ


def test_a_load_is_the_same_requests_on_another_scale_of_time() -> None:
    scenario = toy("workload.prompt_tokens=[1, 2, 3]")
    slow, fast = (list(scenario.workload.scaled(factor)) for factor in (1.0, 4.0))
    assert [each.arrival_seconds for each in slow] == pytest.approx(
        [4.0 * each.arrival_seconds for each in fast]
    )
    assert [each[2:] for each in slow] == [each[2:] for each in fast]


def test_the_number_of_processes_changes_nothing() -> None:
    alone, together = (
        compare(toy(), POLICIES, rates_per_second=[0.5, 2.0], jobs=jobs) for jobs in (1, 2)
    )
    assert alone == together


def test_without_loads_and_rates_the_workload_s_own_rate_is_run() -> None:
    comparison = compare(toy(), POLICIES[:1])
    assert comparison.capacity_per_second is None
    assert [(run.rate_per_second, run.load) for run in comparison.runs] == [(0.5, None)]


def test_tuning_is_told_apart_from_what_was_asked_for() -> None:
    scenario = toy("node.batch_overhead_seconds=0.5")
    [plain] = compare(scenario, POLICIES[:1], rates_per_second=[3.0]).runs
    [best] = compare(scenario, POLICIES[:1], rates_per_second=[3.0], tune=True).runs
    assert (plain.policy, plain.knobs, best.policy) == ("static", "static", "static")
    assert best.summary["in_time"] >= plain.summary["in_time"]


def test_progress_is_told_policy_by_policy_and_load_by_load() -> None:
    seen: list[tuple[int, int]] = []
    compare(
        toy(),
        POLICIES,
        rates_per_second=[0.5, 1.0],
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(done, 6) for done in range(1, 7)]


def test_plain_data_hold_all_that_is_needed_to_run_it_again() -> None:
    scenario = toy()
    document = compare(scenario, POLICIES, rates_per_second=[0.5]).to_dict()
    assert document["scenario"] == scenario.document
    assert [run["policy"] for run in document["runs"]] == ["static", "dftsp", "continuous"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_in_a_worker_is_the_error_of_the_comparison(jobs: int) -> None:
    policies = [Policy("continuous", precision="w17"), Policy("static")]
    with pytest.raises(InputError, match="precision: unknown name 'w17'; did you mean 'w16'"):
        compare(toy(), policies, rates_per_second=[0.5], jobs=jobs)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(InputError, match="policies: must name at least one policy"):
        compare(toy(), [])
    with pytest.raises(InputError, match="seeds: must be at least 1, got 0"):
        compare(toy(), POLICIES, num_seeds=0)
    with pytest.raises(InputError, match="loads: must not stand beside rates"):
        compare(toy(), POLICIES, loads=[1.0], rates_per_second=[1.0])
    for jobs in (0, -2):
        with pytest.raises(InputError, match=f"jobs: must be at least 1, or -1.*got {jobs}"):
            compare(toy(), POLICIES, jobs=jobs)
