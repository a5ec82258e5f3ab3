"""A study of the scenario that can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from edgebatch.scenario import overridden
from edgebatch.study.axes import parse_axis
from edgebatch.study.definition import Study
from edgebatch.study.execution import make_row, tasks
from edgebatch.study.rows import Row
from toy_scenario import TOY


def toy_study(*settings: str, **changes: Any) -> Study:
    """Return 2 rates × 2 policies × 2 seeds = 8 runs, with parts of the study changed."""
    study = Study(
        scenario=overridden(TOY, settings),
        axes=(parse_axis("workload.rate_per_second=0.5,2"),),
        policies=("none", "edf"),
        seeds=(3, 4),
    )
    return replace(study, files={}, **changes) if changes else study


def made(study: Study) -> list[Row]:
    """Return the rows of all runs."""
    return [make_row(task) for task in tasks(study, list(study.runs()))]


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}
