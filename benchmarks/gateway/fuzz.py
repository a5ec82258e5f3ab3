"""The fuzz of ``tests/serving/test_fuzz.py``, for longer and against any engine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

REPOSITORY = Path(__file__).resolve().parents[2]


def main(
    examples: Annotated[int, typer.Option(help="how many of each kind", min=1)] = 1000,
    engine: Annotated[str, typer.Option(help="as edgebatch serve takes it")] = "simulated",
) -> None:
    command = [sys.executable, "-m", "pytest", "-n", "0", "--durations", "0"]
    environment = {
        "EDGEBATCH_FUZZ_EXAMPLES": str(examples),
        "EDGEBATCH_FUZZ_ENGINE": engine,
        "HYPOTHESIS_PROFILE": "thorough",  # other examples each time
    }
    ended = subprocess.run(
        [*command, "tests/serving/test_fuzz.py"],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        check=False,
    )
    raise typer.Exit(ended.returncode)


if __name__ == "__main__":
    typer.run(main)
