"""A process that is killed while it makes runs: one line that says so and what helps."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli_process import pool_processes

LONG = ("-s", "workload.duration_seconds=600", "-p", "dftsp", "-p", "sjf", "-p", "edf")
RATES = ("--rate", "20", "--rate", "30", "--rate", "40", "--rate", "50")
AXIS = ("--axis", "workload.rate_per_second=20:50:4", "--output", "results")
KILLED = "a process that makes runs was killed, perhaps for want of memory"
KEPT = "what was finished is kept, and the same command goes on"
FEWER = "fewer --jobs need less"


def kill_one(process: subprocess.Popen[bytes]) -> None:
    """Kill one of the processes that make a command's runs, as soon as there is one."""
    while not (found := pool_processes(process.pid)):
        assert process.poll() is None, "it ended without a process that makes runs"
        time.sleep(0.02)
    found[0].kill()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("compare", *LONG, *RATES, "--no-plot"), (KILLED, FEWER)),
        (("reproduce", "--out", "results"), (KILLED, FEWER)),
        (("sweep", *LONG, *AXIS), (KILLED, KEPT, FEWER)),
    ],
    ids=["compare", "reproduce", "sweep"],
)
def test_it_ends_in_one_line(
    arguments: tuple[str, ...], told: tuple[str, ...], tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "edgebatch", *arguments, "--jobs", "2"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=tmp_path, stdout=pipe, stderr=pipe) as process:
        kill_one(process)
        output, errors = process.communicate(timeout=300)
    assert process.returncode == 2
    assert output == b""
    assert errors.decode() == f"edgebatch: error: {'; '.join(told)}\n"
