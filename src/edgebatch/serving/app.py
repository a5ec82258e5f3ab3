"""The gateway's HTTP interface."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Receive, Scope, Send

from edgebatch import __version__
from edgebatch.serving.answers import AnswerForm, fulfilment_headers, is_whole
from edgebatch.serving.door import Door
from edgebatch.serving.fleet import State
from edgebatch.serving.gateway import Gateway
from edgebatch.serving.guard import App, Guard
from edgebatch.serving.keys import KeyRing
from edgebatch.serving.metrics import GatewayMetrics
from edgebatch.serving.openai_requests import ChatRequest, CompletionRequest
from edgebatch.serving.operator_page import add_page
from edgebatch.serving.refusals import ErrorBody, Refusal, internal_error, invalid, not_ready
from edgebatch.serving.settings import Demands
from edgebatch.serving.slo import slo_of
from edgebatch.serving.state import StateBoard
from edgebatch.serving.ticket import Ticket
from edgebatch.serving.traced_request import note_asked, note_ticket
from edgebatch.serving.what_if import OneWhatIf

if TYPE_CHECKING:
    from edgebatch.serving.tracing import Tracing


def make_app(gateway: Gateway) -> App:
    """Return the gateway as an ASGI application, which ends it; others start it, also later."""
    settings = gateway.settings

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await gateway.stop()
            if tracing is not None:
                await tracing.close()

    app = FastAPI(
        title="edgebatch",
        version=__version__,
        description="OpenAI's API with deadlines, in front of a scheduler that keeps them.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.gateway = gateway
    app.state.keys = keys = KeyRing(settings.keys)
    app.state.metrics = GatewayMetrics(gateway)
    app.state.board = StateBoard(gateway)
    app.state.what_if = OneWhatIf(gateway.scenario, gateway.policy)
    _add_error_handlers(app)
    _add_api(app)
    _add_operations(app)
    add_page(app)
    app.add_middleware(Door, gateway=gateway, keys=keys)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=["*"],
        )
    guarded = Guard(app, settings.limits)
    tracing = _tracing(guarded, gateway) if settings.tracing else None
    return tracing or guarded


def _tracing(app: App, gateway: Gateway) -> Tracing:
    from edgebatch.serving.tracing import Tracing

    return Tracing(app, gateway)


def _add_api(app: FastAPI) -> None:
    @app.post("/v1/chat/completions", responses=_RESPONSES)
    async def chat(request: Request, body: ChatRequest) -> Response:
        """Answer a conversation."""
        return await _answer(request, body)

    @app.post("/v1/completions", responses=_RESPONSES)
    async def completions(request: Request, body: CompletionRequest) -> Response:
        """Go on with a text."""
        return await _answer(request, body)

    @app.get("/v1/models", responses=_RESPONSES)
    async def models(request: Request) -> dict[str, Any]:
        """List the one model that is served."""
        _tenant(request)
        return {"object": "list", "data": [_model(_gateway(request))]}

    @app.get("/v1/models/{name:path}", responses=_RESPONSES)
    async def model(request: Request, name: str) -> dict[str, Any]:
        """Say what is known of the model that is served."""
        _tenant(request)
        served = _model(_gateway(request))
        if name != served["id"]:
            raise _unknown_model(name, served["id"])
        return served


def _add_operations(app: FastAPI) -> None:
    @app.get("/healthz", response_class=PlainTextResponse)
    async def healthz() -> str:
        """Say that the process lives."""
        return "ok"

    @app.get("/readyz", response_class=PlainTextResponse, responses={503: {"description": "no"}})
    async def readyz(request: Request) -> PlainTextResponse:
        """Say whether requests are taken."""
        state = _gateway(request).state
        return PlainTextResponse(str(state), 200 if state is State.READY else 503)

    @app.get("/edgebatch/state", responses=_RESPONSES)
    async def state(request: Request) -> JSONResponse:
        """Say who waits, who runs, and how it goes."""
        _tenant(request)
        return JSONResponse(request.app.state.board.snapshot())

    @app.get("/edgebatch/what-if", responses=_RESPONSES)
    async def what_if_now(
        request: Request,
        load_factor: Annotated[float, Query(ge=0.01, le=100.0, allow_inf_nan=False)] = 1.0,
    ) -> JSONResponse:
        """Say what each precision would have done with the latest requests, or so many more.

        One at a time is simulated; meanwhile others get 429.
        """
        _tenant(request)
        arrivals = tuple(request.app.state.board.arrivals)
        return JSONResponse(await request.app.state.what_if.ask(arrivals, load_factor))

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics(request: Request) -> Response:
        """Return the metrics in Prometheus' text format."""
        _tenant(request)
        return Response(request.app.state.metrics.text(), media_type="text/plain; version=0.0.4")


_HEAD_START_PASSES = 6
"""Passes of the event loop in which a request is on its way to a server, which then works while the
head of the answer is written."""
_ERROR = {"description": "an error in OpenAI's form", "model": ErrorBody}
_CODES = {404: "not_found", 405: "method_not_allowed"}
_RESPONSES: dict[int | str, dict[str, Any]] = dict.fromkeys(
    (400, 401, 404, 408, 413, 422, 429, 503), _ERROR
)


