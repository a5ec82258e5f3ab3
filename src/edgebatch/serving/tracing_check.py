"""What tracing needs, checked before anything is started."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from edgebatch.errors import InputError, MissingExtraError

_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def check_tracing() -> None:
    """Check that spans can be sent, so far as that can be known without trying.

    Raises:
        MissingExtraError: OpenTelemetry is not installed.
        InputError: a variable of OpenTelemetry asks for what is not done here.
    """
    try:
        import opentelemetry.exporter.otlp.proto.http.trace_exporter
        import opentelemetry.sdk.trace  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtraError("tracing", "tracing") from error
    for name in _PROTOCOLS:
        protocol = os.environ.get(name) or "http/protobuf"
        if protocol != "http/protobuf":
            raise InputError(name, f"must be http/protobuf, got {protocol!r}")
    for name in _ENDPOINTS:
        url = os.environ.get(name) or "http://localhost:4318"
        if urlsplit(url).scheme not in ("http", "https"):
            raise InputError(name, f"must be a URL like http://localhost:4318, got {url!r}")
