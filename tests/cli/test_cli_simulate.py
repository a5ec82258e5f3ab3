"""``edgebatch simulate``."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from edgebatch.cli.main import app
from edgebatch.scenario import policy_names

SHORT = ("-s", "workload.duration_seconds=2")
FILES = ("--requests", "a.csv", "--chrome-trace", "a.json")
OUTCOMES = ("in_time", "late", "rejected", "expired")


def output(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, ["simulate", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.stdout


def as_json(*arguments: str | Path) -> Any:
    return json.loads(output(*arguments, "--json"))


@pytest.mark.parametrize(
    "policy",
    ["dftsp", "static:batch_cap=128,longest_batch_seconds=3.1234567890123457", "continuous"],
)
def test_the_tables_fit_80_columns_of_plain_text(policy: str) -> None:
    text = output(*SHORT, "-p", policy)
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert "…" not in text
    for heading in ("served in time", "whole answer, s", "decisions", "20 × Jetson TX2"):
        assert heading in text


# brute force takes too long, the exact solvers need their extras
QUICK = [name for name in policy_names() if name not in ("brute-force", "exact", "cp-sat", "milp")]


@pytest.mark.parametrize("policy", QUICK)
def test_every_request_ends_once_under_every_policy(policy: str) -> None:
    figures = as_json(*SHORT, "-p", policy)
    assert figures["policy"] == policy
    assert sum(figures[outcome] for outcome in OUTCOMES) == figures["requests"] > 0
    assert figures["attainment"] == figures["in_time"] / figures["requests"]


def test_the_workload_is_the_same_for_every_policy_and_another_for_another_seed() -> None:
    first, second = (as_json(*SHORT, "-p", policy)["requests"] for policy in ("dftsp", "none"))
    assert first == second
    spans = {as_json(*SHORT, "--seed", str(seed))["span_seconds"] for seed in range(3)}
    assert len(spans) == 3


def test_a_setting_has_the_last_word() -> None:
    assert as_json(*SHORT, "--seed", "5", "-s", "seed=6") == as_json(*SHORT, "--seed", "6")


def test_wall_clock_times_are_only_told_when_asked_for() -> None:
    assert "seconds" not in as_json(*SHORT)["effort"]
    assert as_json(*SHORT, "--timings")["effort"]["seconds"] > 0.0


def written_by(folder: Path, hash_seed: str, *arguments: str) -> dict[str, bytes]:
    folder.mkdir()
    result = subprocess.run(
        [sys.executable, "-m", "edgebatch", "simulate", "--json", *SHORT, *arguments, *FILES],
        cwd=folder,
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        capture_output=True,
        check=True,
        timeout=300,
    )
    assert result.stderr == b""
    return {path.name: path.read_bytes() for path in folder.iterdir()} | {"out": result.stdout}


@pytest.mark.parametrize(
    "arguments",
    [("orin-chat", "-s", "workload.num_requests=30"), ("-p", "continuous", "-s", "radio=")],
    ids=["epochs", "continuous"],
)
def test_the_same_seed_makes_the_same_bytes(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    first = written_by(tmp_path / "first", "1", *arguments)
    second = written_by(tmp_path / "second", "2", *arguments)
    assert first == second
    assert set(first) == {"a.csv", "a.json", "out"}


def test_records_say_what_the_figures_say(tmp_path: Path) -> None:
    path = tmp_path / "records.csv"
    figures = as_json(*SHORT, "--requests", path)
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    counted = {outcome: sum(row["outcome"] == outcome for row in rows) for outcome in OUTCOMES}
    assert counted == {outcome: figures[outcome] for outcome in OUTCOMES}


@pytest.mark.parametrize("policy", ["dftsp", "continuous:expire=true"])
@pytest.mark.parametrize(
    "setting",
    ["workload.min_quality=1", "workload.deadline_seconds=0", "workload.duration_seconds=1e-9"],
)
def test_nobody_served_is_a_result_like_any_other(
    tmp_path: Path, policy: str, setting: str
) -> None:
    records, timeline = tmp_path / "a.csv", tmp_path / "a.json"
    options = (*SHORT, "-s", setting, "-p", policy)
    figures = as_json(*options, "--requests", records, "--chrome-trace", timeline)
    assert figures["in_time"] == figures["throughput_per_second"] == figures["attainment"] == 0
    assert figures["rejected"] == figures["requests"]
    assert figures["latencies"]["e2e_seconds"] is None
    rows = list(csv.DictReader(records.read_text(encoding="utf-8").splitlines()))
    assert [row["outcome"] for row in rows] == ["rejected"] * figures["requests"]
    assert json.loads(timeline.read_text(encoding="utf-8"))["traceEvents"]
    assert "served in time  0 (0.0 %)" in output(*options)


def test_without_deadlines_all_are_served_in_time() -> None:
    figures = as_json(*SHORT, "-s", "workload.deadline_seconds=inf", "-s", "workload.min_quality=0")
    assert figures["in_time"] == figures["requests"] > 0


def test_a_trace_takes_the_place_of_the_workload(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(
        "arrival_seconds,prompt_tokens,output_tokens\n0,100,10\n5,200,20\n9,300,30\n",
        encoding="utf-8",
    )
    figures = as_json("--trace", path)
    assert (figures["requests"], set(figures["precisions"])) == (3, {"w8a16", "w4a16"})
    assert as_json("orin-chat", "--trace", path) == figures
    assert as_json("edge-cell", "--trace", path)["precisions"].keys() == {"w8a16"}
    assert as_json("--trace", path, "-s", "workload.start_seconds=6")["requests"] == 1
    assert as_json("--trace", path, "-s", "workload.start_seconds=60")["requests"] == 0


def completions(words: str) -> list[str]:
    """Return what bash would offer for the last of these words."""
    result = subprocess.run(
        [sys.executable, "-m", "edgebatch"],
        env=os.environ
        | {
            "_EDGEBATCH_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split(" ")) - 1),
        },
        capture_output=True,
        check=True,
        timeout=300,
    )
    assert result.stderr == b""
    return result.stdout.decode().split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("edgebatch sim", ["simulate"]),
        ("edgebatch simulate --policy cont", ["continuous", "continuous-edf", "continuous-sjf"]),
        ("edgebatch compare -p sta", ["static"]),
        ("edgebatch simulate or", ["orin-chat"]),
        ("edgebatch scenario ed", ["edge-cell"]),
        ("edgebatch solve x --solver gr", ["greedy"]),
        ("edgebatch models BLOOM-3", ["BLOOM-3b"]),
        ("edgebatch simulate --chr", ["--chrome-trace"]),
        ("edgebatch plan --device rtx-40", ["rtx-4060", "rtx-4090"]),
    ],
)
def test_the_shell_completes_commands_options_and_names(words: str, offered: list[str]) -> None:
    assert completions(words) == offered


def test_the_shell_can_be_told_how_to_complete() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "edgebatch", "--show-completion", "bash"],
        env=os.environ | {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
        capture_output=True,
        check=True,
        timeout=300,
    )
    assert b"_EDGEBATCH_COMPLETE=complete_bash" in result.stdout
