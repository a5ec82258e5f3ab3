"""Whatever is sent, the gateway answers in one form, says nothing of itself, and goes on.

``EDGEBATCH_FUZZ_EXAMPLES`` says how much is tried; ``benchmarks/gateway/fuzz.py`` tries more.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks

from serving.fuzzing import (
    LITTLE_PATIENCE,
    PATHS,
    Answer,
    answerable,
    ask,
    bodies,
    complaints,
    encoded,
    exchange,
    gateway_process,
    header_values,
    headers,
    raw_bodies,
    raw_requests,
    read_answer,
)

EXAMPLES = int(os.environ.get("EDGEBATCH_FUZZ_EXAMPLES", "40"))
ENGINE = os.environ.get("EDGEBATCH_FUZZ_ENGINE", "simulated")
_NOT_PROMISED: list[Any] = [checks.positive_data_acceptance, checks.negative_data_rejection]
"""The document says less than what is checked."""
TRIED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = tmp_path_factory.mktemp("gateway") / "log.jsonl"
    with gateway_process(log, "--engine", ENGINE) as url:
        yield url
        assert_nothing_is_wrong(url)
    assert complaints(log) == []


@pytest.fixture(scope="module")
def impatient_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the URL of a gateway that also turns away whoever sends late, as a busy machine may."""
    log = tmp_path_factory.mktemp("impatient") / "log.jsonl"
    with gateway_process(log, "--engine", ENGINE, **LITTLE_PATIENCE) as url:
        yield url
        assert_nothing_is_wrong(url)
    assert complaints(log) == []


def assert_nothing_is_wrong(url: str) -> None:
    assert httpx.get(f"{url}/readyz", timeout=30).text == "ready"
    assert_books_balance(url)


def assert_books_balance(url: str) -> None:
    counts = {"received": 0.0, "ended": 0.0, "unfinished": 0.0}
    for line in httpx.get(f"{url}/metrics", timeout=30).text.splitlines():
        name, _, value = line.rpartition(" ")
        if name == "edgebatch_requests_received_total":
            counts["received"] += float(value)
        elif name.startswith("edgebatch_requests_total{"):
            counts["ended"] += float(value)
        elif name == "edgebatch_requests_unfinished":
            counts["unfinished"] += float(value)
    assert counts["received"] == counts["ended"] + counts["unfinished"]


def assert_proper(answer: Answer) -> None:
    """An answer, or a refusal in OpenAI's form; never the gateway's own fault."""
    assert 200 <= answer.status < 500, answer
    if answer.status == 200:
        assert answer.headers["x-request-id"]
        return
    error = json.loads(answer.body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert "Traceback" not in error["message"]
    assert answer.headers["x-llm-d-request-dropped-reason"] == error["code"]
    # what is no HTTP has no name
    assert error["code"] == "invalid_http" or answer.headers["x-request-id"]


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_what_is_served_is_what_the_openapi_document_says(url: str, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json", timeout=30)
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        if mode is GenerationMode.NEGATIVE and not (operation.body or operation.query):
            continue  # nothing that could be wrong

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(TRIED, max_examples=max(1, EXAMPLES // 2))
        def conforms(case: schemathesis.Case[Any]) -> None:
            case.call_and_validate(excluded_checks=_NOT_PROMISED, timeout=30)

        try:
            conforms()
        except (Failure, FailureGroup) as failure:
            pytest.fail(f"{operation.label}: {failure}")


@given(body=bodies)
@TRIED
def test_fields_of_wrong_types_are_refused_in_one_form(url: str, body: dict[str, Any]) -> None:
    for path in PATHS:
        assert_proper(ask(url, path, encoded(body)))


@given(body=answerable, extra=headers)
@TRIED
def test_prompts_with_strange_settings_are_answered_or_refused(
    url: str, body: dict[str, Any], extra: list[tuple[str, bytes]]
) -> None:
    for path in PATHS:
        # a second type of content would only hide the rest
        kept = [(name, value) for name, value in extra if name != "content-type"]
        assert_proper(ask(url, path, encoded({**body, "model": None}), kept))


@given(content=raw_bodies)
@TRIED
def test_bodies_of_any_bytes_are_refused_in_one_form(url: str, content: bytes) -> None:
    for path in PATHS:
        assert_proper(ask(url, path, content))


@given(value=header_values)
@TRIED
def test_no_header_breaks_what_only_reads(url: str, value: bytes) -> None:
    named = [("authorization", value), ("authorization", b"x"), ("x-request-id", value)]
    for path in ("/v1/models", "/metrics", "/edgebatch/state", "/healthz", "/nowhere"):
        assert_proper(ask(url, path, None, named))


@given(request=raw_requests)
@TRIED
def test_what_is_no_http_is_refused_or_the_connection_closed(
    impatient_url: str, request: bytes
) -> None:
    answer = exchange(impatient_url, request, linger_seconds=0.3)
    if answer:
        assert read_answer(answer).status < 500, answer


def test_tokens_that_the_model_does_not_have_are_refused_or_answered(url: str) -> None:
    for tokens in ([2**31 - 1], [2**31], [-1], [0], [10**6] * 3):
        assert_proper(ask(url, "/v1/completions", encoded({"prompt": tokens, "max_tokens": 2})))


@pytest.mark.parametrize(
    "half",
    [b"", b"GET /healthz HTT", b"POST /v1/completions HTTP/1.1\r\nContent-Length: 9\r\n\r\n{"],
)
def test_what_never_comes_is_not_waited_for(impatient_url: str, half: bytes) -> None:
    answer = exchange(impatient_url, half)  # TimeoutError if the connection stays open
    assert not answer or read_answer(answer).status == 408


GET = b"GET /healthz HTTP/1.1\r\nhost: x\r\n"
CHUNKED = b"POST /nowhere HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
LONG = b"x-long: " + 70_000 * b"a"
MANY = 9_000 * b"x: y\r\n"


@pytest.mark.parametrize(
    "request_bytes",
    [
        GET + LONG,
        GET + LONG + b"\r\n\r\n",
        GET + MANY + MANY,
        # what comes in one piece with something whole is only counted from the next on
        GET + b"\r\n" + GET + 2 * LONG,
        b"GET /" + 70_000 * b"a",
        CHUNKED + 2 * LONG,
    ],
    ids=["unfinished", "whole", "many", "on a kept connection", "in the path", "after the body"],
)
def test_headers_that_are_too_large_are_not_taken_in(url: str, request_bytes: bytes) -> None:
    answer = exchange(url, request_bytes)
    # the first request of a kept connection has an answer of its own
    refused = read_answer(answer[answer.index(b"HTTP/1.1 431") :])
    assert json.loads(refused.body)["error"]["code"] == "headers_too_large"
    assert refused.headers["x-llm-d-request-dropped-reason"] == "headers_too_large"
    assert refused.headers["connection"] == "close"


def test_headers_may_be_long_each_time_and_bodies_longer(url: str) -> None:
    with httpx.Client(base_url=url, headers={"x-long": 60_000 * "a"}, timeout=60) as client:
        for size in (1, 100_000, 1):
            body = {"prompt": size * "a", "max_tokens": 2}
            assert client.post("/v1/completions", json=body).status_code in (200, 422)


@pytest.mark.parametrize("text", ["", " ", "\0", "\ud800", "\U0010ffff", "a" * 100_000])
def test_any_text_is_answered_or_refused(url: str, text: str) -> None:
    body = {"messages": [{"role": "user", "content": text}], "prompt": text, "max_tokens": 2}
    for path in PATHS:
        assert_proper(ask(url, path, encoded(body)))
