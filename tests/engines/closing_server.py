"""A real local server that closes a connection as the next request comes in on it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from misbehaving_server import DONE, event

_MODELS = json.dumps({"data": [{"id": "tiny"}]}).encode()


class ClosingServer:
    """Answers every prompt with one token.

    Attributes:
        answers_each: how many answers a connection gets; the request after the last of them gets
            none.
        num_connections: connections on which an answer was asked for.
        num_unanswered: requests for an answer that got none.
    """

    def __init__(self, answers_each: int) -> None:
        self.answers_each = answers_each
        self.num_connections = 0
        self.num_unanswered = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Serve at the URL that it yields."""
        async with await asyncio.start_server(self._serve, "127.0.0.1", 0) as server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        num_answers = 0
        try:
            while request := await _next_request(reader):
                if request.startswith(b"POST"):
                    self.num_connections += num_answers == 0
                    if num_answers == self.answers_each:
                        self.num_unanswered += 1
                        return
                    num_answers += 1
                    writer.write(_answer(event("a", "stop") + DONE, "text/event-stream"))
                elif b"/v1/models" in request:
                    writer.write(_answer(_MODELS))
                else:
                    writer.write(_answer(b"{}"))
        finally:
            writer.close()


async def _next_request(reader: asyncio.StreamReader) -> bytes:
    """Return a request's head, having read its body, too; nothing at the end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""
    lines = head.lower().split(b"\r\n")
    lengths = (line.partition(b":")[2] for line in lines if line.startswith(b"content-length"))
    await reader.readexactly(int(next(lengths, b"0")))
    return head


def _answer(content: bytes, kind: str = "application/json") -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Type: {kind}", f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, "", ""]).encode() + content
