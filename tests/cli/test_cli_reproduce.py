"""``edgebatch reproduce``: what it writes, and what it refuses."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli_process import refusal
from edgebatch.cli.main import app
from edgebatch.comparison import evaluation
from edgebatch.comparison.evaluation import Plan, Point, SearchStudy, Setting, Study

SMALL_MODEL = Setting("small", "one small model", models=("BLOOM-560m",))
TINY_PLAN = Plan(
    studies=(
        Study(
            "arrival-rate",
            "arrivals, requests/s",
            (
                Point("5", ("workload.rate_per_second=5",)),
                Point("40", ("workload.rate_per_second=40",)),
            ),
            (SMALL_MODEL,),
        ),
    ),
    search=SearchStudy((5, 40), (SMALL_MODEL,), node_limit=300, decisions_per_run=4),
    num_seeds=2,
    duration_seconds=4.0,
)


def test_it_writes_figures_tables_and_csv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "quick_plan", lambda: TINY_PLAN)
    folder = tmp_path / "new" / "folder"
    result = CliRunner().invoke(app, ["reproduce", "--quick", "--out", str(folder), "-j", "1"])
    assert result.exit_code == 0, result.output
    assert {path.name for path in folder.iterdir()} == {
        "arrival-rate-small.png",
        "arrival-rate-small.svg",
        "search-small.png",
        "search-small.svg",
        "search.csv",
        "summary.txt",
        "throughput.csv",
        "throughput.txt",
    }
    assert "Where the published order held" in result.stdout
    assert "fewer nodes" in result.stdout
    assert max(len(line) for line in result.stdout.splitlines()) <= 80
    drawn = ElementTree.parse(folder / "search-small.svg")
    assert drawn.getroot().tag.endswith("svg")
    # a header, 2 points × 3 policies × 2 seeds
    assert len((folder / "throughput.csv").read_text().splitlines()) == 1 + 12
    # a header, 2 rates × 4 decisions
    assert len((folder / "search.csv").read_text().splitlines()) == 1 + 8


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "taken"
    place.write_text("")
    assert "--out" in refusal("reproduce", "--out", place)


def test_zero_processes_are_refused(tmp_path: Path) -> None:
    assert "--jobs" in refusal("reproduce", "--jobs", "0", "--out", tmp_path / "new")
    assert not (tmp_path / "new").exists()
