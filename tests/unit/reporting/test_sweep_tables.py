"""The tables that a sweep ends with: 80 columns, whatever was varied."""

from __future__ import annotations

import io
from pathlib import Path
from statistics import fmean

import pytest
from rich.console import Console, RenderableType

from edgebatch.reporting.sweep_tables import sweep_tables
from edgebatch.study.axes import Axis, parse_axis
from edgebatch.study.definition import Study
from edgebatch.study.results import StudyResults
from edgebatch.study.rows import Row
from report_inputs import PRECISIONS, RATES, study, swept
from toy_study import made


def rendered(tables: list[RenderableType]) -> list[str]:
    console = Console(file=io.StringIO(), width=80)
    with console.capture() as captured:
        for table in tables:
            console.print(table)
    return [line.rstrip() for line in captured.get().splitlines()]


def lines_of(folder: Path, of: Study) -> list[str]:
    return rendered(sweep_tables(swept(folder, of)))


def share(rows: list[Row], policy: str, rate: float) -> float:
    of_seeds = [
        float(row["in_time_share"])
        for row in rows
        if (row["policy"], row["rate"]) == (policy, rate)
    ]
    return 100.0 * fmean(of_seeds)


def test_every_policy_has_its_mean_and_interval_at_every_point(tmp_path: Path) -> None:
    results = swept(tmp_path / "r")
    lines = rendered(sweep_tables(results))
    assert lines[0].split() == ["Policy", "0.25/s", "0.5/s", "1/s"]
    rows = results.rows()
    for policy in results.study.policies:
        number, [first] = next(
            (number, [line]) for number, line in enumerate(lines) if line.startswith(policy)
        )
        for cell, rate in zip(first.split()[1:], RATES.values, strict=True):
            assert float(cell.strip("*=")) == pytest.approx(share(rows, policy, rate), abs=0.051)
        assert lines[number + 1].count("±") == 3
    assert "mean over 3 seeds and its 95 % interval" in " ".join(lines)


def test_the_most_is_marked_and_who_cannot_be_told_apart_from_it(tmp_path: Path) -> None:
    of = study(Axis("rate", (0.5,)), policies=("none", "fcfs", "edf"))
    # less than the first by 0, 10 and 5 points: 5 ± 4.3·5/√3 = 12.4; and by 40, 50 and 45
    given = {"none": (0.9, 0.9, 0.9), "fcfs": (0.9, 0.8, 0.85), "edf": (0.5, 0.4, 0.45)}
    rows = [
        {**row, "in_time_share": given[row["policy"]][row["seed"] - 3]}
        for row in reversed(made(of))
    ]
    results = StudyResults.create(tmp_path, of)
    results.append(rows)
    lines = rendered(sweep_tables(results))
    assert [line.split() for line in lines[2:8:2]] == [
        ["none", "*90.0"],
        ["fcfs", "=85.0"],
        ["edf", "45.0"],
    ]
    assert lines[5].split() == ["±12.4"]
    assert "* most, = not told apart from it" in " ".join(lines)


def test_without_seeds_to_compare_there_is_no_interval(tmp_path: Path) -> None:
    text = "\n".join(lines_of(tmp_path / "r", study(RATES, seeds=(1,))))
    assert "±" not in text
    assert "=" not in text.replace("batch_cap=2", "")


def test_many_points_long_labels_and_many_settings_fit_80_columns(tmp_path: Path) -> None:
    long = "static:batch_cap=128,longest_batch_seconds=3.1234567890123457"
    axes = (
        parse_axis("rate=0.1:2:7:log"),
        PRECISIONS,
        parse_axis("node.flops=16,16.000001,16.00001"),
    )
    lines = lines_of(tmp_path / "r", study(*axes, policies=("none", long), seeds=(1,)))
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith("Policy") for line in lines) == 4
    assert "5 of 7" in " ".join(lines)
    assert "and 2 more settings; edgebatch report" in " ".join(lines)


def test_a_single_point_is_a_table_too(tmp_path: Path) -> None:
    lines = lines_of(tmp_path / "r", study(Axis("rate", (0.5,)), policies=("none",), seeds=(1,)))
    assert lines[0].split() == ["Policy", "0.5/s"]
    assert "*" not in "".join(lines)
