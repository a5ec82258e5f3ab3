"""The HTTP client with which servers are asked, and what its errors mean."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from edgebatch.errors import MissingExtraError

if TYPE_CHECKING:
    import aiohttp

_KEEP_SECONDS = 2.0
"""Connections without work are closed after so long: sooner than servers do."""


def open_client(connect_seconds: float, answer_seconds: float) -> aiohttp.ClientSession:
    """Return a client; within a running event loop only.

    Args:
        connect_seconds: longest wait for a connection.
        answer_seconds: longest wait for the next bytes of an answer, unless told otherwise.

    Raises:
        MissingExtraError: aiohttp is not installed.
    """
    if find_spec("aiohttp") is None:
        raise MissingExtraError("an engine behind HTTP", "serve")
    import aiohttp

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_SECONDS),
        timeout=aiohttp.ClientTimeout(connect=connect_seconds, sock_read=answer_seconds),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


@asynccontextmanager
async def response_to(
    client: aiohttp.ClientSession,
    method: str,
    url: str,
    body: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    is_patient: bool = False,
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Ask, and yield the answer's head, from which its body can be read.

    A server may close a connection that was kept just as a request goes out on it. So if one ends
    without a byte of an answer, the request is sent once more.

    Args:
        client: to ask with.
        method: such as ``"GET"``.
        url: whom to ask.
        body: sent as JSON; None for none.
        headers: sent along.
        is_patient: whether the answer may take any time.

    Raises:
        aiohttp.ClientError: no whole answer came; :func:`is_unreachable` tells why.
        ValueError, TypeError, RecursionError: the body cannot be written as JSON.
    """
    import aiohttp

    sent = dict(headers or {})
    data = None
    if body is not None:
        data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        sent["Content-Type"] = "application/json"
    timeout = aiohttp.ClientTimeout(connect=client.timeout.connect) if is_patient else None

    async def ask() -> aiohttp.ClientResponse:
        return await client.request(
            method,
            url,
            data=data,
            headers=sent,
            allow_redirects=False,
            timeout=timeout or client.timeout,
        )

    try:
        response = await ask()
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
        if is_unreachable(error):
            raise
        response = await ask()
    async with response:
        yield response


def is_unreachable(error: aiohttp.ClientError) -> bool:
    """Return whether nobody answers at all, rather than that one answer was cut short."""
    import aiohttp

    return isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError))


def reason_of(error: aiohttp.ClientError) -> str:
    """Return in a few words why no whole answer came."""
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno
        if number is not None and number > 0:
            return os.strerror(number)
        return error.os_error.strerror or str(error.os_error)
    return str(error) or type(error).__name__
