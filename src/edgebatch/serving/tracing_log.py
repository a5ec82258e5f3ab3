"""What OpenTelemetry's libraries have to say, as lines of this program's log."""

from __future__ import annotations

import logging
import time

import structlog

LIBRARY = logging.getLogger("opentelemetry")
_QUIET_SECONDS = 60.0

log = structlog.get_logger("edgebatch.tracing")


class Words(logging.Handler):
    """Passes warnings and errors on, each kind once a minute at most."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said_at: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one on."""
        kind, now = str(record.msg), time.monotonic()
        if now - self._said_at.get(kind, -_QUIET_SECONDS) >= _QUIET_SECONDS:
            self._said_at[kind] = now
            log.warning("tracing", problem=record.getMessage())
