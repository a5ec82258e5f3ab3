"""Plans: what fits, what is out of reach, who is best, and that processes change nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgebatch.errors import InputError, UnknownNameError
from edgebatch.scenario import Scenario, parse_policy
from edgebatch.study.budgets import budgets_of, strengthened
from edgebatch.study.candidates import Candidate, Choice, candidates
from edgebatch.study.feasibility import Assessment, Feasibility, UserClass
from edgebatch.study.investigation import Finding, Question, Status
from edgebatch.study.operation import operation
from edgebatch.study.plan import Plan, plan
from edgebatch.study.ranking import explanation, ranked, recommendation
from edgebatch.study.replications import RunFigures, RunLength, fitted_length, scenario_text
from edgebatch.study.saturation import Point, Saturation
from edgebatch.study.shares import Share
from toy_profile import toy_profile
from toy_scenario import CUSTOM, TOY, toy

W8 = {**CUSTOM, "name": "w8", "weight_bytes": 1.0, "quality": 0.9}
TWO = toy().document | {"precisions": {"custom": [CUSTOM, W8]}}
FAST = "continuous-edf"


def document(*settings: str) -> dict[str, Any]:
    return toy(*settings).document


def orin(*settings: str) -> dict[str, Any]:
    return Scenario.load("orin-chat", settings).document


def assessed(scenario: dict[str, Any], policy: str = FAST) -> Feasibility:
    return Assessment(scenario_text(scenario), policy)()


# --- candidates


def test_devices_models_and_precisions_are_combined() -> None:
    choice = Choice(
        devices=("jetson-orin-nano-8gb", "RTX 4060"),
        models=("llama-3.2-3b",),
        precisions=("w8a16", "W4A16"),
    )
    found = candidates(orin(), choice, parse_policy("rolling"))
    assert [each.label for each in found] == [
        "Jetson Orin Nano 8GB, Llama-3.2-3B, w8a16",
        "Jetson Orin Nano 8GB, Llama-3.2-3B, w4a16",
        "RTX 4060, Llama-3.2-3B, w8a16",
        "RTX 4060, Llama-3.2-3B, w4a16",
    ]
    node = Scenario(found[0].document).hosting.node
    assert node.memory_bytes == 8e9
    assert node.memory_bandwidth == pytest.approx(0.7 * 68e9)  # the scenario's efficiency stays
    assert found[2].power_watts == 115.0


def test_without_a_choice_there_is_the_scenarios_node_with_each_of_its_precisions() -> None:
    found = candidates(TWO, Choice(), parse_policy(FAST))
    assert [(each.device, each.precisions) for each in found] == [
        ("the node", ("w16",)),
        ("the node", ("w8",)),
    ]
    assert found[0].document["precisions"] == {"hosted": [], "custom": [CUSTOM]}


def test_a_device_drops_the_scenarios_figures_but_not_those_that_were_set() -> None:
    base = orin("node.memory_bytes=1e12", "node.count=2")
    [plain] = candidates(
        base, Choice(devices=("RTX 4060",), precisions=("w4a16",)), parse_policy(FAST)
    )
    assert Scenario(plain.document).hosting.node.memory_bytes == 16e9  # two with 8 GB
    assert plain.power_watts == 230.0
    setting = Choice(("RTX 4060",), (), ("w4a16",), None, ("node.memory_bytes=9e9",))
    [given] = candidates(base, setting, parse_policy(FAST))
    assert Scenario(given.document).hosting.node.memory_bytes == 9e9


def test_precisions_joined_by_a_plus_are_hosted_together() -> None:
    [found] = candidates(TWO, Choice(precisions=("w8+w16",)), parse_policy("dftsp"))
    assert set(found.precisions) == {"w8", "w16"}
    with pytest.raises(InputError, match="rolling runs one precision"):
        candidates(TWO, Choice(precisions=("w8+w16",)), parse_policy("rolling"))


def test_a_profile_brings_node_model_and_precisions(tmp_path: Path) -> None:
    profile = toy_profile()
    profile.save(tmp_path / "p.toml")
    measured = Choice(profile=str(tmp_path / "p.toml"))
    found = candidates(orin(), measured, parse_policy("rolling"))
    assert [each.precisions for each in found] == [(each.name,) for each in profile.precisions]
    assert {each.model for each in found} == {profile.model.name}
    assert Scenario(found[0].document).hosting.node.flops == profile.node.flops
    chosen = replace(measured, precisions=(profile.precisions[-1].name,))
    [last] = candidates(orin(), chosen, parse_policy("rolling"))
    assert last.precisions == (profile.precisions[-1].name,)
    with pytest.raises(UnknownNameError, match="--precision: unknown name 'w9'"):
        candidates(orin(), replace(measured, precisions=("w9",)), parse_policy("rolling"))


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (Choice(devices=("jetson-orin-nan",)), "did you mean 'Jetson Orin Nano 8GB'"),
        (Choice(models=("llama-3.2-3",)), "did you mean 'Llama-3.2-3B'"),
        (Choice(precisions=("w8a61",)), "did you mean 'w8a16'"),
        (Choice(precisions=("w8a16+w4",)), "unknown name 'w4'"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(choice: Choice, said: str) -> None:
    with pytest.raises(UnknownNameError, match=said):
        candidates(orin(), choice, parse_policy("dftsp"))


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (Choice(devices=("RTX 4090", "rtx-4090")), "--device: 'RTX 4090' is given twice"),
        (Choice(devices=("all", "RTX 4090")), "--device: all must stand alone"),
        (Choice(precisions=("w8a16", "w8a16")), "--precision: 'w8a16' is given twice"),
        (Choice(precisions=("w8a16+w8a16",)), "--precision: 'w8a16' is given twice"),
        (Choice(devices=("RTX 4090",), profile="a.toml"), "must not stand beside a profile"),
    ],
)
def test_a_contradictory_choice_is_refused(choice: Choice, said: str) -> None:
    with pytest.raises(InputError, match=said):
        candidates(orin(), choice, parse_policy("dftsp"))


# --- what holds at any load


def test_what_does_not_fit_says_how_much_is_missing() -> None:
    # 6 parameters of 2 bytes, and 4 bytes for each of a request's two tokens: 20 bytes
    found = assessed(document() | {"node": {"memory_bytes": 15.0, "flops": 16.0}})
    assert found.weights_bytes == 12.0
    assert found.missing_bytes == 5.0
    assert assessed(document("node.memory_bytes=20")).missing_bytes == 0.0


def test_a_deadline_shorter_than_the_fastest_answer_is_hopeless_at_any_load() -> None:
    # an answer takes a second
    found = assessed(document("workload.deadline_seconds=[0.5, 4]"))
    assert found.ceiling == pytest.approx(0.5, abs=0.05)
    assert found.hopeless == {"deadline": pytest.approx(1.0 - found.ceiling)}
    assert found.fastest_seconds == 1.0
    assert assessed(document("workload.deadline_seconds=1")).ceiling == 1.0


def test_users_are_listed_by_the_quality_they_want() -> None:
    workload = {**TOY["workload"], "min_quality": [0.0, 0.95], "num_requests": 4000}
    scenario = TWO | {"workload": workload}
    found = assessed({**scenario, "precisions": {"custom": [W8]}})
    assert found.ceiling == pytest.approx(0.5, abs=0.05)
    assert list(found.hopeless) == ["quality"]
    low, high = found.classes
    assert low == UserClass(0.0, found.ceiling, ("w8",))
    assert (high.min_quality, high.accepts) == (0.95, ())
    assert assessed(scenario, "dftsp").ceiling == 1.0


def test_a_candidate_out_of_reach_says_why_instead_of_a_rate() -> None:
    scenario = {**TWO, "workload": {**TOY["workload"], "min_quality": [0.0, 0.95]}}
    found = plan(scenario, Choice(precisions=("w8",)), target=0.9, policy=FAST, rate_per_second=0.1)
    [finding] = found.findings
    assert finding.status is Status.OUT_OF_REACH
    assert finding.saturation is None
    assert finding.at_rate is not None
    assert finding.at_rate.share.mean == pytest.approx(0.5, abs=0.1)
    said = explanation(finding)
    assert said.startswith("in a sample 5")
    assert "% could be in time if each had the node to itself; " in said
    assert "at most" not in said
    assert "ask for more quality than 0.9" in said
    assert "None serves 90 % of the requests in time at any rate" in found.recommendation


def too_few(mean: float, low: float, high: float, *, runs: int = 8) -> Finding:
    """Return a candidate that meets no target of 99 %, at a lowest rate of 0.001/s."""
    share = Share(mean, low, high, runs=runs, requests=4000)
    lowest = Point(0.001, share, share.verdict(0.99))
    feasibility = replace(assessed(document()), ceiling=0.9925)
    found = Saturation(None, None, None, (lowest,))
    return replace(
        finding("a", 1.0, 1.1),
        status=Status.BELOW_TARGET,
        feasibility=feasibility,
        saturation=found,
    )


def test_a_share_below_the_target_is_shown_with_its_interval() -> None:
    found = too_few(0.98, 0.975, 0.985)
    assert explanation(found) == (
        "98 % (97.5 to 98.5) in time at 0.001/s, the lowest rate looked at; in a sample 99.25 % "
        "could be in time if each had the node to itself"
    )
    question = replace(QUESTION, target=0.99)
    assert "None serves 99 % of the requests in time at any rate" in recommendation(
        [found], question
    )


def test_a_share_that_may_be_above_or_below_the_target_is_no_contradiction() -> None:
    # measured in runs it is above both the target and what a sample says is possible
    found = too_few(0.9929, 0.989, 0.9955)
    said = explanation(found)
    assert said.startswith("99.29 % (98.9 to 99.55) in time at 0.001/s, the lowest rate looked at")
    assert "too near the target to tell (--runs 32 may); in a sample 99.25 %" in said
    assert "at most" not in said
    question = replace(QUESTION, target=0.99)
    assert "None is shown to serve 99 %" in recommendation([found], question)
    other = replace(found, candidate=replace(found.candidate, model="large"))
    text = recommendation([finding("b", 2.0, 2.1), other], question)
    assert "For large none is shown to do; a, w16 comes closest" in text
    assert "--runs" not in explanation(too_few(0.9929, 0.989, 0.9955, runs=32))


# --- figures


def test_energy_is_power_times_time_over_those_served_in_time() -> None:
    feasibility = assessed(document("node.memory_bytes=100"))
    run = RunFigures(
        in_time=8,
        requests=10,
        all_in_time=16,
        busy_seconds=20.0,
        running_seconds=50.0,
        span_seconds=40.0,
        memory_peak=0.52,
        kept_out_by={"latency": 2},
        e2e_seconds=[1.0, 2.0, 3.0],
        ttft_seconds=[0.5, 0.5, 0.5],
    )
    found = operation(2.0, [run] * 4, feasibility, 10.0)
    assert found.energy is not None
    assert found.energy.computing_joules == 12.5  # 10 W · 20 s / 16
    assert found.energy.always_on_joules == 25.0
    assert found.served_per_second == pytest.approx(1.6)
    assert (found.busy_share, found.batch_mean) == (0.5, 2.5)
    assert (found.kv_peak_bytes, found.spare_bytes) == (40.0, 48.0)  # 52 − 12 of weights; 100 − 52
    assert found.kept_out_by == {"latency": 8}
    assert found.e2e_seconds is not None
    assert found.e2e_seconds["p50"] == 2.0
    assert operation(2.0, [run] * 4, feasibility, None).energy is None


def test_a_short_trace_makes_runs_shorter_then_fewer() -> None:
    wanted = RunLength(warm_up=100, counted=300, most_runs=16)
    assert fitted_length(wanted, 100_000) == wanted
    assert fitted_length(wanted, 2000) == RunLength(100, 300, 5)
    assert fitted_length(wanted, 800) == RunLength(50, 150, 4)
    with pytest.raises(InputError, match="has 159 requests, but a plan needs at least 160"):
        fitted_length(wanted, 159)


# --- ranking


def finding(
    name: str, low: float, high: float, quality: float = 1.0, watts: float | None = None
) -> Finding:
    base = {**CUSTOM, "quality": quality}
    scenario = {**document(), "precisions": {"custom": [base]}}
    rate = (low + high) / 2.0
    return Finding(
        candidate=Candidate(name, "m", ("w16",), watts, scenario),
        status=Status.SUSTAINS,
        feasibility=assessed(scenario),
        saturation=Saturation(rate, low, high, ()),
    )


QUESTION = Question(target=0.9, policy=FAST, rate_per_second=None, most_runs=8)


def test_the_highest_rate_comes_first_where_intervals_do_not_overlap() -> None:
    ranking = ranked([finding("a", 1.0, 1.1), finding("b", 2.0, 2.1, quality=0.5)])
    assert [each.candidate.device for each in ranking] == ["b", "a"]
    said = recommendation(ranking, QUESTION)
    assert "Take b, m, w16: it sustains 2.05/s (2 to 2.1) with 90 % in time" in said
    assert "next is a, m, w16 with 1.05/s" in said


def test_rates_that_are_not_told_apart_are_ranked_by_quality_then_power() -> None:
    found = [
        finding("rough", 1.2, 1.4, quality=0.9, watts=5.0),
        finding("hungry", 1.1, 1.3, watts=20.0),
        finding("frugal", 1.0, 1.25, watts=10.0),
        finding("slow", 0.5, 0.6),
    ]
    ranking = ranked(found)
    names = [each.candidate.device for each in ranking]
    assert names == ["frugal", "hungry", "rough", "slow"]
    said = recommendation(ranking, QUESTION)
    assert "hungry, m, w16 and rough, m, w16 are not told apart from it by rate" in said


def test_intervals_that_only_meet_are_told_apart() -> None:
    # at 1.1/s a is shown to miss the target and b to meet it
    ranking = ranked([finding("a", 1.0, 1.1), finding("b", 1.1, 1.2, quality=0.5)])
    assert [each.candidate.device for each in ranking] == ["b", "a"]
    assert "next is a, m, w16" in recommendation(ranking, QUESTION)


def test_every_model_has_a_recommendation_of_its_own() -> None:
    large, small = finding("a", 1.0, 1.1), finding("b", 2.0, 2.1)
    other = replace(large, candidate=replace(large.candidate, model="large"))
    none = replace(other, status=Status.OUT_OF_REACH, saturation=None)
    assert recommendation(ranked([other, small]), QUESTION) == (
        "For m take b, w16: it sustains 2.05/s (2 to 2.1). "
        "For large take a, w16: it sustains 1.05/s (1 to 1.1)."
    )
    assert recommendation(ranked([none, small]), QUESTION).endswith(
        "For large none will do; a, w16 comes closest."
    )


# --- whole plans


def test_a_plan_answers_and_the_number_of_processes_changes_no_byte() -> None:
    choice = Choice(precisions=("w8", "w16"))
    one, two = (
        plan(TWO, choice, target=0.9, policy=FAST, rate_per_second=0.5, jobs=jobs)
        for jobs in (1, 2)
    )
    text = json.dumps(one.to_dict(), allow_nan=False)
    assert text == json.dumps(two.to_dict(), allow_nan=False)
    check_whole(one)


def check_whole(found: Plan) -> None:
    told = found.to_dict()
    assert told["kind"] == "plan"
    assert [each["rank"] for each in told["candidates"]] == [1, 2]
    for entry in told["candidates"]:
        assert entry["status"] == "sustains"
        rates = entry["sustainable"]
        assert rates["low_per_second"] <= rates["rate_per_second"] <= rates["high_per_second"]
        assert {point["verdict"] for point in entry["points"]} >= {"above", "below"}
        assert entry["binding"]["budget"] == "arithmetic"  # there is nothing else that takes time
        assert entry["at_rate"]["rate_per_second"] == 0.5
        Scenario(entry["scenario"])  # is whole


def test_how_many_may_run_at_once_is_a_budget_where_the_engine_limits_it() -> None:
    policy, limited = parse_policy(FAST), toy("node.max_running=3")
    assert "size" not in budgets_of(toy(), policy)
    assert "size" in budgets_of(limited, policy)
    assert strengthened(limited, "size").hosting.max_running == 4


def test_a_trace_is_planned_for_block_by_block(tmp_path: Path) -> None:
    rows = "".join(f"{second / 2},1,1\n" for second in range(2000))
    (tmp_path / "t.csv").write_text("arrival_seconds,prompt_tokens,output_tokens\n" + rows)
    workload = {"trace": str(tmp_path / "t.csv"), "deadline_seconds": 4}
    planned = plan({**TOY, "workload": workload}, Choice(), policy=FAST)
    [found] = planned.findings
    assert found.saturation is not None
    assert found.saturation.rate_per_second is not None
    # requests of a second each that come at equal gaps: all in time up to one a second
    assert found.saturation.rate_per_second == pytest.approx(1.0, abs=0.06)
    told = planned.to_dict()
    assert told["scenario"]["workload"]["trace"] == "t.csv"
    assert told["candidates"][0]["scenario"]["workload"]["trace"] == "t.csv"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"target": 0.0}, "--target: must be a finite number above 0"),
        ({"target": 1.0}, "--target: must be below 1, got 1"),
        ({"rate_per_second": -1.0}, "--rate: must be a finite number above 0"),
        ({"most_runs": 5}, "--runs: must be 4, 8, 16, 32, got 5"),
        ({"jobs": 0}, "jobs: must be at least 1"),
        ({"policy": "roling"}, "did you mean 'rolling'"),
    ],
)
def test_a_value_out_of_its_range_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        plan(document(), Choice(), **options)


def test_requests_without_deadlines_are_refused() -> None:
    with pytest.raises(InputError, match="100% of the requests have none"):
        plan(document("workload.deadline_seconds=inf"), Choice())
