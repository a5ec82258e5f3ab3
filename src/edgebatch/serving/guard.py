"""What every request passes first: a name, limits on its body, a line in the log."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from uuid import uuid4

import structlog

from edgebatch.serving.refusals import REASON_HEADER, Refusal, internal_error
from edgebatch.serving.settings import Limits

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_REASON = REASON_HEADER.encode()
_REQUEST_ID = re.compile(r"[\w.:/+=-]{1,128}\Z")
QUIET = ("/metrics", "/healthz", "/readyz", "/edgebatch/state", "/edgebatch/what-if")
"""Paths that machines ask for again and again."""

log = structlog.get_logger("edgebatch.http")


class Guard:
    """ASGI middleware around the whole gateway.

    Args:
        app: what it stands before.
        limits: on bodies.
    """

    def __init__(self, app: App, limits: Limits) -> None:
        self._app, self._limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        began_at, status = time.perf_counter(), 0
        why: dict[str, str] = {}

        async def send_named(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                for name, value in message["headers"]:
                    if name == _REASON:
                        why["refusal"] = value.decode("latin-1")
                message["headers"].append((b"x-request-id", request_id.encode()))
            await send(message)

        try:
            body = await _whole_body(receive, self._limits) if scope["method"] == "POST" else None
            with structlog.contextvars.bound_contextvars(request_id=request_id):
                await self._app(scope, _replay(body, receive), send_named)
        except Refusal as refusal:
            if not status:
                await _refuse(refusal, send_named)
        except Exception:  # the client learns nothing of it, the log everything
            log.exception("request failed", request_id=request_id, path=scope["path"])
            if not status:
                await _refuse(internal_error(), send_named)
        finally:
            say = log.debug if scope["path"] in QUIET else log.info
            say(
                "request",
                request_id=request_id,
                method=scope["method"],
                path=scope["path"],
                status=status,
                seconds=round(time.perf_counter() - began_at, 6),
                **why,
            )


async def _whole_body(receive: Receive, limits: Limits) -> bytes:
    """Return a request's body.

    Raises:
        Refusal: it is too long, or too slow.
    """
    parts: list[bytes] = []
    num_bytes, more = 0, True
    try:
        async with asyncio.timeout(limits.body_seconds):
            while more:
                message = await receive()
                parts.append(message.get("body", b""))
                num_bytes += len(parts[-1])
                if num_bytes > limits.body_bytes:
                    raise Refusal(
                        413,
                        f"the body has more than {limits.body_bytes} bytes",
                        code="body_too_large",
                    )
                more = message.get("more_body", False)
    except TimeoutError:
        raise Refusal(
            408, f"the body did not come within {limits.body_seconds:g} s", code="body_too_slow"
        ) from None
    return b"".join(parts)


def _replay(body: bytes | None, receive: Receive) -> Receive:
    """Return what hands a body out that has been read already, and then what comes after it."""
    left = [] if body is None else [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_next() -> MutableMapping[str, Any]:
        return left.pop() if left else await receive()

    return receive_next


def _request_id(scope: Scope) -> str:
    """Return the name that the client gave the request, or a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            given = value.decode("latin-1")
            if _REQUEST_ID.match(given):
                return str(given)
    return uuid4().hex


async def _refuse(refusal: Refusal, send: Send) -> None:
    body = json.dumps(refusal.body()).encode()
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "connection": "close",
        **refusal.headers(),
    }
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
