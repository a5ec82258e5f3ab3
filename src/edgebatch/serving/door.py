"""Turning away whom there is no place for, before anything of what they ask is read."""

from __future__ import annotations

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers

from edgebatch.serving.fleet import State
from edgebatch.serving.gateway import Gateway
from edgebatch.serving.guard import App, Receive, Scope, Send
from edgebatch.serving.keys import KeyRing
from edgebatch.serving.refusals import Refusal, not_ready
from edgebatch.serving.traced_request import note_tenant

ASKING = {"/v1/chat/completions": "chat", "/v1/completions": "text_completion"}
"""Paths at which answers are asked for, and what OpenTelemetry's conventions call that."""


class Door:
    """ASGI middleware that keeps out what the gateway would not put to the scheduler.

    When far more is asked than can be answered, most requests end here, and cost less than reading
    what they ask.

    Args:
        app: what it stands before.
        gateway: whose places are counted.
        keys: who may ask.
    """

    def __init__(self, app: App, gateway: Gateway, keys: KeyRing) -> None:
        self._app, self._gateway, self._keys = app, gateway, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request in, or refuse it."""
        refusal = None
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in ASKING:
            refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send)
            return
        answer = JSONResponse(refusal.body(), refusal.status, headers=refusal.headers())
        await answer(scope, receive, send)

    def _refusal(self, scope: Scope) -> Refusal | None:
        try:
            tenant = self._keys.tenant(Headers(scope=scope).get("authorization"))
            note_tenant(scope, tenant)
            if self._gateway.state is State.STARTING:
                return not_ready("the engine is starting")
            self._gateway.require_place(tenant)
        except Refusal as refusal:
            return refusal
        return None
