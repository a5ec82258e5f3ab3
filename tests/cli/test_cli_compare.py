"""``edgebatch compare``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli_process import edgebatch
from edgebatch.cli.main import app

SHORT = ("-s", "workload.duration_seconds=2")
THREE = ("-p", "dftsp", "-p", "static", "-p", "continuous:batch_cap=16,expire=true")


def output(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, ["compare", *SHORT, *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.stdout


def as_json(*arguments: str | Path) -> Any:
    return json.loads(output("--no-plot", "--jobs", "1", *arguments, "--json"))


def written_by(folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> dict[str, bytes]:
    folder.mkdir()
    monkeypatch.chdir(folder)
    options = ("--rate", "5", "--rate", "40", "--seeds", "2", "--results", "a.json")
    result = edgebatch("compare", *SHORT, *THREE, *options, *arguments)
    assert result.returncode == 0, result.stderr
    return {path.name: path.read_bytes() for path in folder.iterdir()} | {"out": result.stdout}


@pytest.mark.parametrize("plot", ["a.png", "a.svg"])
def test_processes_change_no_byte_of_table_results_and_plot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plot: str
) -> None:
    alone = written_by(tmp_path / "1", monkeypatch, "--plot", plot, "--jobs", "1")
    together = written_by(tmp_path / "2", monkeypatch, "--plot", plot, "--jobs", "2")
    assert alone == together
    assert set(alone) == {"a.json", plot, "out"}


def test_by_default_there_is_a_table_and_a_plot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = edgebatch("compare", *SHORT)
    assert result.returncode == 0
    assert result.stderr == b"plot: edgebatch-compare.png\n"
    assert (tmp_path / "edgebatch-compare.png").read_bytes().startswith(b"\x89PNG")
    text = result.stdout.decode()
    assert max(map(len, text.splitlines())) <= 80
    for policy in ("dftsp", "static", "none", "fcfs", "edf", "sjf", "greedy"):
        assert f"\n{policy} " in text
    for rate in ("5/s", "10/s", "25/s", "50/s", "100/s"):
        assert f" {rate}" in text


@pytest.mark.parametrize(
    "options",
    [
        [option for load in range(1, 9) for option in ("--load", str(load / 4))],
        ["--rate", "20", "--tune"],
        ["--rate", "12345.678", "-s", "workload.duration_seconds=0.01"],
    ],
    ids=["many loads", "tuned", "large rate"],
)
def test_long_labels_fit_80_columns_with_nothing_cut(options: list[str]) -> None:
    text = output("--no-plot", *THREE, *options)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    assert "batch_cap=16," in text
    assert "\x1b" not in text


def test_every_policy_meets_the_same_requests_at_every_rate() -> None:
    document = as_json(*THREE, "--rate", "5", "--rate", "40")
    assert document["capacity_per_second"] is None
    met = {(run["rate_per_second"], run["summary"]["requests"]) for run in document["runs"]}
    assert sorted(rate for rate, _ in met) == [5.0, 40.0]
    assert dict(met)[5.0] < dict(met)[40.0]


def test_a_load_is_a_multiple_of_the_capacity() -> None:
    document = as_json("-p", "none", "--load", "0.5", "--load", "2")
    capacity = document["capacity_per_second"]
    assert [(run["load"], run["rate_per_second"]) for run in document["runs"]] == [
        (0.5, pytest.approx(0.5 * capacity)),
        (2.0, pytest.approx(2.0 * capacity)),
    ]


def test_options_outweigh_what_the_scenario_compares() -> None:
    runs = as_json("-p", "none", "--rate", "7")["runs"]
    assert [(run["policy"], run["rate_per_second"]) for run in runs] == [("none", 7.0)]
    settings = ("-s", "compare.policies=['edf']", "-s", "compare.rates_per_second=[3]")
    runs = as_json(*settings)["runs"]
    assert [(run["policy"], run["rate_per_second"]) for run in runs] == [("edf", 3.0)]


def test_nobody_served_is_a_result_like_any_other(tmp_path: Path) -> None:
    options = ("--rate", "5", "-s", "workload.min_quality=1", "--plot", tmp_path / "a.svg")
    text = output(*THREE, *options)
    assert "0.0%" in text
    assert (tmp_path / "a.svg").stat().st_size > 0


def test_without_deadlines_there_is_a_capacity_too() -> None:
    document = as_json("-p", "none", "--load", "1", "-s", "workload.deadline_seconds=inf")
    assert document["capacity_per_second"] > 0.0
    assert document["scenario"]["workload"]["deadline_seconds"] == "inf"
