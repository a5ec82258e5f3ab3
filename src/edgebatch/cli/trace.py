"""``edgebatch trace``: what a trace file is like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from edgebatch.cli.output import print_json, print_tables, stderr_console
from edgebatch.units import significant

if TYPE_CHECKING:
    from rich.table import Table

    from edgebatch.reporting.arrival_rate import ArrivalRate
    from edgebatch.workload import Trace, TraceRow, TraceStatistics

EXAMPLES = """\
  edgebatch trace AzureLLMInferenceTrace_conv.csv
  edgebatch trace mooncake.jsonl.gz --json
"""

_ROWS_BETWEEN_REPORTS = 20_000


def command(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="Trace, plain or gzip, in any known format.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, in SI units.")] = False,
) -> None:
    """Show how many requests a trace holds, how they arrive and how long they are.

    Known formats, told apart by their header: Azure, Mooncake, Vidur, BurstGPT, and our own CSV
    with the columns arrival_seconds, prompt_tokens, output_tokens and, where known,
    deadline_seconds, min_quality, prompt_bits.
    """
    from edgebatch.reporting.arrival_rate import ArrivalRate
    from edgebatch.workload import open_trace, trace_statistics

    trace = open_trace(file)
    skipped: Counter[str] = Counter()
    rate = ArrivalRate()
    statistics = trace_statistics(_watched(trace.rows(skipped), rate))
    if as_json:
        print_json(
            {
                "file": file,
                "format": trace.format.name,
                **statistics.to_dict(),
                "skipped_rows": dict(skipped),
                "arrivals": {"bin_seconds": rate.bin_seconds, "requests": rate.counts},
            }
        )
    else:
        print_tables(_overview(trace, statistics, skipped, rate), _lengths(statistics))


def _watched(rows: Iterable[TraceRow], rate: ArrivalRate) -> Iterator[TraceRow]:
    """Pass on ``rows``, counting them into ``rate``; reports progress to a terminal."""
    console = stderr_console()
    if not console.is_terminal:
        for row in rows:
            rate.add(row.arrival_seconds)
            yield row
        return
    with console.status("reading") as status:
        for number, row in enumerate(rows):
            rate.add(row.arrival_seconds)
            if number % _ROWS_BETWEEN_REPORTS == 0:
                status.update(f"reading, {number:,} rows so far")
            yield row


def _overview(
    trace: Trace, statistics: TraceStatistics, skipped: Counter[str], rate: ArrivalRate
) -> Table:
    from edgebatch.reporting.tables import make_details, sparkline

    pairs = [
        ("format", trace.format.name),
        ("requests", f"{statistics.requests:,}"),
        ("left out", "; ".join(f"{count:,} {reason}" for reason, count in skipped.items())),
        ("span", _duration(statistics.span_seconds)),
        ("mean rate", _number(statistics.mean_rate_per_second, " requests/s")),
        ("burstiness", _number(statistics.interarrival_cv, ", CV of the gaps; Poisson is 1")),
        ("load changes", _number(statistics.fano_factor, ", Fano factor at 60 s; Poisson is 1")),
    ]
    if statistics.span_seconds > 0.0:
        pairs.append(("over time", sparkline(rate.counts)))
        peak = max(rate.counts) / rate.bin_seconds
        highest = f"the highest {significant(peak)} requests/s"
        pairs.append(("", f"a bar is {rate.bin_seconds:g} s, {highest}"))
    return make_details(pairs, title=str(trace.path))


def _lengths(statistics: TraceStatistics) -> Table:
    from edgebatch.reporting.tables import Column, make_table

    columns = [Column("Tokens", numeric=False)] + [
        Column(heading) for heading in ("Mean", "Least", "p50", "p95", "p99", "Most")
    ]
    rows = [
        (
            name,
            f"{tokens.mean:.1f}",
            *(
                str(count)
                for count in (tokens.minimum, tokens.p50, tokens.p95, tokens.p99, tokens.maximum)
            ),
        )
        for name, tokens in (
            ("prompt", statistics.prompt_tokens),
            ("output", statistics.output_tokens),
        )
    ]
    return make_table(columns, rows)


def _number(value: float | None, explained: str) -> str:
    return "" if value is None else f"{significant(value)}{explained}"


def _duration(seconds: float) -> str:
    if seconds < 60.0:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min {rest} s" if hours else f"{minutes} min {rest} s"
