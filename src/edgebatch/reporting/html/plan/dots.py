"""A few figures of each candidate along one axis: latency, energy, what binds."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edgebatch.reporting.html.charts import figure
from edgebatch.reporting.html.looks import line_looks
from edgebatch.reporting.html.page import Cell, Chart, Key, Table
from edgebatch.reporting.html.plan.document import Candidate, PlanDocument
from edgebatch.reporting.html.plan.layout import (
    broken_label,
    by_candidate,
    height_of,
)


def dots(
    plan: PlanDocument,
    texts: tuple[str, str, str],
    values_of: Callable[[Candidate], Mapping[str, float]],
) -> Chart | None:
    """Return a few named figures of each candidate along one axis; None where there are none.

    Args:
        plan: the plan.
        texts: title, title of the axis with its unit, and note.
        values_of: what to show of a candidate; empty where nothing is known.
    """
    title, axis, note = texts
    shown = [(each, values) for each in plan.candidates if (values := values_of(each))]
    names = list(dict.fromkeys(name for _, values in shown for name in values))
    if not names:
        return None
    looks = line_looks(names)
    traces = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": name,
            "meta": {"series": name},
            "y": [broken_label(each) for each, values in shown if name in values],
            "x": [values[name] for _, values in shown if name in values],
            "marker": {"color": looks[name].colour, "symbol": looks[name].symbol, "size": 10},
            "hovertemplate": f"%{{y}}<br>{name}: %{{x:.4g}}<extra></extra>",
        }
        for name in names
    ]
    rows = tuple(
        (Cell.words(each.label), *(Cell.number(values.get(name)) for name in names))
        for each, values in shown
    )
    return Chart(
        title=title,
        note=note,
        figure=figure(traces, by_candidate([each for each, _ in shown], axis)),
        legend=tuple(Key(name, looks[name]) for name in names),
        table=Table(("Candidate", *names), rows, axis),
        wide=True,
        height=height_of(shown),
    )


def latency(plan: PlanDocument) -> Chart | None:
    """Return how long answers take at the sustainable rate."""

    def values_of(each: Candidate) -> Mapping[str, float]:
        fares = each.at_sustainable
        return {} if fares is None or fares.e2e_seconds is None else fares.e2e_seconds

    note = "Arrival to the whole answer at the sustainable rate, over requests that were served."
    return dots(plan, ("How long answers take", "s", note), values_of)


def energy(plan: PlanDocument) -> Chart | None:
    """Return the energy for each request in time at the sustainable rate, between its bounds."""

    def values_of(each: Candidate) -> Mapping[str, float]:
        spent = None if each.at_sustainable is None else each.at_sustainable.energy
        if spent is None:
            return {}
        return {
            "while computing only": spent.computing_joules,
            "all the time": spent.always_on_joules,
        }

    note = (
        "At the device's greatest power setting, drawn while it computes or all the time; the "
        "truth should lie between. Devices of which no power is known are left out."
    )
    return dots(plan, ("Energy", "J per request in time", note), values_of)


def gains(plan: PlanDocument) -> Chart | None:
    """Return how much a quarter more of each budget would bring."""

    def values_of(each: Candidate) -> Mapping[str, float]:
        if each.binding is None:
            return {}
        return {budget: 100.0 * gain for budget, gain in each.binding.gains.items()}

    note = (
        "By how much the part served in time grows, a quarter above the sustainable rate, with a "
        "quarter more of one budget. The budget that brings most binds first."
    )
    return dots(plan, ("What binds first", "percentage points", note), values_of)
