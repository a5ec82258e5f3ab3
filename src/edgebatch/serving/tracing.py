"""Spans of requests, sent over OTLP/HTTP; imported only by gateways that trace."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import MutableMapping
from typing import Any

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from edgebatch import __version__
from edgebatch.errors import InputError
from edgebatch.scheduling import RequestRecord
from edgebatch.serving.door import ASKING
from edgebatch.serving.gateway import Gateway
from edgebatch.serving.guard import QUIET, App, Receive, Scope, Send
from edgebatch.serving.refusals import REASON_HEADER
from edgebatch.serving.ticket import Ticket
from edgebatch.serving.traced_request import (
    Attributes,
    TracedRequest,
    attributes_at_end,
    phases,
    problem_of,
)
from edgebatch.serving.tracing_log import LIBRARY, Words, log

_LONGEST_CLOSE_SECONDS = 3.0
"""A collector that answers takes the last spans in less; one that does not is not waited for."""
_MOST_PATH_CHARACTERS = 1024
_METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}


class Tracing:
    """ASGI middleware around everything, which sends a span for each request.

    The trace of a caller who names one (``traceparent``) is gone on with. Where spans go, how many
    of the requests are traced and more are OpenTelemetry's own environment variables.

    Args:
        app: what it stands before.
        gateway: whose requests they are.

    Raises:
        InputError: one of these variables has a value that cannot be used.
    """

    def __init__(self, app: App, gateway: Gateway) -> None:
        self._app, self._gateway = app, gateway
        self._words = Words()
        LIBRARY.addHandler(self._words)
        self._provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        try:
            self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        except ValueError as error:
            raise InputError("OTEL_BSP_*", str(error)) from error
        self._tracer = self._provider.get_tracer("edgebatch", __version__)
        self._propagator = TraceContextTextMapPropagator()
        self._left: dict[int, tuple[Span, TracedRequest]] = {}
        gateway.on_end.append(self._ended)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["path"] in QUIET:
            await self._app(scope, receive, send)
            return
        about = TracedRequest()
        span = self._begin(scope, about)
        scope.setdefault("state", {})["traced"] = about

        async def send_noted(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                about.status = message["status"]
                headers = dict(message["headers"])
                about.refusal_code = headers.get(REASON_HEADER.encode(), b"").decode("latin-1")
            await send(message)

        try:
            with structlog.contextvars.bound_contextvars(**_names(span)):
                await self._app(scope, receive, send_noted)
        finally:
            about.over_at_seconds = time.monotonic()
            self._name(span, scope, about)
            ticket = about.ticket
            if ticket is None or ticket.record is not None:
                self._finish(span, about)
            else:  # nobody waits for it any more, but the engine still has it
                self._left[ticket.arrival.number] = span, about

    async def close(self) -> None:
        """Send what is left, for a short time at most."""
        # a daemon: the process may end although the collector keeps the connection waiting
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        await asyncio.to_thread(closing.join, _LONGEST_CLOSE_SECONDS)
        if closing.is_alive():
            log.warning("tracing", problem="the last spans could not be sent")
        else:
            LIBRARY.removeHandler(self._words)

    def _begin(self, scope: Scope, about: TracedRequest) -> Span:
        method = _method(scope)
        carrier = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        attributes = {
            "http.request.method": method,
            "url.scheme": scope["scheme"],
            "url.path": scope["path"][:_MOST_PATH_CHARACTERS],
            "network.protocol.version": scope["http_version"],
        }
        if method == "POST" and scope["path"] in ASKING:
            # also of those who are turned away before they are read; samplers may look at it
            attributes["gen_ai.operation.name"] = ASKING[scope["path"]]
            attributes["gen_ai.provider.name"] = "edgebatch"
        span = self._tracer.start_span(
            method,
            self._propagator.extract(carrier),
            SpanKind.SERVER,
            attributes,
            start_time=about.began_unix_ns,
        )
        headers: dict[str, str] = {}
        self._propagator.inject(headers, set_span_in_context(span))
        about.headers = headers
        return span

    def _name(self, span: Span, scope: Scope, about: TracedRequest) -> None:
        about.attributes["edgebatch.request_id"] = scope["state"].get("request_id", "")
        route = _route(scope)
        if route:
            span.update_name(f"{_method(scope)} {route}")
            about.attributes["http.route"] = route

    def _ended(self, ticket: Ticket, _: RequestRecord) -> None:
        left = self._left.pop(ticket.arrival.number, None)
        if left is not None:
            self._finish(*left)

    def _finish(self, span: Span, about: TracedRequest) -> None:
        if about.ticket is not None:
            self._send_phases(span, about)
        span.set_attributes({**about.attributes, **attributes_at_end(about), **self._key(about)})
        if problem := problem_of(about):
            span.set_status(Status(StatusCode.ERROR, problem))
        span.end(about.unix_ns(about.over_at_seconds))

    def _send_phases(self, span: Span, about: TracedRequest) -> None:
        dispatcher = self._gateway.dispatcher
        began_at = dispatcher.timers.since_origin(about.began_at_seconds)

        def unix_ns(at_seconds: float) -> int:
            return about.unix_ns(about.began_at_seconds + at_seconds - began_at)

        context = set_span_in_context(span)
        for phase in phases(about, dispatcher):
            part = self._tracer.start_span(
                phase.name, context, start_time=unix_ns(phase.from_seconds)
            )
            part.end(unix_ns(phase.to_seconds))

    def _key(self, about: TracedRequest) -> Attributes:
        keys = self._gateway.settings.keys
        if about.tenant is None or not keys:
            return {}
        return {"edgebatch.key": keys[about.tenant].name}


def _resource() -> Resource:
    """Return who sends: OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES, or else our own names."""
    ours = Resource({"service.name": "edgebatch", "service.version": __version__})
    return Resource.create().merge(ours).merge(OTELResourceDetector().detect())


def _route(scope: Scope) -> str:
    """Return the path as the API names it; empty if it has none."""
    if "route" in scope:
        return str(getattr(scope["route"], "path", ""))
    # who is turned away early is not routed
    return scope["path"] if scope["path"] in ASKING else ""


def _method(scope: Scope) -> str:
    """Return the method, or what the conventions put for one that nobody knows."""
    return scope["method"] if scope["method"] in _METHODS else "_OTHER"


def _names(span: Span) -> dict[str, str]:
    context = span.get_span_context()
    if not context.is_valid:  # OTEL_SDK_DISABLED
        return {}
    return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
