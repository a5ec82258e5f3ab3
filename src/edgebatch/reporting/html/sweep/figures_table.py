"""All figures of a sweep as one table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from edgebatch.reporting.html.page import Cell, Section, Table
from edgebatch.reporting.html.sweep.view import StudyView, shown

_COLUMNS = (
    ("In time, %", "in_time_share", 100.0),
    ("In time, 1/s", "served_per_second", 1.0),
    ("Late, %", "late_share", 100.0),
    ("Rejected, %", "rejected_share", 100.0),
    ("Expired, %", "expired_share", 100.0),
    ("p50, s", "e2e_p50_seconds", 1.0),
    ("p95, s", "e2e_p95_seconds", 1.0),
    ("p99, s", "e2e_p99_seconds", 1.0),
    ("First token p95, s", "ttft_p95_seconds", 1.0),
    ("Per token p50, ms", "tpot_p50_seconds", 1000.0),
    ("Batch, mean", "batch_size_mean", 1.0),
    ("Running", "running_mean", 1.0),
    ("Busy, %", "busy_share", 100.0),
    ("Memory peak, %", "memory_peak_share", 100.0),
    ("Nodes per decision", "nodes_per_decision", 1.0),
)


def figures_section(view: StudyView) -> Section:
    """Return the section with the table, a row a point and policy."""
    settings = view.settings()
    several = len(settings) > 1
    rows = [
        (
            *((Cell.words(view.setting_label(setting)),) if several else ()),
            _position_cell(value),
            Cell.words(policy),
            *_figure_cells(view, setting, position, policy),
        )
        for setting in settings
        for position, value in enumerate(view.positions.values)
        for policy in view.policies
        if view.at(setting, position, policy)
    ]
    headings: tuple[str, ...] = ("Setting",) if several else ()
    headings += (view.positions.title or "Point", "Policy", *(name for name, _, _ in _COLUMNS))
    caption = (
        "A row a point and policy: means over seeds, ± half of the 95 % confidence interval. "
        "p50, p95, p99: arrival to whole answer of those served. Press a heading to sort."
    )
    return Section("figures", "All figures", tables=(Table(headings, tuple(rows), caption),))


def _position_cell(value: Any) -> Cell:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Cell(shown(value), value)
    return Cell.words(shown(value))


def _figure_cells(
    view: StudyView, setting: Sequence[Any], position: int, policy: str
) -> Iterator[Cell]:
    for _, column, factor in _COLUMNS:
        yield Cell.estimate(view.estimate(setting, position, policy, column, factor))
