"""Running the gateway: logs, listening, ending on signals."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable

import structlog
import structlog.tracebacks
import uvicorn

from edgebatch.errors import InputError
from edgebatch.serving.app import make_app
from edgebatch.serving.fleet import State
from edgebatch.serving.gateway import Gateway
from edgebatch.serving.patience import PatientProtocol

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def configure_logs(level: str) -> None:
    """Let logs be JSON, one object a line, on standard error."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            # without local variables, which hold prompts and keys
            structlog.processors.ExceptionRenderer(
                structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
            ),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def serve(gateway: Gateway, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve until told to end: the first SIGTERM or SIGINT drains, a second ends at once.

    Args:
        gateway: not started.
        on_ready: told the address once requests are taken.

    Raises:
        EngineError: the engine cannot start, or the gateway cannot go on, which is a bug.
        InputError: the address cannot be listened at, or the engine cannot load the model.
    """
    # not uvloop: it takes a tenth off, but lets one new connection in at each turn, so that under
    # load those who are there already are served many times before someone new is heard
    asyncio.run(_serve(gateway, on_ready))


def listen(host: str, port: int, stalled_seconds: float = 30.0) -> socket.socket:
    """Return a socket at which connections already queue up.

    Args:
        host: where.
        port: 0 for any.
        stalled_seconds: connections end whose client takes nothing in for so long; on Linux.

    Raises:
        InputError: the address is taken, or none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        # Python adds what it did meanwhile
        reason = (error.strerror or str(error)).partition(" (while")[0]
        where = "port" if error.errno in (errno.EADDRINUSE, errno.EACCES) else "host"
        raise InputError(where, f"cannot listen at {_place(host, port)}: {reason}") from error
    # connections inherit both options. Python's own event loop leaves Nagle's algorithm on where a
    # socket was made without a protocol number; heads of answers would wait 40 ms for their bodies
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        milliseconds = round(1000 * stalled_seconds)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
    return listening


def _place(host: str, port: int) -> str:
    """Return host and port as URLs have them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class _Server(uvicorn.Server):
    """A server whose signals are the gateway's to handle."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        """Leave signals alone."""
        yield


async def _serve(gateway: Gateway, on_ready: Callable[[str], None] | None) -> None:
    settings = gateway.settings
    server = _Server(_config(gateway))
    listening = listen(settings.host, settings.port, settings.limits.send_seconds)
    address = f"http://{_place(settings.host, listening.getsockname()[1])}"

    def tell() -> None:
        if on_ready is not None:
            on_ready(address)

    # meanwhile it answers already: whoever asks is told that the engine starts
    running = asyncio.create_task(_run(gateway, server, tell))
    ending = _Ending(gateway, server, running)
    for number in _SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, ending.signalled)
    try:
        await server.serve(sockets=[listening])
    finally:
        running.cancel()
        [failure] = await asyncio.gather(running, return_exceptions=True)
        await gateway.stop()
    if isinstance(failure, Exception):
        raise failure


def _config(gateway: Gateway) -> uvicorn.Config:
    settings = gateway.settings
    return uvicorn.Config(
        make_app(gateway),
        host=settings.host,
        port=settings.port,
        http=functools.partial(  # type: ignore[arg-type] # called as the class would be
            PatientProtocol, headers_seconds=settings.limits.headers_seconds
        ),
        ws="none",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=5,
    )


async def _run(gateway: Gateway, server: uvicorn.Server, on_ready: Callable[[], None]) -> None:
    """Start the engine; if it cannot be, or cannot go on later, let the server end."""
    try:
        await gateway.start()
        # what is there by now stays: to look through it again and again would stop everything for
        # tens of milliseconds each time
        gc.collect()
        gc.freeze()
        on_ready()
        await gateway.until_failed()
    finally:
        server.should_exit = True


class _Ending:
    """What signals do."""

    def __init__(
        self, gateway: Gateway, server: uvicorn.Server, running: asyncio.Task[None]
    ) -> None:
        self._gateway, self._server, self._running = gateway, server, running
        self._draining: asyncio.Task[None] | None = None

    def signalled(self) -> None:
        """Drain at the first signal, end at once at the second."""
        if self._draining is None:
            self._draining = asyncio.ensure_future(self._drain())
        else:
            self._server.force_exit = True
            self._server.should_exit = True
            self._draining.cancel()

    async def _drain(self) -> None:
        if self._gateway.state is State.STARTING:
            self._running.cancel()  # nobody has been let in
        else:
            await self._gateway.drain()
            self._server.should_exit = True
