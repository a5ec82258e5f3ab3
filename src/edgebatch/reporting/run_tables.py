"""One run as tables that fit a terminal."""

from __future__ import annotations

from rich.table import Table

from edgebatch.reporting.tables import Column, make_details, make_table
from edgebatch.simulation import Summary
from edgebatch.units import significant


def outcome_table(summary: Summary, title: str) -> Table:
    """Return how requests ended and what that amounts to."""
    pairs = [
        ("requests", f"{summary.requests:,}"),
        ("served in time", _count(summary.in_time, summary)),
        ("served late", _count(summary.late, summary)),
        ("rejected", _count(summary.rejected, summary)),
        ("expired", _count(summary.expired, summary)),
        ("failed", _count(summary.failed, summary) if summary.failed else ""),
        ("cancelled", _count(summary.cancelled, summary) if summary.cancelled else ""),
        ("why not served", _counts(summary.reasons)),
        ("throughput", f"{significant(summary.throughput_per_second, 4)} requests/s in time"),
        ("goodput", f"{significant(summary.goodput_tokens_per_second, 4)} tokens/s in time"),
        ("span", f"{significant(summary.span_seconds, 4)} s"),
        ("served in", _counts(summary.precisions)),
    ]
    return make_details(pairs, title=title)


def latency_table(summary: Summary) -> Table:
    """Return percentiles of the latencies and of the batch size."""
    latencies = summary.latencies
    figures = (
        ("first token, s", latencies.ttft_seconds),
        ("per token, s", latencies.tpot_seconds),
        ("whole answer, s", latencies.e2e_seconds),
        ("batch size", summary.batch_size),
    )
    keys = ("mean", "p50", "p90", "p95", "p99", "max")
    rows = [
        (name, *("–" if values is None else significant(values[key]) for key in keys))
        for name, values in figures
    ]
    return make_table([Column("", numeric=False), *(Column(key) for key in keys)], rows)


def use_table(summary: Summary) -> Table:
    """Return how full the node was, what bound, and what deciding took."""
    use, effort = summary.use, summary.effort
    pairs = [
        ("computing", f"{100 * use.compute:.1f} % of the time"),
        (
            "memory",
            f"{100 * use.memory_mean:.1f} % in the mean, {100 * use.memory_peak:.1f} % peak",
        ),
        (
            "uplink, downlink",
            f"{significant(100 * use.uplink_mean, 2)} %, "
            f"{significant(100 * use.downlink_mean, 2)} %",
        ),
        ("running at once", significant(use.running_mean)),
        ("what bound", _counts(use.binding)),
        ("decisions", f"{effort.decisions:,}, of them {effort.batches:,} batches"),
        ("proven optimal", f"{effort.proven:,} batches" if effort.nodes else ""),
        ("nodes searched", f"{effort.nodes:,}" if effort.nodes else ""),
    ]
    return make_details(pairs)


def beside_table(measured: Summary, simulated: Summary, pace: float) -> Table:
    """Return a measured run beside the simulation of the same requests.

    Args:
        measured: on the engine.
        simulated: as the profile has it.
        pace: true over believed time of the engine's work.
    """
    rows = []
    for name in ("in_time", "late", "rejected", "expired", "failed"):
        counts = [getattr(each, name) for each in (measured, simulated)]
        rows.append((name.replace("_", " "), *map(_count, counts, (measured, simulated))))
    for name, field in (("first token", "ttft_seconds"), ("whole answer", "e2e_seconds")):
        for key in ("p50", "p95"):
            figures = [getattr(each.latencies, field) for each in (measured, simulated)]
            cells = ("–" if each is None else significant(each[key]) for each in figures)
            rows.append((f"{name} {key}, s", *cells))
    use = [f"{100 * each.use.compute:.1f} %" for each in (measured, simulated)]
    rows.append(("computing", *use))
    columns = [Column("", numeric=False), Column("measured"), Column("simulated")]
    told = f"the engine took {significant(pace)} times as long as its profile says"
    return make_table(columns, rows, caption=told)


def _count(count: int, summary: Summary) -> str:
    return f"{count:,} ({100.0 * count / max(summary.requests, 1):.1f} %)"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in counts.items())
