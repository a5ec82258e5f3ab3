"""Sentences about results: true of the figures, and no more certain than they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgebatch.reporting.html.sweep.view import StudyView
from edgebatch.reporting.html.sweep.words import leads, ranked, summary_points
from edgebatch.study.axes import Axis
from edgebatch.study.results import StudyResults
from edgebatch.study.rows import BUDGETS, REASONS
from report_inputs import RATES, study

ONE_RATE = Axis("rate", (0.5,))


def view(shares: dict[str, list[list[float]]], axis: Axis = RATES, **figures: Any) -> StudyView:
    """Return a view of invented rows: by policy and position, shares in time by seed."""
    [first, *_] = shares.values()
    seeds = tuple(range(len(first[0])))
    results = StudyResults(Path(), study(axis, policies=tuple(shares), seeds=seeds), "0.1.0")
    rows: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
    for run in results.study.runs():
        position = axis.values.index(run.values[0])
        share = shares[run.policy][position][run.seed]
        row = {"in_time_share": share, "requests": 100, "late": 0, "rejected": 0}
        row |= {"expired": round(100 * (1.0 - share))}
        row |= {f"binding_{budget}": 0 for budget in BUDGETS}
        row |= {f"reason_{reason}": 0 for reason in REASONS}
        rows.setdefault((f"[{run.values[0]}]", run.policy), {})[run.seed] = {**row, **figures}
    return StudyView(results, 0, rows)


def told(of: StudyView) -> str:
    [setting] = of.settings()
    return " ".join(summary_points(of, setting, in_detail=True))


def test_the_leader_is_ahead_by_the_mean_of_the_differences_seed_by_seed() -> None:
    # differences 0.10, 0.12, 0.08: mean 0.1, deviation 0.02, half width 4.303·0.02/√3 = 0.0497,
    # though the shares themselves differ by far more from seed to seed
    of = view({"sjf": [[0.9, 0.6, 0.3]], "edf": [[0.8, 0.48, 0.22]]}, ONE_RATE)
    [lead] = leads(of, ())
    assert (lead.policy, lead.second, lead.ties) == ("sjf", "edf", ())
    assert "`sjf` serves most in time" in told(of)
    assert "It is ahead of `edf` by 10.0 points (95 % interval 5.0 to 15.0)." in told(of)


def test_policies_whose_difference_may_be_nothing_are_not_told_apart() -> None:
    of = view({"sjf": [[0.9, 0.6, 0.3]], "edf": [[0.8, 0.7, 0.2]]}, ONE_RATE)
    [lead] = leads(of, ())
    assert lead.ties == ("edf",)
    assert "It cannot be told apart from `edf`." in told(of)
    assert "ahead" not in told(of)


def test_with_one_seed_nothing_is_said_of_chance() -> None:
    of = view({"sjf": [[0.9]], "edf": [[0.8]]}, ONE_RATE)
    assert "It is ahead of `edf` by 10.0 points." in told(of)
    assert "interval" not in told(of)
    assert "±" not in told(of)


def test_neighbouring_points_with_the_same_leader_share_a_sentence() -> None:
    shares = {
        "sjf": [[0.9, 0.9], [0.8, 0.8], [0.1, 0.1]],
        "edf": [[0.7, 0.7], [0.5, 0.5], [0.4, 0.4]],
    }
    words = told(view(shares))
    assert "At 0.25 and 0.5 requests/s, `sjf` serves most in time: 90.0 ± 0.0 % to 80.0" in words
    assert "by at least 20.0 points: of `edf` at 0.25 requests/s" in words
    assert "At 1 requests/s, `edf` serves most in time: 40.0" in words


def test_how_far_nearly_all_are_served_stops_at_the_first_load_that_fails() -> None:
    shares = {
        "sjf": [[1.0, 1.0], [0.9, 0.9], [1.0, 1.0]],
        "edf": [[1.0, 0.99], [0.99, 0.99], [0.5, 0.5]],
        "none": [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]],
    }
    assert (
        "At least 99 % in time are served by `edf` up to 0.5 requests/s; `sjf` up to 0.25 "
        "requests/s; the others not even at the lowest load." in told(view(shares))
    )
    low = view({"none": [[0.5], [0.5], [0.5]]})
    assert "No policy serves 99 % in time, not even at the lowest load." in told(low)


def test_loads_count_from_the_lowest_whatever_their_order() -> None:
    axis = Axis("rate", (1.0, 0.25))
    words = told(view({"sjf": [[0.5], [1.0]]}, axis))
    assert "served by `sjf` up to 0.25 requests/s" in words


def test_nobody_leads_where_nobody_is_served() -> None:
    words = told(view({"sjf": [[0.0]], "edf": [[0.0]]}, ONE_RATE))
    assert "At 0.5 requests/s, no policy serves any request in time." in words


def test_losses_are_parts_of_all_requests_with_the_main_reason_for_rejecting() -> None:
    of = view({"sjf": [[0.7]]}, ONE_RATE, expired=20, rejected=10, reason_quality=10)
    assert "20.0 % expired and 10.0 % were rejected on arrival, of all requests" in told(of)
    assert "the main reason for rejecting is quality." in told(of)


def test_what_binds_is_the_budget_named_most_often() -> None:
    of = view({"sjf": [[0.7]]}, ONE_RATE, binding_memory=3, binding_latency=1)
    assert "at 0.5 requests/s: memory under `sjf` (75 % of the times)." in told(of)
    assert "no batch left anybody out" in told(view({"sjf": [[0.7]]}, ONE_RATE))


def test_ranking_is_by_the_mean() -> None:
    of = view({"sjf": [[0.2, 0.4]], "edf": [[0.9, 0.1]], "none": [[0.4, 0.3]]}, ONE_RATE)
    assert ranked(of, (), 0) == ["edf", "none", "sjf"]  # means 0.5, 0.35, 0.3
