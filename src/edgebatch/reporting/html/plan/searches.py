"""The rates that the search for the sustainable rate looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgebatch.reporting.html.charts import LOG_FROM_RATIO, figure
from edgebatch.reporting.html.looks import SIGNAL, Look
from edgebatch.reporting.html.page import Cell, Chart, Key, Table
from edgebatch.reporting.html.plan.document import Candidate, PlanDocument
from edgebatch.reporting.html.plan.layout import (
    precision_looks,
)

MOST_AT_ONCE = 4
"""Up to so many devices and models have their plots side by side; of more, one is chosen."""
_FEW_DECADES = 100.0
"""Up to this ratio of rates there is room for ticks at 2 and 5."""


def machines(plan: PlanDocument) -> list[str]:
    """Return every device and model for which rates were looked at, best first."""
    return list(dict.fromkeys(each.machine for each in plan.candidates if each.points))


def searches(plan: PlanDocument) -> list[Chart]:
    """Return the rates that were looked at, a plot a device and model, a line a precision."""
    looks = precision_looks(plan)
    return [
        _search(
            plan, machine, [e for e in plan.candidates if e.machine == machine and e.points], looks
        )
        for machine in machines(plan)
    ]


def _search(
    plan: PlanDocument, machine: str, candidates: Sequence[Candidate], looks: Mapping[str, Look]
) -> Chart:
    traces: list[dict[str, Any]] = []
    for each in candidates:
        look = looks[each.precision]
        means = [100.0 * point.share.mean for point in each.points]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": each.precision,
                "meta": {"series": each.precision},
                "x": [point.rate_per_second for point in each.points],
                "y": means,
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": [
                        100.0 * (point.share.high - point.share.mean) for point in each.points
                    ],
                    "arrayminus": [
                        100.0 * (point.share.mean - point.share.low) for point in each.points
                    ],
                    "color": look.colour,
                    "thickness": 1.2,
                    "width": 4,
                },
                "line": {"color": look.colour, "dash": look.dash, "width": 2},
                "marker": {"color": look.colour, "symbol": look.symbol, "size": 8},
                "text": [point.verdict for point in each.points],
                "hovertemplate": f"{each.precision} at %{{x:.4g}}/s<br>%{{y:.4g}} % in time"
                "<br>%{text}<extra></extra>",
            }
        )
    is_chosen = len(machines(plan)) > MOST_AT_ONCE
    target = 100.0 * plan.question.target
    layout = {
        "xaxis": {"title": {"text": "arrivals, requests/s"}, **_scale(candidates)},
        "yaxis": {"title": {"text": "served in time, % of requests"}},
        "shapes": [
            {
                "type": "line",
                **{"xref": "paper", "x0": 0, "x1": 1, "y0": target, "y1": target},
                "line": {"color": SIGNAL, "width": 1.5, "dash": "dash"},
            }
        ],
    }
    rows = tuple(
        (
            Cell.words(each.precision),
            Cell.number(point.rate_per_second, ".4g"),
            Cell.number(100.0 * point.share.mean, ".2f"),
            Cell.number(100.0 * point.share.low, ".2f"),
            Cell.number(100.0 * point.share.high, ".2f"),
            Cell.number(point.share.runs, "d"),
            Cell.words(point.verdict),
        )
        for each in candidates
        for point in each.points
    )
    return Chart(
        title="Rates looked at" if is_chosen else machine,
        setting=machine if is_chosen else None,
        note=f"Every rate that the search looked at, with 95 % intervals; the dashed line is the "
        f"target of {target:.4g} %. A rate counts only if its interval lies on one side of it.",
        figure=figure(traces, layout),
        legend=tuple(Key(each.precision, looks[each.precision]) for each in candidates),
        table=Table(
            ("Precision", "Rate, 1/s", "In time, %", "Low, %", "High, %", "Runs", "Target"),
            rows,
            "The rates in ascending order by precision",
        ),
    )


def _scale(candidates: Sequence[Candidate]) -> dict[str, Any]:
    """Return a logarithmic axis where rates lie far apart."""
    rates = [point.rate_per_second for each in candidates for point in each.points]
    ratio = max(rates) / min(rates)
    if ratio < LOG_FROM_RATIO:
        return {}
    return {"type": "log", "dtick": "D2" if ratio < _FEW_DECADES else 1, "exponentformat": "power"}
