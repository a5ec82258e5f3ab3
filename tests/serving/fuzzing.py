"""What no client should send, as Hypothesis strategies, and a gateway to send it to."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import strategies as st

PATHS = ("/v1/chat/completions", "/v1/completions")
LITTLE_PATIENCE = {
    "EDGEBATCH_LIMITS__HEADERS_SECONDS": "0.3",
    "EDGEBATCH_LIMITS__BODY_SECONDS": "0.5",
}
_ENVIRONMENT = {"EDGEBATCH_LIMITS__MAX_TOKENS": "8"}  # short answers
_HEADERS = (
    "x-slo-e2e-ms",
    "x-slo-ttft-ms",
    "x-llm-d-slo-ttft-ms",
    "x-min-quality",
    "x-stainless-timeout",
    "x-request-id",
    "authorization",
    "content-type",
    "expect",
    "upgrade",
    "origin",
)
_FIELDS = (
    "model",
    "prompt",
    "messages",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "seed",
    "stop",
    "n",
    "stream",
    "stream_options",
    "presence_penalty",
    "frequency_penalty",
    "priority",
    "slo_e2e_ms",
    "slo_ttft_ms",
    "min_quality",
    "ignore_eos",
    "best_of",
    "logprobs",
    "tools",
)

surrogates = st.text(st.characters(categories=("Cs", "Lu", "Cc")), max_size=5)
numbers = st.one_of(
    st.floats(),
    st.integers(),
    st.sampled_from((-1, 0, 2**31, 2**63, 2**64, 10**400, -(10**400), 1e308, -0.0)),
)
scalars = st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=20), surrogates)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(surrogates, inner, max_size=3),
    max_leaves=8,
)
prompts = st.one_of(values, st.lists(st.integers(), max_size=6), surrogates)
messages = st.lists(
    values | st.fixed_dictionaries({"role": st.text(max_size=9) | values, "content": values}),
    max_size=3,
)
bodies = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(_FIELDS, values),
        "prompt": prompts,
        "messages": messages,
    },
)
"""JSON objects with the right names and seldom the right values, NaN and half surrogates too."""

answerable = st.builds(
    lambda extra: {"prompt": "a", "messages": [{"role": "user", "content": "a"}], **extra},
    st.fixed_dictionaries({}, optional=dict.fromkeys(_FIELDS, values)),
)
"""The same with something to answer in most of them."""

raw_bodies = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(
        (
            b"[" * 100_000,
            b'{"a":' * 100_000,
            b'{"prompt": "a", "max_tokens": ' + b"9" * 10_000 + b"}",
            b'{"prompt": "\xff\xfe"}',
            b'{"prompt": "\\ud800"}',
            b"\xef\xbb\xbf{}",
            b'{"prompt": "a", "prompt": "b"}',
            b"null",
            b"",
        )
    ),
)
header_values = st.one_of(
    st.binary(max_size=40).map(lambda value: value.translate(None, b"\r\n\0")),
    numbers.map(lambda number: str(number)[:300].encode()),
    st.sampled_from((b"nan", b"inf", b"-inf", b"1e999", b"1_0", b" 5 ", b"", b"0x10", b"5,5")),
)
headers = st.lists(st.tuples(st.sampled_from(_HEADERS), header_values), max_size=6)
"""Headers that mean something here, the same one several times too."""

raw_requests = st.one_of(
    st.binary(min_size=1, max_size=300),
    st.builds(
        lambda method, target, rest: method + b" " + target + b" HTTP/1.1\r\n" + rest + b"\r\n\r\n",
        st.sampled_from((b"GET", b"POST", b"PUT", b"BREW", b"", b"get")),
        st.sampled_from((b"/", b"/v1/models/%00", b"*", b"//x", b"/%ff?load_factor=nan", b"\xff")),
        st.binary(max_size=60),
    ),
)


def encoded(body: Any) -> bytes:
    """Return JSON in which half surrogates and NaN stay what they are."""
    return json.dumps(body).encode()


class Answer(NamedTuple):
    """An HTTP response; headers by their names in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes


def ask(
    url: str, path: str, body: bytes | None = None, headers: list[tuple[str, bytes]] | None = None
) -> Answer:
    """Send a request as it is, which no HTTP library would, and return the answer."""
    lines = [f"{'GET' if body is None else 'POST'} {path} HTTP/1.1".encode(), b"host: x"]
    if body is not None:
        lines += [b"content-length: %d" % len(body), b"content-type: application/json"]
    lines += [b"connection: close", *(name.encode() + b": " + v for name, v in headers or ())]
    return read_answer(exchange(url, b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")))


def read_answer(raw: bytes) -> Answer:
    """Return what the bytes of an HTTP response say."""
    head, _, body = raw.partition(b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 100"):
        return read_answer(body)
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    named = {name.lower(): value.strip() for name, _, value in pairs}
    return Answer(int(first.split()[1]), named, body)


def exchange(
    url: str, request: bytes, wait_seconds: float = 60.0, linger_seconds: float = 60.0
) -> bytes:
    """Send bytes and return all that comes back until the gateway closes or falls silent.

    Args:
        url: of the gateway.
        request: the bytes.
        wait_seconds: for the first bytes of the answer.
        linger_seconds: for more of them.

    Raises:
        TimeoutError: nothing came back, and the connection stays open.
    """
    host, _, port = url.removeprefix("http://").partition(":")
    answer = b""
    with socket.create_connection((host, int(port)), timeout=wait_seconds) as connection:
        connection.sendall(request)
        try:
            while piece := connection.recv(65536):
                answer += piece
                connection.settimeout(linger_seconds)
        except ConnectionResetError:
            pass
        except TimeoutError:
            if not answer:
                raise
    return answer


@contextmanager
def gateway_process(log: Path, *arguments: str, **environment: str) -> Iterator[str]:
    """Run ``edgebatch serve`` with its log in a file; yield its URL."""
    command = [sys.executable, "-m", "edgebatch", "serve", "--port", "0", *arguments]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**_ENVIRONMENT, **environment, **os.environ},
        )
    try:
        assert process.stdout is not None
        told = process.stdout.readline()
        assert told, log.read_text(encoding="utf-8")
        yield told.split()[-1]
        assert process.poll() is None, "the gateway has ended"
    finally:
        process.kill()
        process.communicate()


def complaints(log: Path) -> list[str]:
    """Return what the log holds besides requests that were handled: tracebacks, other text."""
    wrong = []
    for line in log.read_text("utf-8", "replace").splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            wrong.append(line)
            continue
        if event.get("level") in ("warning", "error", "critical") or "exception" in event:
            wrong.append(line)
    return wrong
