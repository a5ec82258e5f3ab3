"""``edgebatch run`` and ``edgebatch generate`` on real engines, in processes of their own."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from cli_process import edgebatch, loaded_engine, refusal
from edgebatch.calibration.profile import Profile
from edgebatch.problem import Model, Node, Precision
from toy_profile import toy_profile

pytest.importorskip("openvino_genai", reason="the default engine (extra engine)")

SIMULATED = ("run", "--engine", "simulated", "-s", "workload.num_requests=20")


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """A node with room for the shipped model, in the precision that the engine calls w8."""
    node = Node(memory_bytes=1e9, flops=1e12)
    model = Model(3, 192, 384, heads=3, kv_heads=1, gated_ffn=True)
    toy = toy_profile()
    source = toy.source.model_copy(update={"engine": "openvino", "model": "edgebatch-tiny"})
    measured = toy.replace(
        source=source, node=node, model=model, precisions=(Precision("w8", 1.0),)
    )
    measured.save(tmp_path / "profile.toml")
    return tmp_path / "profile.toml"


def test_the_shipped_model_answers_by_one_command() -> None:
    shown = edgebatch("generate", "The class statement", "--max-tokens", "8", "--json")
    answer = json.loads(shown.stdout)
    assert (answer["tokens"], answer["finish"]) == (8, "length")
    assert answer["text"]
    spoken = edgebatch("generate", "The class statement", "--max-tokens", "8")
    assert spoken.stdout.decode() == answer["text"] + "\n"


def test_a_run_has_the_figures_of_a_simulation_beside_it() -> None:
    shown = edgebatch(*SIMULATED, "--policy", "rolling", "--beside-simulation", "--json")
    measured = json.loads(shown.stdout)
    assert measured["requests"] == measured["simulation"]["requests"] == 20
    assert set(measured["simulation"]) <= set(measured)
    assert measured["engine"]["engine"] == "simulated"
    table = edgebatch(*SIMULATED, "--beside-simulation").stdout.decode()
    assert "measured" in table
    assert max(map(len, table.splitlines())) <= 80


def test_a_profile_of_another_model_is_told_in_one_line(profile: Path, tmp_path: Path) -> None:
    command = ("run", "-s", "workload.num_requests=2", "--profile")
    fitting = edgebatch(*command, profile)
    assert (fitting.returncode, fitting.stderr) == (0, b"")
    other = Profile.load(profile)
    source = other.source.model_copy(update={"model": "llama-36m"})
    other.replace(source=source).save(tmp_path / "other.toml")
    warned = edgebatch(*command, tmp_path / "other.toml")
    assert warned.returncode == 0
    [line] = warned.stderr.decode().splitlines()
    assert line.startswith("edgebatch: warning: the profile was measured on llama-36m in openvino,")
    assert "but edgebatch-tiny in openvino runs" in line
    assert "calibrate" in line
    assert edgebatch(*command, tmp_path / "other.toml", "-e", "simulated").stderr == b""


@pytest.mark.skipif(
    not hasattr(psutil.Process, "io_counters"), reason="nobody tells what a process has written"
)
def test_a_killed_engine_ends_the_run_and_keeps_every_outcome(
    profile: Path, tmp_path: Path
) -> None:
    records = tmp_path / "requests.csv"
    command = ["run", "--profile", profile, "--requests", records, "--policy", "continuous"]
    # so many that somebody runs at any time
    rate = ["-s", "workload.rate_per_second=200", "-s", "workload.num_requests=20000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "edgebatch", *map(str, command), *rate],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    engine = loaded_engine(process.pid)
    # it reports every step, and half of the answers take 60 of them at most
    wait_for_writes(engine, 120)
    engine.send_signal(signal.SIGKILL)
    printed, said = process.communicate(timeout=60)
    assert process.returncode == 3
    [line] = said.decode().splitlines()
    assert line.startswith("edgebatch: error: OpenVINO")
    assert "SIGKILL" in line
    assert b"failed" in printed
    with records.open(newline="", encoding="utf-8") as file:
        outcomes = [row["outcome"] for row in csv.DictReader(file)]
    assert "failed" in outcomes
    assert {"in_time", "late"} & set(outcomes)
    assert 0 < len(outcomes) < 20000
    assert not psutil.pid_exists(engine.pid)


def wait_for_writes(process: psutil.Process, number: int) -> None:
    """Wait until a process has written so often."""
    until = time.monotonic() + 60
    while process.io_counters().write_count < number:
        assert time.monotonic() < until, "it does not go on"
        time.sleep(0.05)


def test_a_model_that_is_none_is_one_line(profile: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for name in ("openvino_model", "openvino_tokenizer", "openvino_detokenizer"):
        (broken / f"{name}.xml").write_text("<net>", encoding="utf-8")
        (broken / f"{name}.bin").write_bytes(b"")
    (broken / "config.json").write_text("{}", encoding="utf-8")
    assert str(broken) in refusal("run", "--profile", profile, "--model", broken)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--engine", "opnvino"), "did you mean 'openvino'?"),
        (("--engine", "simulated:time_factor=0"), "engine.simulated.time_factor"),
        (("--engine", "openai"), "--url: is needed with --engine openai"),
        (("--url", "http://127.0.0.1:1"), "--url: only goes with --engine openai"),
        (("--profile", "missing.toml"), "missing.toml"),
        (("--text", "missing.txt"), "--text: cannot be read"),
        (("--policy", "roling"), "did you mean 'rolling'?"),
    ],
)
def test_bad_input_is_one_line(arguments: tuple[str, ...], said: str) -> None:
    assert said in refusal("run", *arguments)


def test_a_server_that_is_not_there_is_told_within_seconds() -> None:
    result = edgebatch("generate", "a", "--engine", "openai", "--url", "http://127.0.0.1:9")
    assert result.returncode == 3
    [line] = result.stderr.decode().splitlines()
    assert "127.0.0.1:9" in line