def _gateway(request: Request) -> Gateway:
    gateway: Gateway = request.app.state.gateway
    return gateway


def _tenant(request: Request) -> int:
    keys: KeyRing = request.app.state.keys
    return keys.tenant(request.headers.get("authorization"))


async def _answer(request: Request, body: ChatRequest | CompletionRequest) -> Response:
    """Put a request to the gateway and send its answer, whole or as a stream."""
    gateway, tenant = _gateway(request), _tenant(request)
    body.refuse_what_is_not_done()
    served = _model(gateway)["id"]
    if body.model not in (None, "", served):
        raise _unknown_model(body.model or "", served)
    defaults = gateway.settings.keys[tenant].defaults if gateway.settings.keys else Demands()
    slo = slo_of(body, request.headers, defaults, gateway.settings)
    headers = note_asked(request, body, slo, served)
    ticket = await gateway.ask(body.asked(), slo, body.sampling(), tenant, headers)
    note_ticket(request, ticket)
    form = AnswerForm(
        is_chat=isinstance(body, ChatRequest),
        model=served,
        with_usage=body.stream_options is not None and body.stream_options.include_usage,
    )
    if body.stream:
        return await _stream(request, gateway, ticket, form)
    return await _whole(request, gateway, ticket, form)


async def _stream(request: Request, gateway: Gateway, ticket: Ticket, form: AnswerForm) -> Response:
    if not ticket.is_decided:
        await _unless_gone(request, gateway, ticket, ticket.until_decided())
    if ticket.joined is None:
        raise gateway.refusal(ticket)

    for _ in range(_HEAD_START_PASSES):
        await asyncio.sleep(0)
    headers = {"cache-control": "no-cache", **fulfilment_headers(ticket)}
    return _Events(form.events(ticket), headers, lambda: gateway.cancel(ticket))


class _Events(StreamingResponse):
    """A stream that says when it is over, also if the client goes while it takes nothing in.

    The generator's own end would come too late: cancelled while it does not run, it ends when the
    garbage collector finds it.
    """

    def __init__(
        self, events: AsyncIterator[bytes], headers: dict[str, str], on_over: Callable[[], None]
    ) -> None:
        super().__init__(events, media_type="text/event-stream", headers=headers)
        self._on_over = on_over

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send all, or as much as the client takes."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._on_over()


async def _whole(request: Request, gateway: Gateway, ticket: Ticket, form: AnswerForm) -> Response:
    if ticket.record is None:
        await _unless_gone(request, gateway, ticket, ticket.until_ended())
    if not is_whole(ticket):
        raise gateway.refusal(ticket)
    return JSONResponse(form.whole(ticket), headers=fulfilment_headers(ticket))


async def _unless_gone(
    request: Request, gateway: Gateway, ticket: Ticket, work: Coroutine[Any, Any, None]
) -> None:
    """Wait for ``work``; call the request off if the client goes away before."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_until_gone(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            gateway.cancel(ticket)
        await working
    finally:
        leaving.cancel()
        if not working.done():
            working.cancel()
            gateway.cancel(ticket)


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _model(gateway: Gateway) -> dict[str, Any]:
    if gateway.state is State.STARTING:
        raise not_ready("the engine is starting")
    info = gateway.info
    return {
        "id": gateway.settings.served_name or info.model,
        "object": "model",
        "created": 0,
        "owned_by": "edgebatch",
        "max_model_len": info.max_context_tokens,
        "precisions": [
            {"name": precision.name, "quality": precision.quality}
            for precision in gateway.precisions
        ],
    }


def _unknown_model(name: str, served: str) -> Refusal:
    return Refusal(
        404,
        f"there is no model {name[:200]!r} here; {served!r} is served",
        code="model_not_found",
        param="model",
    )


def _add_error_handlers(app: FastAPI) -> None:
    @app.exception_handler(Refusal)
    async def refused(_: Request, refusal: Refusal) -> JSONResponse:
        return JSONResponse(refusal.body(), refusal.status, headers=refusal.headers())

    @app.exception_handler(RequestValidationError)
    async def wrong(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = _path(first["loc"])
        return await refused(request, invalid(f"{where}: {first['msg']}", where))

    @app.exception_handler(Exception)
    async def broken(request: Request, _: Exception) -> JSONResponse:
        # the guard logs it
        return await refused(request, internal_error())

    @app.exception_handler(HTTPException)
    async def failed(_: Request, error: HTTPException) -> JSONResponse:
        code = _CODES.get(error.status_code, "invalid_request")
        refusal = Refusal(error.status_code, str(error.detail), code=code)
        headers = {**refusal.headers(), **(error.headers or {})}
        return JSONResponse(refusal.body(), error.status_code, headers=headers)


def _path(location: tuple[int | str, ...]) -> str:
    """Return where in a body a value stands, such as ``messages[3].content``."""
    steps = location[1:] if location and location[0] == "body" else location
    path = ""
    for step in steps:
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    return path.lstrip(".") or "body"
