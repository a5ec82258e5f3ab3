"""HTTP with an end to patience: for clients who don't say what they want, or talk without end."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from edgebatch.serving.refusals import Refusal, invalid

MOST_HEADER_BYTES = 65_536


class PatientProtocol(HttpToolsProtocol):
    """One connection, closed if a request's headers don't come in time, or are too large.

    What is no HTTP at all is refused in the same form as everything else.

    Args:
        headers_seconds: how long the headers of a request may take.
        **uvicorn: as uvicorn gives them.
    """

    def __init__(self, *, headers_seconds: float, **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self._headers_seconds = headers_seconds
        self._alarm: asyncio.TimerHandle | None = None
        self._num_bytes = 0  # since anything was complete: of headers, or of what follows a body

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait_for_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._wait_no_longer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read no more than headers may have before looking whether they are complete."""
        while data and not self.transport.is_closing():
            room = MOST_HEADER_BYTES - self._num_bytes
            piece, data = data[:room], data[room:]
            self._num_bytes += len(piece)
            super().data_received(piece)
            if self._num_bytes >= MOST_HEADER_BYTES:
                said = f"the headers have {MOST_HEADER_BYTES} bytes or more"
                self._refuse(Refusal(431, said, code="headers_too_large"))

    def on_message_begin(self) -> None:
        """Give the next request as long as the first."""
        super().on_message_begin()
        self._wait_for_headers()

    def on_headers_complete(self) -> None:
        """Leave the body to the guard."""
        self._wait_no_longer()
        self._num_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Leave it to the guard how much there is."""
        self._num_bytes = 0
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be read as HTTP."""
        self._refuse(invalid(msg, code="invalid_http"))

    def _refuse(self, refusal: Refusal) -> None:
        body = json.dumps(refusal.body())
        headers = {
            "content-type": "application/json",
            "content-length": str(len(body)),
            "connection": "close",
            **refusal.headers(),
        }
        status = f"HTTP/1.1 {refusal.status} \r\n"
        lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
        self.transport.write("".join([status, *lines, "\r\n", body]).encode())
        self.transport.close()

    def _wait_for_headers(self) -> None:
        self._wait_no_longer()
        self._alarm = self.loop.call_later(self._headers_seconds, self.transport.close)

    def _wait_no_longer(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
