"""The published evaluation in miniature: plans that load, runs that agree, gaps by hand."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace
from pathlib import Path

import pytest

from edgebatch.comparison.evaluation import (
    Observation,
    Plan,
    Point,
    SearchEffort,
    SearchStudy,
    Setting,
    Study,
    full_plan,
    gaps,
    measure_search,
    observe,
    quick_plan,
)
from edgebatch.comparison.evaluation.studies import SCENARIO
from edgebatch.reporting.evaluation import (
    csv_text,
    exceptions_table,
    order_table,
    policy_label,
    search_table,
    tables_text,
    throughput_table,
)
from edgebatch.scenario import Scenario

SMALL_MODEL = Setting("small", "one small model", models=("BLOOM-560m",))
TWO_RATES = (
    Point("5", ("workload.rate_per_second=5",)),
    Point("40", ("workload.rate_per_second=40",)),
)
TINY_PLAN = Plan(
    studies=(
        Study("arrival-rate", "arrivals, requests/s", TWO_RATES, (SMALL_MODEL,), ("dftsp", "none")),
    ),
    search=SearchStudy((5, 40), (SMALL_MODEL,), node_limit=60, decisions_per_run=4),
    num_seeds=2,
    duration_seconds=4.0,
)


def observed(policy: str, *served: float) -> list[Observation]:
    """One observation a seed."""
    return [
        Observation("s", "t", "m", "5", policy, seed, 10, round(each), each, 1.0, "latency")
        for seed, each in enumerate(served)
    ]


def effort(dftsp: int, brute_force: int, *, finished: bool = True) -> SearchEffort:
    """A decision in the tiny plan's setting at 5 requests/s."""
    return SearchEffort("small", "BLOOM-560m", 5, 0, 3, dftsp, brute_force, True, finished)


def test_gaps_are_paired_by_seed() -> None:
    (gap,) = gaps(observed("dftsp", 4.0, 6.0) + observed("static", 3.0, 1.0), "dftsp", "static")
    assert (gap.upper_per_second, gap.lower_per_second) == (5.0, 2.0)
    assert gap.difference_per_second == 3.0  # (1 + 5) / 2
    assert gap.standard_error == pytest.approx(2.0)  # √((2² + 2²) / 1) / √2
    assert gap.holds


def test_a_tie_holds_and_a_shortfall_does_not() -> None:
    (tie,) = gaps(observed("dftsp", 2.0) + observed("static", 2.0), "dftsp", "static")
    (short,) = gaps(observed("dftsp", 2.0) + observed("static", 2.1), "dftsp", "static")
    assert tie.holds
    assert not short.holds
    assert math.isnan(short.standard_error)  # one seed says nothing about noise


def test_points_without_both_policies_have_no_gap() -> None:
    assert gaps(observed("dftsp", 2.0), "dftsp", "static") == []


def test_exceptions_are_listed_with_both_figures() -> None:
    held = observed("dftsp", 3.0) + observed("static", 2.0) + observed("none", 1.0)
    assert exceptions_table(held) is None
    missed = observed("dftsp", 3.0) + observed("static", 2.0) + observed("none", 2.5)
    table = exceptions_table(missed)
    assert table is not None
    text = tables_text(table)
    assert "StB < NoB" in text
    assert "2.00 < 2.50" in text
    assert "DFTSP <" not in text


@pytest.mark.parametrize("plan", [full_plan(), quick_plan()], ids=["full", "quick"])
def test_every_point_of_a_plan_is_a_valid_scenario(plan: Plan) -> None:
    for study in plan.studies:
        for setting in study.settings:
            for model in setting.models:
                for point in study.points:
                    scenario = Scenario.load(
                        SCENARIO, [f"model.name={model}", *setting.changes, *point.changes]
                    )
                    assert scenario.workload.mean_rate is not None


def test_the_unshifted_latency_requirement_is_the_scenarios_own() -> None:
    (study,) = (each for each in full_plan().studies if each.name == "latency-requirement")
    (own,) = (point for point in study.points if point.label == "1.25")  # (0.5 + 2) / 2
    shifted = Scenario.load(SCENARIO, own.changes)
    default = Scenario.load(SCENARIO, ["workload.rate_per_second=50"])
    assert shifted.document["workload"] == default.document["workload"]


