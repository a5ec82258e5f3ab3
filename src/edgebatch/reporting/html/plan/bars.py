"""The plots of a plan, each with its table."""

from __future__ import annotations

from edgebatch.reporting.html.charts import figure, stacked_bars
from edgebatch.reporting.html.looks import Look, area_looks
from edgebatch.reporting.html.page import Cell, Chart, Key, Table
from edgebatch.reporting.html.plan.document import Candidate, PlanDocument
from edgebatch.reporting.html.plan.layout import (
    broken_label,
    by_candidate,
    height_of,
    precision_looks,
)
from edgebatch.units import GIGA


def sustainable_rates(plan: PlanDocument) -> Chart | None:
    """Return the sustainable rate of each candidate that has one, with its interval."""
    found = [(each, each.sustainable) for each in plan.candidates if each.sustainable is not None]
    if not found:
        return None
    looks = precision_looks(plan)
    traces = []
    for precision in looks:
        of_precision = [(each, rate) for each, rate in found if each.precision == precision]
        if not of_precision:
            continue
        look = looks[precision]
        rates = [rate.rate_per_second for _, rate in of_precision]
        highs = [rate.high_per_second or rate.rate_per_second for _, rate in of_precision]
        lows = [rate.low_per_second for _, rate in of_precision]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": precision,
                "meta": {"series": precision},
                "y": [broken_label(each) for each, _ in of_precision],
                "x": rates,
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": [high - rate for high, rate in zip(highs, rates, strict=True)],
                    "arrayminus": [rate - low for low, rate in zip(lows, rates, strict=True)],
                    "color": look.colour,
                    "thickness": 2,
                    "width": 6,
                },
                "marker": {"color": look.colour, "symbol": look.symbol, "size": 10},
                "hovertemplate": "%{y}<br>%{x:.4g} requests/s<extra></extra>",
            }
        )
    rows = tuple(
        (
            Cell.words(each.label),
            Cell.number(rate.rate_per_second),
            Cell.number(rate.low_per_second),
            Cell.number(rate.high_per_second),
        )
        for each, rate in found
    )
    return Chart(
        title="Sustainable rate",
        note="Highest rate at which the target is met. Bars go from the highest rate shown to be "
        "above the target to the lowest shown to be below it.",
        figure=figure(traces, by_candidate([each for each, _ in found], "requests/s")),
        legend=tuple(Key(str(trace["name"]), looks[str(trace["name"])]) for trace in traces),
        table=Table(("Candidate", "Rate", "Low", "High"), rows, "requests/s"),
        wide=True,
        height=height_of(found),
    )


def memory_split(plan: PlanDocument) -> Chart:
    """Return what fills the memory of each candidate, and what is missing where it does not fit."""
    names = ("weights", "reserved", "cache at its peak", "spare")
    split = [_memory(each) for each in plan.candidates]
    parts = {
        name: [each[place] / GIGA for each in split]
        for place, name in enumerate(names)
        if any(each[place] for each in split)
    }
    sizes = [each.feasibility.node_bytes / GIGA for each in plan.candidates]
    looks = area_looks(names)
    looks["spare"] = Look("#999999")
    rows = tuple(
        (
            Cell.words(each.label),
            *(Cell.number(values[place]) for values in parts.values()),
            Cell.number(sizes[place]),
            Cell.number(each.feasibility.missing_bytes / GIGA or None),
        )
        for place, each in enumerate(plan.candidates)
    )
    return Chart(
        title="Memory",
        note="At the sustainable rate, else at the rate asked for; without either, weights and the "
        "rest. The upright mark is the node's memory: weights beyond it do not fit.",
        figure=stacked_bars(
            [broken_label(each) for each in plan.candidates], parts, looks, "GB", limits=sizes
        ),
        legend=tuple(Key(name, looks[name]) for name in parts),
        table=Table(("Candidate", *parts, "Node", "Missing"), rows, "GB (10⁹ bytes)"),
        wide=True,
        height=height_of(plan.candidates),
    )


def _memory(candidate: Candidate) -> tuple[float, float, float, float]:
    """Return bytes of weights, reserve, cache and spare."""
    holds = candidate.feasibility
    fixed = holds.weights_bytes + holds.reserved_bytes
    fares = candidate.at_sustainable or candidate.at_rate
    if fares is not None:
        return holds.weights_bytes, holds.reserved_bytes, fares.kv_peak_bytes, fares.spare_bytes
    return holds.weights_bytes, holds.reserved_bytes, 0.0, max(0.0, holds.node_bytes - fixed)
