"""What the plots of a plan share: rows of candidates, looks of precisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgebatch.reporting.html.looks import Look, line_looks
from edgebatch.reporting.html.plan.document import Candidate, PlanDocument

_ROW_PIXELS, _EDGE_PIXELS = 40, 100


def precision_looks(plan: PlanDocument) -> dict[str, Look]:
    """Return a look for each combination of precisions, in the order of the file."""
    return line_looks(list(dict.fromkeys(sorted(each.precision for each in plan.candidates))))


def by_candidate(candidates: Sequence[Candidate], title: str) -> dict[str, Any]:
    """Return a layout with a row a candidate, from the top."""
    return {
        "xaxis": {"title": {"text": title}, "rangemode": "tozero"},
        "yaxis": {
            "type": "category",
            "categoryorder": "array",
            "categoryarray": [broken_label(each) for each in candidates],
            "range": [len(candidates) - 0.4, -0.6],  # the first on top
            "tickfont": {"size": 11},
        },
    }


def broken_label(candidate: Candidate) -> str:
    """Return a candidate's label on two lines, so that it leaves room on a phone."""
    return f"{candidate.device}<br>{candidate.model}, {candidate.precision}"


def height_of(rows: Sequence[object]) -> int:
    """Return the height of a plot with so many rows, in pixels."""
    return _EDGE_PIXELS + _ROW_PIXELS * len(rows)
