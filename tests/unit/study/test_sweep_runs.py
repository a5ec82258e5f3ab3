"""Sweeps: what their rows say, and that nothing about how they are run changes a byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgebatch.errors import EdgebatchError, InputError
from edgebatch.scenario import Scenario, parse_policy
from edgebatch.simulation import summarise
from edgebatch.study.axes import Axis, parse_axis
from edgebatch.study.definition import Study
from edgebatch.study.execution import run_here
from edgebatch.study.results import RESULTS_FILE, StudyResults
from edgebatch.study.rows import REASONS
from edgebatch.study.sweep import sweep
from toy_scenario import TOY
from toy_study import contents, made, toy_study


def test_there_is_a_row_for_every_combination_in_the_order_in_which_they_were_given(
    tmp_path: Path,
) -> None:
    rows = sweep(toy_study(), tmp_path / "results").rows()
    assert [(row["workload.rate_per_second"], row["policy"], row["seed"]) for row in rows] == [
        (rate, policy, seed) for rate in (0.5, 2.0) for policy in ("none", "edf") for seed in (3, 4)
    ]


def test_a_row_has_the_figures_of_its_run(tmp_path: Path) -> None:
    study = toy_study()
    row = sweep(study, tmp_path / "results").rows()[5]
    assert (row["workload.rate_per_second"], row["policy"], row["seed"]) == (2.0, "none", 4)
    scenario = Scenario({**TOY, "seed": 4}).with_settings("workload.rate_per_second=2")
    summary = summarise(scenario.run(parse_policy("none")))
    assert summary.latencies.e2e_seconds is not None
    assert summary.batch_size is not None
    shown = {
        "requests": summary.requests,
        "in_time": summary.in_time,
        "in_time_share": summary.attainment,
        "expired": summary.expired,
        "rate_per_second": 2.0,
        "served_per_second": summary.throughput_per_second,
        "e2e_p95_seconds": summary.latencies.e2e_seconds["p95"],
        "tpot_p50_seconds": None,  # answers of one token have no time between tokens
        "busy_share": summary.use.compute,
        "memory_peak_share": summary.use.memory_peak,
        "binding_latency": summary.use.binding.get("latency", 0),
        "nodes": summary.effort.nodes,
        "batch_size_max": summary.batch_size["max"],
        "served_by_precision": f'{{"w16": {summary.in_time}}}',
    }
    assert {name: row[name] for name in shown} == shown
    assert sum(row[f"reason_{reason}"] for reason in REASONS) == row["rejected"] + row["expired"]
    assert row["scenario_hash"] == study.scenario_hash(list(study.runs())[5])


def test_all_policies_meet_the_same_requests() -> None:
    met: dict[Any, set[Any]] = {}
    for row in made(toy_study("workload.num_requests=", "workload.duration_seconds=60")):
        point = (row["workload.rate_per_second"], row["seed"])
        met.setdefault(point, set()).add((row["requests"], row["scenario_hash"]))
    assert len(met) == 4
    assert all(len(requests) == 1 for requests in met.values())
    assert len(set.union(*met.values())) == 4


def test_loads_are_multiples_of_the_capacity_of_each_point() -> None:
    # a request takes one second; the deadline of 4 s allows a batch of 4, so the capacity is 1 a
    # second, and twice that on a node that is twice as fast
    axes = (parse_axis("node.flops=16,32"), parse_axis("load=0.5,2"))
    rows = made(toy_study(axes=axes, policies=("none",), seeds=(1,)))
    assert [(row["node.flops"], row["load"], row["rate_per_second"]) for row in rows] == [
        (16, 0.5, pytest.approx(0.5)),
        (16, 2, pytest.approx(2.0)),
        (32, 0.5, pytest.approx(1.0)),
        (32, 2, pytest.approx(4.0)),
    ]


def test_a_rate_is_that_of_the_workload(tmp_path: Path) -> None:
    by_rate = made(toy_study(axes=(parse_axis("rate=2"),)))
    by_key = made(toy_study(axes=(parse_axis("workload.rate_per_second=2"),)))
    assert [row["e2e_mean_seconds"] for row in by_rate] == [
        row["e2e_mean_seconds"] for row in by_key
    ]


def test_columns_of_axes_have_the_type_of_the_values(tmp_path: Path) -> None:
    axes = (
        Axis("workload.num_requests", (2, 3)),
        Axis("workload.rate_per_second", (1, 0.5)),
        Axis("scheduler.pipelined", (True, False)),
        Axis("workload.value", (1, [1, 2])),
    )
    study = toy_study(axes=axes, policies=("edf",), seeds=(1,))
    table = sweep(study, tmp_path / "results").table()
    kinds = [str(table.schema.field(axis.key).type) for axis in axes]
    assert kinds == ["int64", "double", "bool", "string"]
    assert table.to_pylist()[1]["workload.value"] == "[1, 2]"


def test_without_axes_there_are_policies_and_seeds(tmp_path: Path) -> None:
    study = Study(TOY, (), ("edf",), (1, 2))
    assert sweep(study, tmp_path / "results").num_done == 2


def test_processes_change_no_byte(tmp_path: Path) -> None:
    sweep(toy_study(), tmp_path / "one", jobs=1)
    sweep(toy_study(), tmp_path / "two", jobs=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


class _StoppedError(Exception):
    pass


def test_an_interrupted_sweep_keeps_what_is_finished_and_ends_with_the_same_bytes(
    tmp_path: Path,
) -> None:
    def stop(done: int, total: int) -> None:
        if done == 5:
            raise _StoppedError

    study = toy_study()
    with pytest.raises(_StoppedError):
        sweep(study, tmp_path / "stopped", on_progress=stop)
    assert StudyResults.open(tmp_path / "stopped", study).num_done == 5
    told: list[tuple[int, int]] = []
    sweep(study, tmp_path / "stopped", on_progress=lambda *counts: told.append(counts))
    assert told == [(5, 8), (6, 8), (7, 8), (8, 8)]
    sweep(study, tmp_path / "whole")
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")


def test_a_complete_sweep_is_left_as_it_is(tmp_path: Path) -> None:
    sweep(toy_study(), tmp_path / "results")
    before = (tmp_path / "results" / RESULTS_FILE).stat().st_mtime_ns
    told: list[tuple[int, int]] = []
    sweep(toy_study(), tmp_path / "results", on_progress=lambda *counts: told.append(counts))
    assert told == []
    assert (tmp_path / "results" / RESULTS_FILE).stat().st_mtime_ns == before


def test_a_run_that_cannot_be_made_is_named_and_the_others_are_kept(tmp_path: Path) -> None:
    study = toy_study(policies=("edf", "rolling:precision=w8"), seeds=(3,))
    with pytest.raises(EdgebatchError, match=r"rolling:precision=w8, seed 3, run 1: .*w8"):
        sweep(study, tmp_path / "results")
    assert [row["policy"] for row in StudyResults.open(tmp_path / "results").rows()] == ["edf"]


@pytest.mark.parametrize(
    ("axis", "said"),
    [
        ("node.flosp=1,2", "axis node.flosp=1: node.flosp: unknown name 'flosp'; did you mean"),
        ("workload.num_requests=1:2:3", "axis workload.num_requests=1.0: workload.num_requests"),
        ("node.memory_bytes=1e6,1", "axis node.memory_bytes=1: "),
        ("seed.x=1", "axis seed.x=1: seed: must be"),
        ("node.flops=1979-05-27", "axis node.flops=1979-05-27: node.flops: must be"),
    ],
)
def test_settings_that_make_no_scenario_are_refused_before_anything_is_written(
    tmp_path: Path, axis: str, said: str
) -> None:
    document = {key: value for key, value in TOY.items() if key != "seed"}
    study = Study(document, (parse_axis(axis),), ("edf",), (1,))
    with pytest.raises(InputError) as refused:
        sweep(study, tmp_path / "results")
    assert str(refused.value).startswith(said)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        (["load=1"], "load: is a multiple of the capacity, which is 0"),
        (
            ["load=1,2", "workload.deadline_seconds=4,0.5"],
            "axis workload.deadline_seconds=0.5: load: is a multiple of the capacity, which is 0",
        ),
    ],
)
def test_a_load_without_a_capacity_is_refused_before_anything_is_written(
    tmp_path: Path, axes: list[str], said: str
) -> None:
    study = toy_study("workload.deadline_seconds=0.5", axes=tuple(map(parse_axis, axes)))
    with pytest.raises(InputError) as refused:
        sweep(study, tmp_path / "results")
    assert str(refused.value).startswith(said)
    assert "as in --axis rate=0.1,1,10" in str(refused.value)
    assert not (tmp_path / "results").exists()


def test_stopping_between_two_runs_is_quiet() -> None:
    study = toy_study(seeds=tuple(range(20)))
    rows = run_here(study, list(study.runs()), jobs=2)
    next(rows)
    rows.close()  # joblib would warn of runs that were made and not used, and warnings are errors


def test_jobs_must_be_a_count(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="jobs: must be at least 1, or -1"):
        sweep(toy_study(), tmp_path / "results", jobs=0)