def test_policies_meet_the_same_requests_whatever_the_number_of_processes() -> None:
    alone = observe(TINY_PLAN)
    assert observe(TINY_PLAN, jobs=2) == alone
    assert len(alone) == 2 * 2 * 2  # points × policies × seeds
    for each in alone:
        assert each.throughput_per_second == each.in_time / 4.0
    requests = {(each.point, each.seed): set[int]() for each in alone}
    for each in alone:
        requests[each.point, each.seed].add(each.requests)
    assert all(len(counts) == 1 for counts in requests.values())


def test_progress_is_told_after_every_point_and_every_run() -> None:
    seen: list[tuple[int, int]] = []
    observe(TINY_PLAN, on_progress=lambda done, total: seen.append((done, total)))
    measure_search(TINY_PLAN, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2), (1, 2), (2, 2)]


def test_brute_force_visits_more_nodes_on_the_same_decisions_and_gives_up_at_its_limit() -> None:
    efforts = measure_search(TINY_PLAN)
    assert [each.rate_per_second for each in efforts] == [5] * 4 + [40] * 4
    for each in efforts:
        assert each.dftsp_finished
        assert each.brute_force_nodes <= 60
        assert each.brute_force_finished == (each.brute_force_nodes < 60)
        assert each.dftsp_nodes <= each.brute_force_nodes
    assert any(each.brute_force_finished for each in efforts)
    assert not all(each.brute_force_finished for each in efforts)


def test_saving_is_over_all_decisions_and_a_lower_bound_where_one_was_cut_short() -> None:
    # 1 − (2 + 3) / (8 + 12) = 75 %
    both = [effort(2, 8), effort(3, 12)]
    assert "75.00%" in tables_text(search_table(both, TINY_PLAN))
    cut = [effort(2, 8), effort(3, 12, finished=False)]
    text = tables_text(search_table(cut, TINY_PLAN))
    assert "≥ 75.00%" in text
    assert "1/2" in text


def test_saving_is_not_told_where_dftsp_itself_was_cut_short() -> None:
    text = tables_text(search_table([replace(effort(2, 8), dftsp_finished=False)], TINY_PLAN))
    assert "75.00%" not in text
    assert "–" in text


def test_tables_show_means_and_counts() -> None:
    observations = observe(TINY_PLAN)
    (study,) = TINY_PLAN.studies
    text = tables_text(throughput_table(observations, study, SMALL_MODEL, 2))
    mean = sum(
        each.throughput_per_second
        for each in observations
        if (each.point, each.policy) == ("40", "dftsp")
    )
    assert f"{mean / 2:.2f}" in text
    with_static = [
        replace(each, policy={"none": "static"}.get(each.policy, each.policy))
        for each in observations
    ]
    assert "2/2" in tables_text(order_table(with_static, TINY_PLAN))  # DFTSP ≥ the other at both


def test_csv_has_a_row_for_each_and_reads_back() -> None:
    observations = observed("dftsp", 2.5, 3.5)
    rows = list(csv.DictReader(io.StringIO(csv_text(observations))))
    assert [float(row["throughput_per_second"]) for row in rows] == [2.5, 3.5]
    assert {row["policy"] for row in rows} == {"dftsp"}


def test_knobs_are_called_ours() -> None:
    assert policy_label("static") == "StB"
    assert policy_label("sjf") == "SJF"
    assert policy_label("dftsp:longest_batch_seconds=0.5") == "DFTSP, batches ≤ 0.5 s (ours)"


def test_the_documentation_shows_the_summary_that_the_command_wrote() -> None:
    docs = Path(__file__).parents[3] / "docs"
    page = (docs / "evaluation.md").read_text(encoding="utf-8")
    summary = (docs / "assets/evaluation/summary.txt").read_text(encoding="utf-8")
    for table in summary.split("\n\n"):
        assert table.rstrip() in page
