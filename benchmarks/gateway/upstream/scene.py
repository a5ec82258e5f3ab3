"""A gateway in front of a server, and somebody who asks."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx
import openai
import psutil

from upstream.rough_profile import PRECISION
from upstream.servers import Server

BATCH_CAP = 4
QUEUE = 8
SILENCE_SECONDS = 8.0
_ENGINE = (
    f"openai:silence_timeout_seconds={SILENCE_SECONDS:g},health_seconds=1"
    ",call_seconds=3,loading_seconds=5"
)
_PATIENCE_SECONDS = 300.0
_SETTINGS = {
    "EDGEBATCH_LIMITS__QUEUE": str(QUEUE),
    "EDGEBATCH_DEFAULTS__E2E_SECONDS": str(10 * _PATIENCE_SECONDS),
}


class Gateway:
    """``edgebatch serve`` in front of a server; ends with the block that it is used in.

    Args:
        server: which.
        profile: what is known of it.
        log: what the gateway says goes there.
    """

    def __init__(self, server: Server, profile: Path, log: Path) -> None:
        settings = ",".join(filter(None, (_ENGINE, server.kind.engine_settings)))
        command = [
            *(sys.executable, "-m", "edgebatch", "serve", "--port", "0"),
            *("--engine", settings),
            *("--model", server.kind.served_name()),
            *("--url", f"{PRECISION}={server.url}/v1"),
            *("--profile", str(profile), "--policy", f"rolling:batch_cap={BATCH_CAP}"),
        ]
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, **_SETTINGS},
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the gateway does not start:\n{log.read_text()[-2000:]}")
        self.url = line.split()[-1]
        self._server_port = server.port

    def __enter__(self) -> Self:
        """Go on with it."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it, at once if it has not ended."""
        self._process.kill()
        self._process.wait()

    def drained(self) -> int:
        """Ask it to end, and return with what status it does."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(60)

    def num_connections(self) -> int:
        """Return how many connections to the server it has: each request has its own."""
        connections = psutil.Process(self._process.pid).net_connections("tcp")
        return sum(
            each.status == psutil.CONN_ESTABLISHED and each.raddr.port == self._server_port
            for each in connections
        )


@dataclass(frozen=True, slots=True)
class Scene:
    """Gateway, server, and clients of both.

    Attributes:
        gateway, server: the two.
        client: OpenAI's, of the gateway.
        direct: OpenAI's, of the server.
        http: for all else that is asked of the gateway.
    """

    gateway: Gateway
    server: Server
    client: openai.AsyncOpenAI
    direct: openai.AsyncOpenAI
    http: httpx.AsyncClient

    @classmethod
    def of(cls, gateway: Gateway, server: Server) -> Self:
        """Return the scene of a gateway and a server that run."""

        def client(url: str) -> openai.AsyncOpenAI:
            return openai.AsyncOpenAI(
                base_url=f"{url}/v1", api_key="any", max_retries=0, timeout=_PATIENCE_SECONDS
            )

        http = httpx.AsyncClient(base_url=gateway.url, timeout=_PATIENCE_SECONDS)
        return cls(gateway, server, client(gateway.url), client(server.url), http)

    async def close(self) -> None:
        """Close the clients' connections."""
        for each in (self.client, self.direct):
            await each.close()
        await self.http.aclose()

    async def ready(self) -> int:
        """Return the status of ``/readyz``."""
        return (await self.http.get("/readyz")).status_code

    def num_running(self) -> int:
        """Return how many requests the server has; by connections if it does not tell."""
        told = self.server.num_running()
        return self.gateway.num_connections() if told is None else told

    async def stream(self, max_tokens: int, **asked: Any) -> openai.AsyncStream[Any]:
        """Ask the gateway for a streamed text."""
        stream: openai.AsyncStream[Any] = await self.client.completions.create(
            model="", prompt="The license", max_tokens=max_tokens, stream=True, **asked
        )
        return stream


async def until(holds: Callable[[], bool], seconds: float) -> float | None:
    """Return after how many seconds something holds; None if it does not within so many."""
    began_at = time.monotonic()
    while time.monotonic() - began_at < seconds:
        if await asyncio.to_thread(holds):
            return time.monotonic() - began_at
        await asyncio.sleep(0.05)
    return None
