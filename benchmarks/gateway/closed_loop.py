"""So many connections that ask one request after the other, as fast as they are answered.

A process of its own, so that it takes nothing from the event loop of whoever starts it. It reads
no more of an answer than where it ends; prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from typing import Annotated
from urllib.parse import urlsplit

import typer
import uvloop

PATIENCE_SECONDS = 30.0
"""How long the last answers may take; then the process ends without them."""


class Asker(asyncio.Protocol):
    """One connection.

    Args:
        request: what is sent, again and again.
        until: no more is sent from then on, by :func:`time.perf_counter`.

    Attributes:
        seconds: how long each answer took, to its last byte.
        first_seconds: how long its first bytes took.
        statuses: how many answers had which HTTP status.
        num_events: server-sent events in all.
        over: done when the last answer is there.
    """

    def __init__(self, request: bytes, until: float) -> None:
        self._request, self._until = request, until
        self.seconds: list[float] = []
        self.first_seconds: list[float] = []
        self.statuses: Counter[str] = Counter()
        self.num_events = 0
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._received = bytearray()
        self._ends_at = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Send the first request."""
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Go on with an answer."""
        if not self._received:
            self.first_seconds.append(time.perf_counter() - self._asked_at)
        self._received += data
        if not self._is_whole():
            return
        now = time.perf_counter()
        self.seconds.append(now - self._asked_at)
        self.statuses[self._received[9:12].decode()] += 1
        self.num_events += self._received.count(b"data: ")
        if now < self._until:
            self._ask()
        else:
            self._transport.close()
            self.over.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        """Count a connection that ends before its time, and ask no more on it."""
        if not self.over.done():
            self.statuses["connection lost"] += 1
            self.over.set_result(None)

    def _ask(self) -> None:
        self._received.clear()
        self._ends_at = 0
        self._asked_at = time.perf_counter()
        self._transport.write(self._request)

    def _is_whole(self) -> bool:
        if not self._ends_at:
            head = self._received.find(b"\r\n\r\n") + 4
            if head < 4:
                return False
            names = bytes(self._received[:head]).lower()
            length = names.find(b"content-length: ")
            # -1: in chunks, the last of which is empty
            self._ends_at = -1 if length < 0 else head + int(names[length + 16 :].split(b"\r")[0])
        if self._ends_at < 0:
            return self._received.endswith(b"\r\n0\r\n\r\n")
        return len(self._received) >= self._ends_at


async def _run(url: str, body: str, connections: int, seconds: float) -> dict[str, object]:
    address, raw = urlsplit(url), body.encode()
    head = (
        f"POST {address.path} HTTP/1.1\r\nhost: {address.netloc}\r\nauthorization: Bearer none\r\n"
        f"content-type: application/json\r\ncontent-length: {len(raw)}\r\n\r\n"
    )
    loop = asyncio.get_running_loop()
    began_at = time.perf_counter()
    askers = []
    for _ in range(connections):
        _, asker = await loop.create_connection(
            lambda: Asker(head.encode() + raw, began_at + seconds),
            address.hostname or "",
            address.port or 80,
        )
        askers.append(asker)
    await asyncio.wait([asker.over for asker in askers], timeout=seconds + PATIENCE_SECONDS)
    ended_at = time.perf_counter()
    took = sorted(each for asker in askers for each in asker.seconds)
    first = sorted(each for asker in askers for each in asker.first_seconds)
    statuses: Counter[str] = sum((asker.statuses for asker in askers), Counter())
    statuses["no answer"] += sum(not asker.over.done() for asker in askers)
    return {
        "requests": len(took),
        "seconds": ended_at - began_at,
        "statuses": +statuses,
        "p50_seconds": _quantile(took, 0.50),
        "p99_seconds": _quantile(took, 0.99),
        "first_p50_seconds": _quantile(first, 0.50),
        "events": sum(asker.num_events for asker in askers),
    }


def _quantile(ordered: list[float], part: float) -> float | None:
    return ordered[int(part * (len(ordered) - 1))] if ordered else None


def main(
    url: Annotated[str, typer.Argument(help="with the path")],
    body: Annotated[str, typer.Argument(help="of each request")],
    connections: Annotated[int, typer.Option(min=1)] = 64,
    seconds: Annotated[float, typer.Option(min=0.1)] = 2.0,
) -> None:
    print(json.dumps(uvloop.run(_run(url, body, connections, seconds))))


if __name__ == "__main__":
    typer.run(main)
