"""One streaming request over HTTP, read as cheaply as can be, and what came of it.

A C parser takes the HTTP apart, events are only counted, and nothing but the last ones is read as
JSON: the machine that is measured is the one that this runs on.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

import httptools

_EVENT = b"data: {"
_TAIL_BYTES = 4096
"""Enough for the events after the last token."""


class Asked(NamedTuple):
    """One request of a plan."""

    at_seconds: float
    deadline_seconds: float
    body: dict[str, Any]


class Told(NamedTuple):
    """What came of a request; instants count from the beginning of the run, -1 for never.

    Attributes:
        number: its position in the plan.
        due_seconds, sent_seconds: when it should have been sent and when it was.
        first_seconds, last_seconds: first and last byte of the answer's body.
        deadline_seconds: of the whole answer, from when it was sent.
        end: ``whole``, ``refused``, ``cut``, ``hung up`` or ``unreachable``.
        status: HTTP status; 0 for none.
        tokens: as the server counts them; of an answer that is not whole, its events.
        retry_after_seconds, predicted_ms, gateway_ms: what a gateway said, -1 for nothing.
    """

    number: int
    due_seconds: float
    sent_seconds: float
    first_seconds: float
    last_seconds: float
    deadline_seconds: float
    end: str
    status: int
    tokens: int
    retry_after_seconds: float = -1.0
    predicted_ms: float = -1.0
    gateway_ms: float = -1.0

    @property
    def took_seconds(self) -> float:
        """From the first attempt to connect to the last byte."""
        return self.last_seconds - self.sent_seconds

    @property
    def is_in_time(self) -> bool:
        """Whether the whole answer was there by its deadline."""
        return self.end == "whole" and self.took_seconds <= self.deadline_seconds


class Target:
    """Who is asked.

    Args:
        url: with the path.
        key: sent as a bearer token; empty for none.
    """

    def __init__(self, url: str, key: str = "") -> None:
        parts = urlsplit(url)
        if parts.hostname is None or parts.port is None:
            raise SystemExit(f"--url must be like http://127.0.0.1:8080/v1/completions, got {url}")
        self.host, self.port = parts.hostname, parts.port
        lines = [
            f"POST {parts.path} HTTP/1.1",
            f"host: {parts.netloc}",
            "content-type: application/json",
            "connection: close",
            *([f"authorization: Bearer {key}"] if key else []),
        ]
        self._head = "".join(f"{line}\r\n" for line in lines)

    def request(self, body: dict[str, Any]) -> bytes:
        """Return all bytes of a request."""
        content = json.dumps(body).encode()
        return f"{self._head}content-length: {len(content)}\r\n\r\n".encode() + content


class _Exchange(asyncio.Protocol):
    """One connection: a request, and its answer."""

    def __init__(self, request: bytes) -> None:
        self.over = asyncio.get_running_loop().create_future()
        self.first_at = self.last_at = -1.0
        self.end, self.status, self.events = "cut", 0, 0
        self.tail = bytearray()
        self.headers: dict[bytes, bytes] = {}
        self._request = request
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's have another base
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self.last_at = time.monotonic()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._close("cut")

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        if self.first_at < 0.0:
            self.first_at = self.last_at
        self.events += body.count(_EVENT)
        self.tail += body
        if len(self.tail) > 4 * _TAIL_BYTES:  # not every time: it copies
            del self.tail[:-_TAIL_BYTES]

    def on_message_complete(self) -> None:
        self._close("whole" if self.status == 200 else "refused")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the base's
        self._close("cut")

    def hang_up(self) -> None:
        """Wait no longer."""
        self.last_at = time.monotonic()
        self._close("hung up")

    def _close(self, end: str) -> None:
        if not self.over.done():
            self.end = end
            self.over.set_result(None)
            self._transport.abort()


async def ask(
    target: Target, request: bytes, asked: Asked, patience_seconds: float, number: int = 0
) -> Told:
    """Ask once; never fails. Instants are of the monotonic clock."""
    loop = asyncio.get_running_loop()
    sent_at = time.monotonic()
    nothing = Told(number, -1.0, sent_at, -1.0, -1.0, asked.deadline_seconds, "unreachable", 0, 0)
    try:
        async with asyncio.timeout(patience_seconds):
            _, exchange = await loop.create_connection(
                lambda: _Exchange(request), target.host, target.port
            )
    except OSError:  # a time-out is one
        return nothing._replace(last_seconds=time.monotonic())
    alarm = loop.call_at(
        loop.time() + sent_at + patience_seconds - time.monotonic(), exchange.hang_up
    )
    await exchange.over
    alarm.cancel()
    return _read(exchange, nothing)


def _read(exchange: _Exchange, nothing: Told) -> Told:
    said: dict[str, Any] = {}
    for line in exchange.tail.split(b"\n"):
        with suppress(ValueError, TypeError):  # the first line may have lost its beginning
            said |= json.loads(line.removeprefix(b"data: ").strip() or b"{}")
    end = exchange.end
    if end == "whole" and ("error" in said or b"data: [DONE]" not in exchange.tail):
        end = "cut"
    fulfilled = said.get("edgebatch") or {}
    headers = exchange.headers
    predicted = headers.get(b"x-edgebatch-predicted-ms", fulfilled.get("predicted_ms", -1.0))
    return nothing._replace(
        first_seconds=exchange.first_at,
        last_seconds=exchange.last_at,
        end=end,
        status=exchange.status,
        tokens=(said.get("usage") or {}).get("completion_tokens", exchange.events),
        retry_after_seconds=float(headers.get(b"retry-after", -1.0)),
        predicted_ms=float(predicted),
        gateway_ms=float(fulfilled.get("actual_ms", -1.0)),
    )
