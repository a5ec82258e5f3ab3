"""Processes of a comparison that are killed."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from cli_process import pool_processes
from edgebatch.comparison import compare
from edgebatch.comparison.evaluation import (
    Plan,
    Point,
    SearchStudy,
    Setting,
    Study,
    measure_search,
    observe,
)
from edgebatch.errors import EdgebatchError
from edgebatch.scenario import Scenario, parse_policy

RATES = tuple(range(1, 41))
SETTING = Setting("small", "one small model", models=("BLOOM-560m",))
POINTS = tuple(Point(f"{rate}", (f"workload.rate_per_second={rate}",)) for rate in RATES)
PLAN = Plan(
    studies=(Study("arrival-rate", "arrivals, requests/s", POINTS, (SETTING,)),),
    search=SearchStudy(RATES, (SETTING,), node_limit=300, decisions_per_run=4),
    num_seeds=1,
    duration_seconds=10.0,
)


def compare_all(**options: Any) -> None:
    scenario = Scenario.load("edge-cell", ["workload.duration_seconds=10"])
    compare(scenario, [parse_policy("dftsp")], rates_per_second=RATES, **options)


def kill_all(done: int, _: int) -> None:
    """Kill all processes that make runs after the first has been made."""
    if done == 1:
        for process in pool_processes(os.getpid()):
            process.kill()


@pytest.mark.parametrize(
    "make",
    [
        compare_all,
        lambda **options: observe(PLAN, **options),
        lambda **options: measure_search(PLAN, **options),
    ],
    ids=["compare", "throughput", "search effort"],
)
def test_a_process_that_is_killed_is_one_clear_error(make: Callable[..., Any]) -> None:
    with pytest.raises(EdgebatchError, match=r"was killed, .*; fewer --jobs need less$"):
        make(jobs=2, on_progress=kill_all)


def test_a_plan_of_nothing_gives_nothing_in_any_number_of_processes() -> None:
    nothing = Plan(studies=(), search=PLAN.search, num_seeds=1, duration_seconds=1.0)
    assert observe(nothing, jobs=2) == []
