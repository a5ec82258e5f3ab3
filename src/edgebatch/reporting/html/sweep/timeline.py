"""One run second by second: batches, who waits and runs, and how full the budgets are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgebatch.problem.checks import FloatArray
from edgebatch.reporting.html.charts import figure
from edgebatch.reporting.html.looks import MUTED, Look, area_looks, plain_looks
from edgebatch.reporting.html.page import Cell, Chart, Key, Table
from edgebatch.reporting.html.sweep.over_time import busy_shares, counts_over_time
from edgebatch.simulation import BatchRecord, RunLog

MOST_BATCHES = 1000
"""Batches drawn; of a longer run the middle."""
_SHOWN_BATCHES = 40
_MOST_POINTS = 1500
_TOP = {
    False: "computing of batches, a colour a precision, and the phases in which their prompts and "
    "answers are sent.",
    True: "steps in which requests join the running batch, a colour a precision.",
}
_COUNTS = ("waiting", "running")
_USES = ("memory", "uplink", "downlink", "busy")


def timeline_chart(
    log: RunLog, title: str, *, is_continuous: bool, downlink_seconds: float
) -> Chart | None:
    """Return the timeline of a run; None if there was no batch.

    Args:
        log: of the run.
        title: which run it is.
        is_continuous: whether requests join a running batch, so that batches are their prefills.
        downlink_seconds: length of the phase in which a batch's answers are sent.
    """
    batches = _middle(log.batches)
    if not batches:
        return None
    precisions = area_looks(sorted(log.precisions))  # as in the plot of who served how many
    counts, uses = plain_looks(_COUNTS), plain_looks(_USES, start=len(_COUNTS))
    traces = [
        *(_compute(log, batches, precisions, "prefills" if is_continuous else "compute")),
        *([] if is_continuous else _phases(batches, downlink_seconds)),
        *_counts(log, counts),
        *_uses(log, batches, uses),
    ]
    drawn_names = {trace["name"] for trace in traces}
    cut = len(batches) < len(log.batches)
    drawn = f" Batches drawn: the middle {len(batches)} of {len(log.batches)}." if cut else ""
    legend = [Key(name, look) for name, look in precisions.items()]
    legend += [Key(name, counts[name]) for name in _COUNTS]
    legend += [Key(name, uses[name]) for name in _USES if name in drawn_names]
    return Chart(
        title=title,
        note=f"Drag to zoom, double-click for the whole run. Top: {_TOP[is_continuous]} "
        "Middle: requests that wait, and those that were chosen, until their last token. "
        "Bottom: per cent of memory (weights included) and "
        "of the band that batches needed, and of the time in which the node computed." + drawn,
        figure=figure(traces, _layout(batches, log)),
        legend=tuple(legend),
        table=_table(log, batches),
        wide=True,
        height=640,
    )


def _middle(batches: list[BatchRecord]) -> list[BatchRecord]:
    start = max((len(batches) - MOST_BATCHES) // 2, 0)
    return batches[start : start + MOST_BATCHES]


def _layout(batches: list[BatchRecord], log: RunLog) -> dict[str, Any]:
    middle = len(batches) // 2
    near = batches[max(middle - _SHOWN_BATCHES // 2, 0) : middle + _SHOWN_BATCHES // 2]
    window = [near[0].decided_at_seconds, max(batch.ended_at_seconds for batch in near)]
    if len(near) == len(batches) == len(log.batches):
        window = [0.0, log.span_seconds]
    lanes = {"type": "category", "autorange": "reversed", "showgrid": False, "ticks": ""}
    return {
        "barmode": "overlay",
        "bargap": 0.25,
        "xaxis": {
            "title": {"text": "time since the run began, s"},
            "range": window,
            "anchor": "y3",
        },
        "yaxis": {**lanes, "domain": [0.76, 1.0]},
        "yaxis2": {"domain": [0.4, 0.7], "title": {"text": "requests"}, "rangemode": "tozero"},
        "yaxis3": {"domain": [0.0, 0.34], "title": {"text": "% used"}, "range": [0.0, 103.0]},
    }


def _compute(
    log: RunLog, batches: list[BatchRecord], looks: Mapping[str, Look], lane: str
) -> list[dict[str, Any]]:
    return [
        _spans(
            f"{lane} {node + 1}" if log.num_nodes > 1 else lane,
            [(batch, batch.started_at_seconds, batch.ended_at_seconds) for batch in together],
            looks[name].colour,
            name,
        )
        for node in range(log.num_nodes)
        for place, name in enumerate(log.precisions)
        if (together := [each for each in batches if (each.node, each.precision) == (node, place)])
    ]


def _phases(batches: list[BatchRecord], downlink_seconds: float) -> list[dict[str, Any]]:
    uplinks = [
        (batch, batch.decided_at_seconds, batch.started_at_seconds)
        for batch in batches
        if batch.started_at_seconds > batch.decided_at_seconds
    ]
    downlinks = [
        (batch, batch.ended_at_seconds, batch.ended_at_seconds + downlink_seconds)
        for batch in batches
        if downlink_seconds > 0.0
    ]
    lanes = (("uplink", uplinks), ("downlink", downlinks))
    return [_spans(lane, spans, MUTED, "") for lane, spans in lanes if spans]


def _spans(
    lane: str, spans: list[tuple[BatchRecord, float, float]], colour: str, series: str
) -> dict[str, Any]:
    return {
        "type": "bar",
        "orientation": "h",
        "name": series or lane,
        "meta": {"series": series},
        "y": [lane] * len(spans),
        "base": [_rounded(start) for _, start, _ in spans],
        "x": [_rounded(end - start) for _, start, end in spans],
        "marker": {"color": colour, "opacity": 0.85, "line": {"width": 0}},
        "hovertext": [_described(batch) for batch, _, _ in spans],
        "hovertemplate": "%{hovertext}<extra></extra>",
    }


def _described(batch: BatchRecord) -> str:
    bound = "nobody left out" if batch.binding is None else f"bound by {batch.binding.value}"
    return (
        f"batch {batch.number}: {batch.size} of {batch.num_waiting} waiting, "
        f"{batch.running} running<br>{bound}"
    )


def _counts(log: RunLog, looks: Mapping[str, Look]) -> list[dict[str, Any]]:
    ends = {
        "waiting": ("arrival_seconds", "decided_at_seconds"),
        "running": ("decided_at_seconds", "last_token_at_seconds"),
    }
    traces = []
    for name, (begin, end) in ends.items():
        times, counts = counts_over_time(log.ledger.column(begin), log.ledger.column(end))
        traces.append(_steps(name, times, counts, looks[name], "y2"))
    return traces


def _uses(
    log: RunLog, batches: list[BatchRecord], looks: Mapping[str, Look]
) -> list[dict[str, Any]]:
    starts = np.array([batch.started_at_seconds for batch in batches])
    used = {
        "memory": [batch.memory_use for batch in batches],
        "uplink": [batch.uplink_use for batch in batches],
        "downlink": [batch.downlink_use for batch in batches],
    }
    traces = [
        _steps(name, starts, 100.0 * np.array(values), looks[name], "y3")
        for name, values in used.items()
        if any(values)
    ]
    edges, shares = busy_shares(log)
    traces.append(_steps("busy", edges, 100.0 * shares, looks["busy"], "y3"))
    return traces


def _steps(
    name: str, times: FloatArray, values: FloatArray, look: Look, axis: str
) -> dict[str, Any]:
    stride = -(-len(times) // _MOST_POINTS) or 1
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "meta": {"series": name},
        "x": [_rounded(each) for each in times[::stride].tolist()],
        "y": [_rounded(each) for each in values[::stride].tolist()],
        "yaxis": axis,
        "line": {"color": look.colour, "dash": look.dash, "shape": "hv", "width": 1.6},
        "hovertemplate": f"{name}: %{{y:.4g}} at %{{x:.4g}} s<extra></extra>",
    }


def _rounded(value: float) -> float:
    return float(f"{value:.7g}")


def _table(log: RunLog, batches: list[BatchRecord]) -> Table:
    middle = len(batches) // 2
    near = batches[max(middle - _SHOWN_BATCHES // 2, 0) : middle + _SHOWN_BATCHES // 2]
    rows = [
        (
            Cell.number(batch.number, "d"),
            Cell.number(batch.started_at_seconds, ".3f"),
            Cell.number(batch.ended_at_seconds - batch.started_at_seconds, ".3f"),
            Cell.number(batch.size, "d"),
            Cell.number(batch.running, "d"),
            Cell.number(batch.num_waiting, "d"),
            Cell.words(log.precisions[batch.precision]),
            Cell.number(100.0 * batch.memory_use, ".1f"),
            Cell.words("–" if batch.binding is None else batch.binding.value),
        )
        for batch in near
    ]
    return Table(
        headings=(
            *("Batch", "Begins, s", "Takes, s", "Size", "Running", "Waiting"),
            *("Precision", "Memory, %", "Binds"),
        ),
        rows=tuple(rows),
        caption=f"{len(near)} batches in the middle of the run",
    )
