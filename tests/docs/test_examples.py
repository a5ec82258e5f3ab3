"""The example scripts run and print what is committed beside them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from console_sessions import REPOSITORY, environment

EXAMPLES = sorted((REPOSITORY / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_prints_its_committed_output(example: Path, tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, example],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=300,
    )
    assert result.stderr == ""
    assert result.stdout == example.with_suffix(".out").read_text(encoding="utf-8")


def test_every_output_belongs_to_an_example() -> None:
    outputs = sorted((REPOSITORY / "examples").glob("*.out"))
    assert [output.stem for output in outputs] == [example.stem for example in EXAMPLES]
