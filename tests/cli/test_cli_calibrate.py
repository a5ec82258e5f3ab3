"""``edgebatch calibrate``: what it writes, and what it refuses."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli_process import edgebatch, loaded_engine, refusal
from edgebatch.calibration.profile import Profile

pytest.importorskip("openvino_genai")
SHORT = ("calibrate", "--budget", "5", "--precision", "f16", "--precision", "w4")


def test_it_prints_tables_that_fit_and_writes_a_profile_and_a_plot(tmp_path: Path) -> None:
    output, plot = tmp_path / "profile.toml", tmp_path / "measured.svg"
    result = edgebatch(*SHORT, "--output", output, "--plot", plot)
    assert result.returncode == 0, result.stderr
    shown = result.stdout.decode()
    assert max(map(len, shown.splitlines())) <= 80
    for heading in ("held-out batches", "published form", "read at once", "reference", "Verdict:"):
        assert heading in shown
    assert "<svg" in plot.read_text()
    profile = Profile.load(output)
    assert [precision.name for precision in profile.precisions] == ["f16", "w4"]
    assert all(profile.start_seconds[name] > 0.0 for name in ("f16", "w4"))


def test_json_holds_the_profile_and_the_batches_that_judged_it(tmp_path: Path) -> None:
    output = tmp_path / "profile.toml"
    result = edgebatch(*SHORT, "--quality", "agreement", "--output", output, "--json")
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["quality_measure"] == "agreement"
    assert list(document["start_seconds"]) == ["f16", "w4"]
    assert document["precisions"][1]["quality"] == document["quality"][1]["agreement"]
    assert document["fit"]["held_out"]["count"] == len(document["held_out"])
    assert all(batch["predicted_seconds"] > 0.0 for batch in document["held_out"])


def test_an_interrupt_leaves_nothing_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edgebatch", "calibrate", "-o", str(tmp_path / "p.toml")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    loaded_engine(process.pid)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stdout == b""
    assert b"Traceback" not in stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--engine", "openvinno"), "did you mean 'openvino'?"),
        (("--engine", "openvino:thread=2"), "did you mean 'threads'?"),
        (("--engine", "openvino:threads=two"), "threads"),
        (("--engine", "simulated"), "--engine: unknown name 'simulated'"),
        (("--precision", "w5"), "--precision: unknown name 'w5'"),
        (("--precision", "w4", "--precision", "w4"), "--precision: 'w4' is given twice"),
        (("--model", "no-such-model"), "no-such-model"),
        (("--quality", "taste"), "--quality: unknown name 'taste'"),
        (("--quick", "--budget", "60"), "--quick: must not stand beside --budget"),
        (("--budget", "1"), "--budget"),
        (("--budget", "inf"), "--budget"),
        (("--budget", "nan"), "--budget"),
        (("--text", "missing.txt"), "--text: 'missing.txt': No such file"),
        (("--output", "nowhere/profile.toml"), "--output: there is no folder"),
        (("--plot", "plot.bmp"), "--plot: must end in .png"),
    ],
)
def test_bad_input_is_refused_in_one_line(
    arguments: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in refusal("calibrate", *arguments)
    assert list(tmp_path.iterdir()) == []
