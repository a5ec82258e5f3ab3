"""Plots across more than one column or setting: percentiles, settings side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from edgebatch.reporting.html.charts import Positions, lines
from edgebatch.reporting.html.intervals import Estimate
from edgebatch.reporting.html.looks import line_looks, policy_looks
from edgebatch.reporting.html.page import Cell, Chart, Key, Table
from edgebatch.reporting.html.sweep.measures import ATTAINMENT, INTERVALS, Measure, is_wide
from edgebatch.reporting.html.sweep.view import StudyView
from edgebatch.reporting.html.sweep.words import SHARE


def latency_percentiles(view: StudyView, setting: Sequence[Any], position: int) -> Chart | None:
    """Return how the time to the whole answer is spread at one position, a line a policy."""
    columns = {"50": "p50", "90": "p90", "95": "p95", "99": "p99", "max": "max"}
    percentiles = Positions("percentile of requests served", tuple(columns), tuple(columns), True)
    series = {
        policy: [
            view.estimate(setting, position, policy, f"e2e_{name}_seconds")
            for name in columns.values()
        ]
        for policy in view.policies
    }
    series = {policy: row for policy, row in series.items() if any(row)}
    if not series:
        return None
    looks = policy_looks(view.policies)
    measure = Measure("", "arrival to whole answer, s", "", is_log=is_wide(series.values()))
    rows = tuple((Cell.words(policy), *map(Cell.estimate, row)) for policy, row in series.items())
    return Chart(
        title=f"How long answers took{view.at_place(position)}",
        note="Over requests that were served, late ones included. " + INTERVALS,
        figure=lines(percentiles, series, looks, measure.y_axis),
        legend=tuple(Key(policy, looks[policy]) for policy in series),
        table=Table(
            ("Policy", *percentiles.labels), rows, "arrival to whole answer, s, by percentile"
        ),
        setting=view.setting_label(setting),
    )


def settings_side_by_side(view: StudyView) -> Chart | None:
    """Return the best policy's attainment in every setting; None if there is but one setting."""
    settings = view.settings()
    if len(settings) < 2:
        return None
    positions = view.positions
    labels = [view.setting_label(setting) for setting in settings]
    best = [list(_best(view, setting)) for setting in settings]
    looks = line_looks(labels)
    rows = tuple(
        (
            Cell.words(label),
            *(
                Cell(f"{each.mean:.1f} ({policy})", each.mean) if each else Cell("–")
                for policy, each in row
            ),
        )
        for label, row in zip(labels, best, strict=True)
    )
    series = {label: [each for _, each in row] for label, row in zip(labels, best, strict=True)}
    return Chart(
        title="Settings side by side",
        note="Under whichever policy serves most in time at the point. " + INTERVALS,
        figure=lines(positions, series, looks, ATTAINMENT.y_axis),
        legend=tuple(Key(label, looks[label]) for label in labels),
        table=Table(
            ("Setting", *positions.labels),
            rows,
            f"{ATTAINMENT.axis}, and the policy; columns: {positions.title}",
        ),
        wide=True,
    )


def _best(view: StudyView, setting: Sequence[Any]) -> Iterator[tuple[str, Estimate | None]]:
    for position in range(len(view.positions.values)):
        shares = {
            policy: found
            for policy in view.policies
            if (found := view.estimate(setting, position, policy, SHARE, 100.0))
        }
        if not shares:
            yield "", None
            continue
        policy = max(shares, key=lambda each: shares[each].mean)
        yield policy, shares[policy]
