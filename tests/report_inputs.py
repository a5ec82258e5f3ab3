"""Results small enough to make in a second, for tests of reports."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

from edgebatch.study.axes import Axis
from edgebatch.study.candidates import Choice
from edgebatch.study.definition import Study
from edgebatch.study.plan import plan
from edgebatch.study.results import StudyResults
from edgebatch.study.sweep import sweep
from toy_scenario import CUSTOM, TOY

RATES = Axis("rate", (0.25, 0.5, 1.0))
PRECISIONS = Axis(
    "precisions.custom", ([CUSTOM], [{**CUSTOM, "name": "half", "weight_bytes": 1.0}])
)
POLICIES = ("dftsp", "none", "rolling", "static:batch_cap=2")


def study(
    *axes: Axis,
    policies: tuple[str, ...] = POLICIES,
    seeds: tuple[int, ...] = (3, 4, 5),
    title: str = "A toy",
    scenario: dict[str, Any] = TOY,
) -> Study:
    """Return a study of the toy scenario; over three rates unless axes are given."""
    return Study(
        scenario, axes or (RATES,), policies, seeds, title, "Who serves most requests in time?"
    )


def swept(folder: Path, of: Study | None = None) -> StudyResults:
    """Return the results of a study, made in this process."""
    return sweep(of or study(), folder, jobs=1)


def planned(path: Path) -> dict[str, Any]:
    """Write a plan with a candidate that meets the target and one that does not fit."""
    heavy = {**CUSTOM, "name": "w-heavy", "weight_bytes": 1e6}
    document = {**TOY, "precisions": {"custom": [CUSTOM, heavy]}}
    found = plan(
        document, Choice(), target=0.6, rate_per_second=0.1, policy="fcfs", most_runs=4, jobs=1
    ).to_dict()
    path.write_text(json.dumps(found), encoding="utf-8")
    return found


def listing(page: str, heading: str) -> str:
    """Return the verbatim text below a heading of a page."""
    found = re.search(
        rf"<h3>{re.escape(heading)}</h3>\s*<pre[^>]*><code>(.*?)</code>", page, re.DOTALL
    )
    assert found is not None
    return html.unescape(found[1])
