"""A comparison as tables that fit a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean

from rich.table import Table

from edgebatch.comparison import Comparison, Run
from edgebatch.reporting.tables import Column, broken, make_table
from edgebatch.units import significant

_RATES_A_TABLE = 5
_LABEL_WIDTH = 24
_NARROW_LABEL_WIDTH = 11


def load_tables(comparison: Comparison) -> list[Table]:
    """Return served-in-time per second and per cent, a row a policy and a column a load.

    As many tables as it takes for 80 columns.
    """
    rates = comparison.rates()
    caption = "per cent of all requests, and requests per second, that were served in time"
    if comparison.capacity_per_second is not None:
        caption += f"; 1× is {significant(comparison.capacity_per_second)} requests/s"
    starts = range(0, len(rates), _RATES_A_TABLE)
    return [
        _load_table(
            comparison,
            rates[start : start + _RATES_A_TABLE],
            caption if start == starts[-1] else "",
        )
        for start in starts
    ]


def _load_table(comparison: Comparison, rates: Sequence[float], caption: str) -> Table:
    headings = []
    for rate in rates:
        load = comparison.of(comparison.policies()[0], rate)[0].load
        per_second = f"{significant(rate)}/s"
        headings.append(per_second if load is None else f"{load:g}×\n{per_second}")
    rows = [
        (
            broken(policy, _LABEL_WIDTH),
            *(_share_and_rate(comparison.of(policy, rate)) for rate in rates),
        )
        for policy in comparison.policies()
    ]
    columns = [Column("Policy", numeric=False), *(Column(heading) for heading in headings)]
    return make_table(columns, rows, caption=caption)


def _share_and_rate(runs: Sequence[Run]) -> str:
    share = 100.0 * _mean(runs, lambda run: run.summary["attainment"])
    rate = _mean(runs, lambda run: run.summary["throughput_per_second"])
    return f"{share:.1f}%\n{significant(rate)}/s"


def detail_table(comparison: Comparison, rate_per_second: float) -> Table:
    """Return outcomes, latency and use of every policy at one load."""
    rows = []
    for policy in comparison.policies():
        runs = comparison.of(policy, rate_per_second)
        rows.append(
            (
                broken(policy, _NARROW_LABEL_WIDTH),
                *(
                    f"{100.0 * _mean(runs, _part(outcome)):.1f}"
                    for outcome in ("in_time", "late", "rejected", "expired")
                ),
                _latency(runs),
                f"{_mean(runs, lambda run: run.summary['use']['running_mean']):.1f}",
                f"{100.0 * _mean(runs, lambda run: run.summary['use']['compute']):.0f}",
                f"{100.0 * max(run.summary['use']['memory_peak'] for run in runs):.0f}",
                _binding(runs),
            )
        )
    columns = [
        Column("Policy", numeric=False, whole=True),
        Column("In\ntime"),
        Column("Late"),
        Column("Re-\njected"),
        Column("Ex-\npired"),
        Column("p95\ns"),
        Column("Runs"),
        Column("Busy"),
        Column("Mem."),
        Column("Binds", numeric=False, whole=True),
    ]
    caption = (
        "per cent of requests by outcome; 95th percentile of the time to the whole answer; "
        "requests running at once; per cent of time computing and of memory at its peak; "
        "the budget that kept most candidates out"
    )
    title = f"At {significant(rate_per_second)} requests/s"
    return make_table(columns, rows, title=title, caption=caption)


def tuning_table(comparison: Comparison) -> Table:
    """Return which knobs each policy ran with at each load."""
    rows = [
        (
            broken(policy, _LABEL_WIDTH),
            f"{significant(rate)}/s",
            comparison.of(policy, rate)[0].knobs.partition(":")[2].replace(",", ", ") or "–",
        )
        for policy in comparison.policies()
        for rate in comparison.rates()
    ]
    columns = [Column("Policy", numeric=False), Column("Arrivals"), Column("Best knobs", False)]
    return make_table(columns, rows)


def _mean(runs: Sequence[Run], figure: Callable[[Run], float]) -> float:
    return fmean(figure(run) for run in runs)


def _part(outcome: str) -> Callable[[Run], float]:
    return lambda run: run.summary[outcome] / max(run.summary["requests"], 1)


def _latency(runs: Sequence[Run]) -> str:
    seconds = [run.summary["latencies"]["e2e_seconds"] for run in runs]
    known = [each["p95"] for each in seconds if each is not None]
    return significant(fmean(known)) if known else "–"


def _binding(runs: Sequence[Run]) -> str:
    """Return the budget that kept most candidates out."""
    counts: dict[str, int] = {}
    for run in runs:
        for budget, count in run.summary["use"]["binding"].items():
            counts[budget] = counts.get(budget, 0) + count
    return max(counts, key=lambda budget: counts[budget]) if counts else "–"
