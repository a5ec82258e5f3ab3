"""The results of a sweep as tables that fit a terminal: who serves how many in time."""

from __future__ import annotations

import textwrap

import numpy as np
from numpy.typing import NDArray
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from edgebatch.reporting.html.intervals import Estimate, estimate
from edgebatch.reporting.html.sweep.view import StudyView, position_axis
from edgebatch.reporting.tables import Column, broken, make_table
from edgebatch.study.results import StudyResults

_MOST_POSITIONS = 5
_MOST_SETTINGS = 4
_POLICY_WIDTH = 24
_HEADING_WIDTH = 9

_Shares = NDArray[np.float64]
"""Parts served in time by position, policy and seed; nan where there were no requests."""


def sweep_tables(results: StudyResults) -> list[RenderableType]:
    """Return the part of requests that each policy served in time, a column a point.

    A table for each setting, of at most four settings and five points of each; the page that
    ``edgebatch report`` makes has all.

    Args:
        results: complete ones.

    Raises:
        InputError: they cannot be read.
    """
    study = results.study
    place = position_axis(study.axes)
    view = StudyView(results, place, {})
    shares = results.table(["run", "in_time_share"]).column("in_time_share").to_numpy()
    lengths = tuple(len(axis.values) for axis in study.axes)
    shares = shares.astype(np.float64).reshape(*lengths, len(study.policies), len(study.seeds))
    if place is not None:
        shares = np.moveaxis(shares, place, -3)
    shares = shares.reshape(-1, len(view.positions.values), *shares.shape[-2:])
    settings = view.settings()
    shown = settings[:_MOST_SETTINGS]
    tables: list[RenderableType] = [
        _table(view, view.setting_label(setting), of_setting, is_last=setting is shown[-1])
        for setting, of_setting in zip(shown, shares, strict=False)
    ]
    if len(settings) > len(shown):
        rest = len(settings) - len(shown)
        tables.append(Text(f"and {rest} more settings; edgebatch report {results.folder} has all"))
    return tables


def _table(view: StudyView, label: str, shares: _Shares, *, is_last: bool) -> Table:
    positions = _spread(len(shares))
    columns = [
        Column("Policy", numeric=False),
        *(Column(_heading(view, position)) for position in positions),
    ]
    cells = [_cells(shares[position]) for position in positions]
    rows = [
        (broken(policy, _POLICY_WIDTH), *(cell[number] for cell in cells))
        for number, policy in enumerate(view.policies)
    ]
    caption = _caption(view, len(positions)) if is_last else ""
    return make_table(columns, rows, title=label[:1].upper() + label[1:], caption=caption)


def _spread(count: int) -> list[int]:
    """Return the positions that are shown: all, or some from the first to the last."""
    chosen = np.linspace(0, count - 1, min(count, _MOST_POSITIONS)).round().astype(int)
    return [int(each) for each in chosen]


def _heading(view: StudyView, position: int) -> str:
    text = view.positions.labels[position]
    if view.is_over_load:
        key = view.results.study.axes[view.position_axis or 0].key
        text += "×" if key == "load" else "/s"
    return "\n".join(textwrap.wrap(text, _HEADING_WIDTH)) or text


def _cells(shares: _Shares) -> list[str]:
    """Return the cells of a column, policy by policy."""
    estimates = [_estimate(of_policy) for of_policy in shares]
    means = [-1.0 if each is None else each.mean for each in estimates]
    best = means.index(max(means))
    return [
        "–"
        if each is None
        else _cell(each, _mark(shares[best], shares[number]) if len(estimates) > 1 else "")
        for number, each in enumerate(estimates)
    ]


def _mark(best: _Shares, other: _Shares) -> str:
    """Return ``*`` for the most and ``=`` for what cannot be told apart from it, seed by seed."""
    difference = _estimate(best - other)
    if difference is None or difference.mean == 0.0:
        return "*"
    return "" if difference.half_width is None or difference.excludes_zero else "="


def _estimate(values: _Shares) -> Estimate | None:
    return estimate([None if np.isnan(value) else value for value in values.tolist()])


def _cell(share: Estimate, mark: str) -> str:
    text = f"{mark}{100 * share.mean:.1f}"
    return text if share.half_width is None else f"{text}\n±{100 * share.half_width:.1f}"


def _caption(view: StudyView, num_shown: int) -> str:
    parts = ["per cent of requests served in time"]
    num_seeds = len(view.results.study.seeds)
    if num_seeds > 1:
        parts[0] += f", mean over {num_seeds} seeds and its 95 % interval"
    if view.position_axis is not None:
        parts.append(f"columns: {view.positions.title}")
        if num_shown < len(view.positions.values):
            parts[-1] += f", {num_shown} of {len(view.positions.values)}"
    if len(view.policies) > 1:
        tied = ", = not told apart from it" if num_seeds > 1 else ""
        parts.append(f"* most{tied}")
    return "; ".join(parts)
