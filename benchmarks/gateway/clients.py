"""Clients of a gateway under test: those who ask as they should, vanish, stall, or send rubbish."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections import Counter
from urllib.parse import urlsplit

import httpx

PATIENCE_SECONDS = 90.0
RUBBISH = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
    b"GET / HTTP/1.1\r\nHost",
    b"POST /v1/completions HTTP/1.1\r\nContent-Length: 100\r\n\r\n{",
    b"POST /v1/completions HTTP/1.1\r\nContent-Length: -1\r\n\r\n{}",
    b"POST /v1/completions HTTP/1.1\r\ncontent-type: application/json\r\nContent-Length: 9\r\n\r\n"
    b'{"prompt"',
    b"POST /v1/chat/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFF\r\n",
    b"BREW /coffee HTTP/9.9\r\n\r\n",
    b"\0" * 4096,
    b"POST /v1/completions HTTP/1.1\r\ncontent-type: application/json\r\nContent-Length: 5000\r\n"
    b"\r\n" + b"[" * 5000,
)


class Crowd:
    """Sends one request after the other, of each kind so many.

    Args:
        url: of the gateway.
        max_tokens: limits of answers are drawn up to here.
        deadlines_ms: one of these is asked for.
        seed: of what is drawn.

    Attributes:
        counts: how the well-behaved were answered, by status; what the others did, by name.
    """

    def __init__(
        self, url: str, max_tokens: int, deadlines_ms: tuple[float, ...], seed: int = 0
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._url, self._max_tokens, self._deadlines_ms = url, max_tokens, deadlines_ms
        self._draw = random.Random(seed)
        # a connection each, as from many users
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        self._client = httpx.AsyncClient(timeout=PATIENCE_SECONDS, limits=limits)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def send(self) -> None:
        """Be one client of some kind."""
        kind = self._draw.random()
        if kind < 0.70:
            await self.ask()
        elif kind < 0.80:
            await self._vanish()
        elif kind < 0.90:
            await self._stall()
        else:
            await self._send_rubbish()

    async def ask(self) -> str:
        """Ask as one should; return the status, or what was wrong with the answer."""
        body = self._body()
        try:
            answer = await self._client.post(f"{self._url}/v1/completions", json=body)
        except httpx.HTTPError as error:
            told = f"broken: {type(error).__name__}"
        else:
            told = str(answer.status_code)
            if answer.status_code == 200 and body["stream"]:
                told = _told_of_stream(answer.text)
        self.counts[told] += 1
        return told

    def _body(self) -> dict[str, object]:
        return {
            "prompt": " ".join(["word"] * self._draw.randint(1, 40)),
            "max_tokens": self._draw.randint(self._max_tokens // 4, self._max_tokens),
            "slo_e2e_ms": self._draw.choice(self._deadlines_ms),
            "ignore_eos": True,
            "stream": self._draw.random() < 0.5,
        }

    async def _vanish(self) -> None:
        wait_seconds = self._draw.random() * 0.3
        self.counts["vanished"] += 1
        try:
            _, writer = await self._connect(65536)
            writer.write(self._raw(json.dumps(self._body()).encode()))
            await asyncio.sleep(wait_seconds)
            writer.transport.abort()
        except OSError:
            self.counts["vanished, not connected"] += 1

    async def _stall(self) -> None:
        """Read a long stream a few bytes at a time, and then not at all."""
        self.counts["stalled"] += 1
        body = {**self._body(), "stream": True, "slo_e2e_ms": max(self._deadlines_ms)}
        try:
            reader, writer = await self._connect(4096)
            writer.write(self._raw(json.dumps(body).encode()))
            for _ in range(20):
                await reader.read(32)
                await asyncio.sleep(0.05)
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            await asyncio.sleep(8.0)  # longer than the gateway of the soak has patience
            writer.transport.abort()
        except (OSError, RuntimeError):
            self.counts["stalled, cut off"] += 1

    async def _send_rubbish(self) -> None:
        self.counts["rubbish"] += 1
        try:
            reader, writer = await self._connect(65536)
            writer.write(self._draw.choice(RUBBISH))
            async with asyncio.timeout(PATIENCE_SECONDS):
                while await reader.read(65536):
                    pass
            writer.close()
        except TimeoutError:
            self.counts["rubbish waited for"] += 1
        except OSError:
            pass

    async def _connect(
        self, receive_bytes: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        address = urlsplit(self._url)
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(connection, (address.hostname, address.port))
        return await asyncio.open_connection(sock=connection, limit=receive_bytes)

    @staticmethod
    def _raw(body: bytes) -> bytes:
        head = "POST /v1/completions HTTP/1.1\r\ncontent-type: application/json\r\n"
        return f"{head}host: x\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def _told_of_stream(text: str) -> str:
    """Return 200 if a stream is whole; an error at its end is one of a broken engine."""
    events = [line for line in text.splitlines() if line]
    if len(events) < 2 or events[-1] != "data: [DONE]":
        return "broken: stream"
    return "200, error at its end" if '{"error"' in events[-2] else "200"
