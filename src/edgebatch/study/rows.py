"""The row of a run: who ran where, and the figures of its summary, flat and in SI units."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from edgebatch.cost import Budget
from edgebatch.scheduling import Reason
from edgebatch.study.definition import Study

OUTCOMES = ("in_time", "late", "rejected", "expired")
PERCENTILES = ("mean", "p50", "p90", "p95", "p99", "max")
LATENCIES = ("ttft", "tpot", "e2e")
BUDGETS = tuple(budget.value for budget in Budget)
REASONS = tuple(reason.name.lower() for reason in Reason if reason is not Reason.NONE)

Row = dict[str, Any]
"""A row by column; None where there is no such figure."""

_IDENTITY = {
    "run": "int64",
    "scenario_hash": "string",
    "edgebatch": "string",
    "seed": "int64",
    "policy": "string",
}


def axis_column_types(study: Study) -> dict[str, str]:
    """Return the type of each axis' column: the values' own, JSON text for lists and tables."""
    return {axis.key: _native_type(axis.values) for axis in study.axes}


def column_types(study: Study) -> dict[str, str]:
    """Return the Arrow type of every column of a study, in order.

    Columns are ``run`` (place in the study's order), ``scenario_hash``, ``edgebatch`` (version),
    ``seed``, ``policy``, one for each axis under its key, and those of :func:`figures`.
    """
    return {**_IDENTITY, **axis_column_types(study), **dict(_figure_types())}


def axis_cell(value: Any, kind: str) -> Any:
    """Return an axis' value as its column holds it; ``kind`` is the column's type."""
    if kind == "string":
        return value if isinstance(value, str) else json.dumps(value)
    return float(value) if kind == "double" else value


def figures(summary: Mapping[str, Any], rate_per_second: float | None) -> Row:
    """Return the figures of a run under plain names.

    Args:
        summary: as :meth:`edgebatch.simulation.Summary.to_dict` gives it.
        rate_per_second: mean arrival rate; None where there are too few arrivals to tell.

    Returns:
        Counts and shares of each outcome; why requests were not served (``reason_…``); rates per
        second; percentiles of latencies (``e2e_p95_seconds``); how full the node was (``…_share``,
        0 to 1); how often each budget kept the next candidate out (``binding_…``) and as a part of
        all such times (``binding_…_share``); what deciding took; sizes of batches; requests served
        by each precision as JSON. None where there is no such figure. No wall-clock time, so that
        equal runs are equal.
    """
    requests, use, effort = summary["requests"], summary["use"], summary["effort"]
    row: Row = {"rate_per_second": rate_per_second, "requests": requests}
    row |= {outcome: summary[outcome] for outcome in OUTCOMES}
    row |= {f"{outcome}_share": _part(summary[outcome], requests) for outcome in OUTCOMES}
    row |= {f"reason_{reason}": summary["reasons"].get(reason, 0) for reason in REASONS}
    row |= {
        "value_in_time": summary["value_in_time"],
        "span_seconds": summary["span_seconds"],
        "served_per_second": summary["throughput_per_second"],
        "goodput_tokens_per_second": summary["goodput_tokens_per_second"],
    }
    for latency in LATENCIES:
        values = summary["latencies"][f"{latency}_seconds"] or {}
        row |= {f"{latency}_{name}_seconds": values.get(name) for name in PERCENTILES}
    row |= {
        "busy_share": use["compute"],
        "memory_mean_share": use["memory_mean"],
        "memory_peak_share": use["memory_peak"],
        "uplink_mean_share": use["uplink_mean"],
        "downlink_mean_share": use["downlink_mean"],
        "running_mean": use["running_mean"],
    }
    bound = use["binding"]
    row |= {f"binding_{budget}": bound.get(budget, 0) for budget in BUDGETS}
    row |= {
        f"binding_{budget}_share": _part(bound.get(budget, 0), sum(bound.values()))
        for budget in BUDGETS
    }
    row |= {name: effort[name] for name in ("decisions", "batches", "proven", "nodes")}
    sizes = summary["batch_size"] or {}
    row |= {f"batch_size_{name}": sizes.get(name) for name in PERCENTILES}
    return row | {"served_by_precision": json.dumps(summary["precisions"], sort_keys=True)}


def _part(count: int, whole: int) -> float | None:
    return count / whole if whole else None


def _figure_types() -> Iterator[tuple[str, str]]:
    yield from (("rate_per_second", "double"), ("requests", "int64"))
    yield from ((outcome, "int64") for outcome in OUTCOMES)
    yield from ((f"{outcome}_share", "double") for outcome in OUTCOMES)
    yield from ((f"reason_{reason}", "int64") for reason in REASONS)
    for name in ("value_in_time", "span_seconds", "served_per_second"):
        yield name, "double"
    yield "goodput_tokens_per_second", "double"
    for latency in LATENCIES:
        yield from ((f"{latency}_{name}_seconds", "double") for name in PERCENTILES)
    for name in ("busy", "memory_mean", "memory_peak", "uplink_mean", "downlink_mean"):
        yield f"{name}_share", "double"
    yield "running_mean", "double"
    yield from ((f"binding_{budget}", "int64") for budget in BUDGETS)
    yield from ((f"binding_{budget}_share", "double") for budget in BUDGETS)
    yield from ((name, "int64") for name in ("decisions", "batches", "proven", "nodes"))
    yield from ((f"batch_size_{name}", "double") for name in PERCENTILES)
    yield "served_by_precision", "string"


def _native_type(values: tuple[Any, ...]) -> str:
    kinds = {type(value) for value in values}
    if kinds == {bool}:
        return "bool"
    if kinds == {int} and all(abs(value) < 2**63 for value in values):
        return "int64"
    return "double" if kinds <= {int, float} else "string"
