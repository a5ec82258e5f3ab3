"""``edgebatch plan``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli_process import edgebatch, refusal
from edgebatch.cli.main import app

QUICK = ("--policy", "continuous-edf", "--jobs", "1", "--set", "workload.min_quality=0.0")
SMALL = ("--device", "rtx-4060", "--model", "Qwen2.5-3B")


def output(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, ["plan", *QUICK, *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_tables_say_who_sustains_what_and_fit_80_columns(tmp_path: Path) -> None:
    options = ("--device", "Jetson Orin Nano 8GB Super", *SMALL)
    precisions = ("--precision", "w4a16", "--precision", "w16a16")
    text = output(*options, *precisions, "--rate", "0.1", "--output", tmp_path / "plan.json")
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    for shown in ("RTX 4060", "Qwen2.5-3B, w4a16", "At the sustainable rate", "at 0.1/s", "Take "):
        assert shown in text
    told = json.loads((tmp_path / "plan.json").read_text())
    assert len(told["candidates"]) == 4
    assert told["recommendation"].split() == text[text.index("Take ") :].split()


def test_what_does_not_fit_is_listed_with_what_is_missing() -> None:
    # 2 · 8,030,261,248 bytes of weights and the cache of the smallest request, in 8 GB
    options = ("--device", "RTX 4060", "--model", "Llama-3.1-8B", "--precision", "w16a16")
    text = " ".join(output(*options).split())
    assert "does not fit, 8.08 GB too little: weights 16.06 GB, memory 8.00 GB" in text
    assert "None fits; RTX 4060, Llama-3.1-8B, w16a16 comes closest" in text


def written_by(folder: Path, monkeypatch: pytest.MonkeyPatch, jobs: str) -> dict[str, bytes]:
    folder.mkdir()
    monkeypatch.chdir(folder)
    options = (*SMALL, "--precision", "w4a16", "--precision", "w8a16", "--output", "plan.json")
    result = edgebatch("plan", *QUICK[:2], *QUICK[4:], *options, "--jobs", jobs)
    assert result.returncode == 0, result.stderr
    assert result.stderr == b""
    return {path.name: path.read_bytes() for path in folder.iterdir()} | {"out": result.stdout}


def test_processes_change_no_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = written_by(tmp_path / "1", monkeypatch, "1")
    together = written_by(tmp_path / "2", monkeypatch, "2")
    assert alone == together
    assert set(alone) == {"plan.json", "out"}


def test_json_holds_all_that_a_report_needs() -> None:
    told: Any = json.loads(output(*SMALL, "--precision", "w4a16", "--json"))
    assert told["format"] == 1
    assert told["question"] == {
        "target": 0.99,
        "policy": "continuous-edf",
        "rate_per_second": None,
        "most_runs": 8,
    }
    [entry] = told["candidates"]
    assert (entry["device"], entry["model"]) == ("RTX 4060", "Qwen2.5-3B")
    assert entry["quality"][0]["source"]
    assert entry["at_sustainable"]["energy"]["power_watts"] == 115.0
    assert entry["scenario"]["node"]["device"] == "RTX 4060"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--device", "rtx-4061"), "--device: unknown name 'rtx-4061'; did you mean 'RTX 4060'?"),
        (("--model", "Llama-3.1-9B"), "--model: unknown name 'Llama-3.1-9B'; did you mean"),
        (("--precision", "w8a61"), "--precision: unknown name 'w8a61'; did you mean 'w8a16'?"),
        (("--precision", "w8a16+w4a16"), "rolling runs one precision"),
        (("--policy", "roling"), "policy: unknown name 'roling'; did you mean 'rolling'?"),
        (("--target", "1.5"), "--target: must be below 1, got 1.5"),
        (("--target", "nan"), "--target: must be a finite number above 0"),
        (("--rate", "0"), "--rate: must be a finite number above 0"),
        (("--runs", "5"), "--runs: must be 4, 8, 16, 32, got 5"),
        (("--output", "missing/plan.json"), "--output: there is no folder"),
        (("--profile", "missing.toml"), "missing.toml"),
        (("--profile", "a.toml", "--model", "Llama-3.1-8B"), "must not stand beside a profile"),
        (("--trace", "missing.csv"), "missing.csv: no such file"),
        (("missing.toml",), "missing.toml: cannot be read"),
        (("-s", "workload.deadline_seconds=inf"), "100% of the requests have none"),
    ],
)
def test_bad_input_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in refusal("plan", *options)
    assert list(tmp_path.iterdir()) == []
