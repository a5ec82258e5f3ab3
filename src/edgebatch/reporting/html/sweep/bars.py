"""Bars of what became of requests and of batches at one position, a bar a policy."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from edgebatch.reporting.html.charts import stacked_bars
from edgebatch.reporting.html.intervals import Estimate
from edgebatch.reporting.html.looks import Look, area_looks
from edgebatch.reporting.html.page import Cell, Chart, Key, Table
from edgebatch.reporting.html.sweep.view import StudyView
from edgebatch.reporting.html.sweep.words import binding_counts
from edgebatch.study.rows import BUDGETS, OUTCOMES

_OUTCOME_LOOKS = {
    "in time": Look("#009E73"),
    "late": Look("#E69F00"),
    "rejected": Look("#999999"),
    "expired": Look("#882255"),
}
_WHOLE = 101.0
"""Upper end of an axis of per cent, with room for the last label."""
_OUTCOME_NAMES = {
    "in_time": "in time",
    "late": "late",
    "rejected": "rejected",
    "expired": "expired",
}


def outcomes(view: StudyView, setting: Sequence[Any], position: int) -> Chart | None:
    """Return how requests ended at one position, a bar a policy."""
    parts = {
        _OUTCOME_NAMES[outcome]: [
            _mean(view.estimate(setting, position, policy, f"{outcome}_share", 100.0))
            for policy in view.policies
        ]
        for outcome in OUTCOMES
    }
    title = f"How requests ended{view.at_place(position)}"
    return _shares(view, setting, (title, "% of requests", "Means over seeds."), parts)


def binding(view: StudyView, setting: Sequence[Any], position: int) -> Chart | None:
    """Return what kept candidates out at one position, a bar a policy."""
    counts = [binding_counts(view, setting, position, policy) for policy in view.policies]
    parts = {
        budget: [100.0 * each[budget] / max(sum(each.values()), 1) for each in counts]
        for budget in BUDGETS
        if any(each[budget] for each in counts)
    }
    title = f"What bound{view.at_place(position)}"
    note = "The budget that kept the next candidate out, of all batches that left somebody out."
    return _shares(view, setting, (title, "% of such batches", note), parts)


def precisions(view: StudyView, setting: Sequence[Any], position: int) -> Chart | None:
    """Return which precision served how many at one position, if more than one is hosted."""
    served = [
        [json.loads(row["served_by_precision"]) for row in at.values()]
        for at in (view.at(setting, position, policy) for policy in view.policies)
    ]
    names = sorted({name for rows in served for row in rows for name in row})
    if len(names) < 2:
        return None
    requests = [
        sum(row["requests"] for row in view.at(setting, position, policy).values())
        for policy in view.policies
    ]
    parts = {
        name: [
            100.0 * sum(row.get(name, 0) for row in rows) / max(count, 1)
            for rows, count in zip(served, requests, strict=True)
        ]
        for name in names
    }
    title = f"Served by precision{view.at_place(position)}"
    note = "Late answers included; the rest was not served. Means over seeds."
    return _shares(view, setting, (title, "% of requests", note), parts)


def _shares(
    view: StudyView,
    setting: Sequence[Any],
    texts: tuple[str, str, str],
    parts: Mapping[str, Sequence[float]],
) -> Chart | None:
    if not any(any(values) for values in parts.values()):
        return None
    title, axis, note = texts
    labels = [policy.replace(":", ":<br>").replace(",", ",<br>") for policy in view.policies]
    looks = _OUTCOME_LOOKS if set(parts) == set(_OUTCOME_LOOKS) else area_looks(list(parts))
    rows = [
        (Cell.words(policy), *(Cell.number(values[place], ".1f") for values in parts.values()))
        for place, policy in enumerate(view.policies)
    ]
    return Chart(
        title=title,
        note=note,
        figure=stacked_bars(labels, parts, looks, axis, most=_WHOLE),
        legend=tuple(Key(name, looks[name]) for name in parts),
        table=Table(("Policy", *parts), tuple(rows), axis),
        setting=view.setting_label(setting),
        height=90 + 34 * len(view.policies),
    )


def _mean(estimate: Estimate | None) -> float:
    return estimate.mean if estimate is not None else 0.0
