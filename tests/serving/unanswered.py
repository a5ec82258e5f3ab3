"""Requests that wait or run as long as a test looks at the gateway."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx


@contextmanager
def asking(
    url: str, bodies: list[dict[str, Any]], headers: dict[str, str] | None = None
) -> Iterator[None]:
    """Ask, in a thread of its own, without waiting for answers; go away at the end.

    Args:
        url: the gateway's.
        bodies: one for each request, all at once.
        headers: of each.
    """
    loop = asyncio.new_event_loop()
    leaving = asyncio.Event()

    async def ask_all() -> None:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(timeout=None, limits=limits, headers=headers) as client:
            calls = [
                asyncio.ensure_future(
                    client.post(f"{url}/v1/completions", json={"prompt": "Once", **body})
                )
                for body in bodies
            ]
            await leaving.wait()
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)

    def run() -> None:
        with suppress(httpx.HTTPError):
            loop.run_until_complete(ask_all())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(leaving.set)
        thread.join(60)
        assert not thread.is_alive()
