"""Whether a sweep that is killed again and again ends with the bytes of one that is not.

    python benchmarks/sweep/kill_and_resume.py

runs one sweep of 1,200 small simulations undisturbed, and once more with SIGKILL twice: first to
the command alone, so that its worker processes are orphaned, then to all of its processes. Prints
how far it had come each time, and whether the files are equal; exits with 1 if they are not.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from edgebatch.study.results import STUDY_FILE, StudyResults

POLICIES = ("dftsp", "static", "edf", "sjf", "greedy", "rolling")
SHARES_AT_KILLS = (0.25, 0.6)
"""Which part of the runs is written when SIGKILL comes."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="60 runs each")
    parser.add_argument("--seconds", type=float, default=10.0, help="simulated, each run")
    parser.add_argument("--jobs", type=int, default=-1)
    options = parser.parse_args()
    command = sweep_command(options.seeds, options.seconds, options.jobs)
    with tempfile.TemporaryDirectory() as name:
        whole, killed = Path(name) / "whole", Path(name) / "killed"
        started = time.perf_counter()
        subprocess.run([*command, str(whole)], check=True)
        print(f"undisturbed: {time.perf_counter() - started:.1f} s")
        for share, kill in zip(SHARES_AT_KILLS, (os.kill, os.killpg), strict=True):
            done, total = killed_at(share, [*command, str(killed)], killed, kill)
            print(f"SIGKILL ({kill.__name__}) with {done} of {total} runs written")
        subprocess.run([*command, str(killed)], check=True)
        equal = True
        for path in sorted(whole.iterdir()):
            one, other = digest(path), digest(killed / path.name)
            equal = equal and one == other
            print(f"{path.name}: {one[:16]} {other[:16]} {'equal' if one == other else 'DIFFER'}")
        equal = equal and names(whole) == names(killed)
    sys.exit(0 if equal else 1)


def sweep_command(num_seeds: int, seconds: float, jobs: int) -> list[str]:
    """Return the command of the sweep, but for the folder at its end."""
    policies = [option for policy in POLICIES for option in ("-p", policy)]
    axis = ["--axis", "load=0.25:4:10:log"]
    duration = ["-s", f"workload.duration_seconds={seconds}"]
    options = ["--seeds", str(num_seeds), "--jobs", str(jobs), "--output"]
    return [sys.executable, "-m", "edgebatch", "sweep", *axis, *policies, *duration, *options]


def killed_at(
    share: float, command: list[str], folder: Path, kill: Callable[[int, int], None]
) -> tuple[int, int]:
    """Run the command until a part of the runs is written, then kill it; return (done, all)."""
    process = subprocess.Popen(command, start_new_session=True)
    while process.poll() is None:
        if (folder / STUDY_FILE).exists():
            results = StudyResults.open(folder)
            if results.num_done >= share * results.study.num_runs:
                kill(process.pid, signal.SIGKILL)
                break
        time.sleep(0.05)
    if process.wait() != -signal.SIGKILL:
        sys.exit("the sweep ended before it could be killed; give more --seeds")
    results = StudyResults.open(folder)
    return results.num_done, results.study.num_runs


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


if __name__ == "__main__":
    main()
