"""From what clients were told to the figures of a cell, and from those to a table."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from streams import Told

Row = dict[str, Any]
"""A line of ``cells.csv``: what is measured and what came of it."""

FIELDS = (
    "arrivals",
    "load",
    "system",
    "policy",
    "rate_per_second",
    "requests",
    "in_time",
    "late",
    "refused",
    "hung_up",
    "cut",
    "admitted",
    "admitted_late",
    "gateway_late",
    "median_error",
    "bias",
    "p50_seconds",
    "p95_seconds",
    "lag_p99_seconds",
    "load_cpu",
    "gateway_cpu",
    "engine_cpu",
)
FIRST_COME, ROLLING = "first come", "rolling"


def figures(told: Sequence[Told]) -> Row:
    """Return the figures of one run.

    ``late`` came whole, but late; ``hung_up`` are clients that gave up, ``cut`` answers that broke
    off or never began. ``admitted`` got at least the beginning of an answer; ``admitted_late`` of
    them were not in time by their own clock, ``gateway_late`` came whole, and late by the
    gateway's clock. Errors are of predicted against actual seconds of whole answers, relative to
    the actual ones; the bias is positive where answers came sooner than predicted.
    """
    whole = [each for each in told if each.end == "whole"]
    in_time = [each for each in whole if each.is_in_time]
    admitted = [each for each in told if each.status == 200]
    errors = [
        each.predicted_ms / (1000.0 * each.took_seconds) - 1.0
        for each in whole
        if each.predicted_ms >= 0.0
    ]
    took = sorted(each.took_seconds for each in whole)
    ends = [each.end for each in told]
    return {
        "requests": len(told),
        "in_time": len(in_time),
        "late": len(whole) - len(in_time),
        "refused": ends.count("refused"),
        "hung_up": ends.count("hung up"),
        "cut": ends.count("cut") + ends.count("unreachable"),
        "admitted": len(admitted),
        "admitted_late": sum(not each.is_in_time for each in admitted),
        "gateway_late": sum(each.gateway_ms > 1000.0 * each.deadline_seconds for each in whole),
        "median_error": _rounded(median(map(abs, errors)) if errors else -1.0),
        "bias": _rounded(median(errors) if errors else 0.0),
        "p50_seconds": _rounded(quantile(took, 0.5)),
        "p95_seconds": _rounded(quantile(took, 0.95)),
        "lag_p99_seconds": _rounded(
            quantile(sorted(each.sent_seconds - each.due_seconds for each in told), 0.99)
        ),
    }


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return a quantile of values in rising order; -1 if there are none."""
    return ordered[round(share * (len(ordered) - 1))] if ordered else -1.0


def table(rows: Sequence[Row]) -> list[str]:
    """Return a Markdown table of all cells of which both systems have been measured."""
    lines = [
        "| arrivals | load | requests | in time, first come | in time, rolling | ratio "
        "| error | admitted late | refused | CPU clients | CPU gateway |",
        "|---" * 11 + "|",
    ]
    by_place = {(row["arrivals"], float(row["load"]), row["system"]): row for row in rows}
    for arrivals, load in dict.fromkeys(place[:2] for place in by_place):
        first = by_place.get((arrivals, load, FIRST_COME))
        ours = by_place.get((arrivals, load, ROLLING))
        if first and ours:
            lines.append(_line(arrivals, load, first, ours))
    return lines


def in_time_share(row: Row) -> float:
    """Return the share of all requests sent that were answered in time."""
    return int(row["in_time"]) / max(1, int(row["requests"]))


def _line(arrivals: str, load: float, first: Row, ours: Row) -> str:
    shares = in_time_share(first), in_time_share(ours)
    ratio = f"{shares[1] / shares[0]:.2f}" if shares[0] else "∞"
    cells = [
        arrivals,
        f"{load:g}×",
        str(ours["requests"]),
        *(_per_cent(share) for share in shares),
        ratio,
        _per_cent(float(ours["median_error"])),
        _per_cent(int(ours["admitted_late"]) / max(1, int(ours["admitted"])), 2),
        _per_cent(int(ours["refused"]) / max(1, int(ours["requests"]))),
        _per_cent(float(ours["load_cpu"])),
        _per_cent(float(ours["gateway_cpu"])),
    ]
    return "| " + " | ".join(cells) + " |"


def _per_cent(share: float, digits: int = 1) -> str:
    return f"{100.0 * share:.{digits}f} %"


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
