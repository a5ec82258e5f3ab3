"""What was measured of gateways, and its table."""

from __future__ import annotations

from statistics import median
from typing import NamedTuple

from rich.console import Console
from rich.table import Table


class Burst(NamedTuple):
    """One server under one kind of request for some seconds.

    Attributes:
        round: counted from 0.
        kind: of requests.
        connections: how many asked at once.
        server: its name.
        requests: how many were answered.
        seconds: in how long.
        p50_seconds, p99_seconds: from asking to the end of the answer.
        first_p50_seconds: to its first byte, median.
        events: server-sent events in all.
        cpu_seconds: of the server's processes.
        statuses: answers by HTTP status.
    """

    round: int
    kind: str
    connections: int
    server: str
    requests: int
    seconds: float
    p50_seconds: float
    p99_seconds: float
    first_p50_seconds: float
    events: int
    cpu_seconds: float
    statuses: dict[str, int]


def show(title: str, bursts: list[Burst]) -> None:
    """Print medians over rounds for one kind of request, beside edgebatch's first gateway."""
    table = Table(
        "connections",
        "server",
        "requests/s",
        "p50, ms",
        "p99, ms",
        "CPU, ms",
        "of edgebatch's",
        "events",
        title=title,
        caption="CPU of the server and events: an answer",
    )
    servers = list(dict.fromkeys(each.server for each in bursts))
    first = next(name for name in servers if name.startswith("edgebatch"))
    for many in sorted({each.connections for each in bursts}):
        for server in servers:
            rows, beside = (_of(bursts, many, name) for name in (server, first))
            table.add_row(str(many), server, *_row(rows, beside))
        table.add_section()
    Console(width=140).print(table)


def _of(bursts: list[Burst], connections: int, server: str) -> list[Burst]:
    """Return the bursts of one server, round by round."""
    both = connections, server
    return [each for each in bursts if (each.connections, each.server) == both]


def _row(rows: list[Burst], beside: list[Burst]) -> tuple[str, ...]:
    """Return what is told of a server, and its CPU time over that of another in the same round."""
    rates = [each.requests / each.seconds for each in rows]
    cpu, other = ([each.cpu_seconds / each.requests for each in both] for both in (rows, beside))
    ratio = median(mine / theirs for mine, theirs in zip(cpu, other, strict=True))
    return (
        f"{median(rates):.0f} ({min(rates):.0f} to {max(rates):.0f})",
        f"{1e3 * median(each.p50_seconds for each in rows):.2f}",
        f"{1e3 * median(each.p99_seconds for each in rows):.2f}",
        f"{1e3 * median(cpu):.3f}",
        f"{ratio:.2f}×",
        f"{median(each.events / each.requests for each in rows):.1f}",
    )
