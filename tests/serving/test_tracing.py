"""Spans of requests, as a collector gets them."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from edgebatch.engines import Engine
from edgebatch.engines.http_server import ServerAddress
from edgebatch.engines.openai_http import OpenAIEngine
from edgebatch.errors import InputError, MissingExtraError
from edgebatch.serving.build import build_gateway
from edgebatch.serving.settings import GatewaySettings
from serving.gateway_thread import GatewayThread, OneEngineGateway
from serving.otlp_collector import Collector
from serving.test_overload import outcomes, wait_for
from serving.unanswered import asking

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SECRET = "pomegranate"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with Collector() as listening:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", listening.url)
        yield listening


def ask(url: str, *, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
    asked = {"prompt": SECRET, "max_tokens": 5, **body}
    return httpx.post(f"{url}/v1/completions", json=asked, headers=headers, timeout=30)


def test_an_answer_is_a_span_with_its_phases(collector: Collector) -> None:
    with GatewayThread(tracing=True, served_name="tiny") as thread:
        answer = ask(thread.url, temperature=0.5, slo_e2e_ms=5000, headers={"x-request-id": "r1"})
    told = answer.json()["edgebatch"]
    seen = collector.request()
    assert seen.name == "POST /v1/completions"
    assert seen.resource["service.name"] == "edgebatch"
    expected = {
        "http.request.method": "POST",
        "http.route": "/v1/completions",
        "http.response.status_code": 200,
        "gen_ai.operation.name": "text_completion",
        "gen_ai.provider.name": "edgebatch",
        "gen_ai.request.model": "tiny",
        "gen_ai.response.model": "tiny",
        "gen_ai.request.max_tokens": 5,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.stream": False,
        "gen_ai.usage.input_tokens": answer.json()["usage"]["prompt_tokens"],
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.response.finish_reasons": ["length"],
        "edgebatch.outcome": "in_time",
        "edgebatch.reason": "none",
        "edgebatch.request_id": "r1",
        "edgebatch.deadline_ms": 5000.0,
        "edgebatch.precision": "w8",
        "edgebatch.deadline_met": True,
    }
    assert expected.items() <= seen.attributes.items()
    for name in ("queued_ms", "predicted_ms", "ttft_ms", "actual_ms"):
        assert seen.attributes[f"edgebatch.{name}"] == told[name]
    assert not {"error.type", "edgebatch.refusal"} & set(seen.attributes)
    assert seen.span.status.code == Status.STATUS_CODE_UNSET

    parts = collector.phases(seen)
    assert list(parts) == ["queued", "prefill", "decode"]
    # one after the other, and together what the answer says of itself
    queued, prefill, decode = (each.span for each in parts.values())
    assert queued.start_time_unix_nano >= seen.span.start_time_unix_nano
    assert queued.end_time_unix_nano == prefill.start_time_unix_nano
    assert prefill.end_time_unix_nano == decode.start_time_unix_nano
    assert decode.end_time_unix_nano <= seen.span.end_time_unix_nano
    assert 1e3 * parts["queued"].seconds == pytest.approx(told["queued_ms"], abs=0.01)
    reading = told["ttft_ms"] - told["queued_ms"]
    assert 1e3 * parts["prefill"].seconds == pytest.approx(reading, abs=0.01)
    answering = told["actual_ms"] - told["ttft_ms"]
    assert 1e3 * parts["decode"].seconds == pytest.approx(answering, abs=0.01)


def test_no_text_of_prompts_or_answers_is_sent(collector: Collector) -> None:
    with GatewayThread(tracing=True) as thread:
        text = ask(thread.url, stop=["persimmon"]).json()["choices"][0]["text"]
        ask(thread.url, stop=["persimmon"], temperature=SECRET)  # refused with a message about it
    sent = b"".join(collector.bodies)
    assert len(collector.requests()) == 2
    assert text
    for word in (SECRET, "persimmon", text):
        assert word.encode() not in sent


def test_the_trace_of_the_caller_goes_on(collector: Collector) -> None:
    with GatewayThread(tracing=True) as thread:
        ask(thread.url, headers={"traceparent": f"00-{TRACE}-{CALLER}-01"})
        ask(thread.url, headers={"traceparent": f"00-{TRACE}-{CALLER}-00"})  # not to be traced
        ask(thread.url, headers={"traceparent": "00-nonsense"})
    first, second = collector.requests()
    assert (first.span.trace_id.hex(), first.span.parent_span_id.hex()) == (TRACE, CALLER)
    assert second.span.trace_id.hex() != TRACE
    assert second.span.parent_span_id == b""
    assert len(collector.phases(first)) == 3


def test_a_stream_tells_when_its_first_token_came(collector: Collector) -> None:
    with GatewayThread(tracing=True) as thread:
        body = {"messages": [{"role": "user", "content": SECRET}], "stream": True, "max_tokens": 4}
        answer = httpx.post(f"{thread.url}/v1/chat/completions", json=body, timeout=30)
    lines = [line[6:] for line in answer.text.splitlines() if line.startswith("data: {")]
    told = json.loads(lines[-1])["edgebatch"]
    seen = collector.request()
    assert seen.name == "POST /v1/chat/completions"
    assert seen.attributes["gen_ai.operation.name"] == "chat"
    assert seen.attributes["gen_ai.request.stream"] is True
    seconds = seen.attributes["gen_ai.response.time_to_first_chunk"]
    assert seconds == pytest.approx(told["ttft_ms"] / 1e3)
    # the span lasts as long as the stream
    assert seen.seconds >= told["actual_ms"] / 1e3


def test_refusals_say_why(collector: Collector) -> None:
    with GatewayThread(tracing=True) as thread:
        # 5 steps of 10 ms
        assert ask(thread.url, slo_e2e_ms=1).status_code == 422
        assert ask(thread.url, model="other").status_code == 404
        assert httpx.get(f"{thread.url}/nowhere").status_code == 404
        assert httpx.get(f"{thread.url}/healthz").status_code == 200
    impossible, unknown, nowhere = collector.requests()  # health is asked too often
    assert impossible.attributes["edgebatch.outcome"] == "rejected"
    assert impossible.attributes["edgebatch.reason"] == "deadline"
    assert impossible.attributes["edgebatch.refusal"] == "deadline_too_short"
    assert impossible.attributes["gen_ai.request.max_tokens"] == 5
    assert unknown.attributes["edgebatch.refusal"] == "model_not_found"
    assert "edgebatch.outcome" not in unknown.attributes
    assert nowhere.name == "GET"
    assert nowhere.attributes["http.response.status_code"] == 404
    # the conventions leave the status of a server's span alone if the client is to blame
    for each in (impossible, unknown, nowhere):
        assert each.span.status.code == Status.STATUS_CODE_UNSET
        assert collector.phases(each) == {}


def test_who_is_turned_away_expires_or_goes_away_has_a_span(collector: Collector) -> None:
    long = {"max_tokens": 4000, "slo_e2e_ms": 1e6, "stream": True}
    with (
        GatewayThread("rolling:batch_cap=1", tracing=True, limits={"queue": 1}) as thread,
        httpx.Client() as client,
    ):
        with client.stream("POST", f"{thread.url}/v1/completions", json={"prompt": "a", **long}):
            # 50 steps of 10 ms take 0.5 s, and another one is in the engine for 40 s
            assert ask(thread.url, max_tokens=50, slo_e2e_ms=700).status_code == 429
            with asking(thread.url, [long]):
                wait_for(lambda: thread.gateway.dispatcher.num_waiting == 1)
        wait_for(lambda: outcomes(thread).get(("cancelled", "client_gone")) == 2)
    by_outcome = {each.attributes["edgebatch.outcome"]: each for each in collector.requests()}
    expired = by_outcome["expired"]
    assert expired.attributes["edgebatch.reason"] == "waited_too_long"
    assert expired.attributes["edgebatch.refusal"] == "deadline_unreachable"
    assert list(collector.phases(expired)) == ["queued"]
    left = [each for each in collector.requests() if each is not expired]
    assert {each.attributes["edgebatch.reason"] for each in left} == {"client_gone"}
    # one was cut short, the other never asked
    assert all("gen_ai.response.finish_reasons" not in each.attributes for each in left)
    gone = [collector.phases(each) for each in left]
    assert sorted(map(list, gone)) == [["queued"], ["queued", "prefill", "decode"]]


def test_a_full_queue_is_an_outcome_too(collector: Collector) -> None:
    digest = hashlib.sha256(b"one").hexdigest()
    key = {"name": "one", "sha256": digest, "most_unfinished": 1}
    bearer = {"authorization": "Bearer one"}
    with (
        GatewayThread(tracing=True, keys=[key]) as thread,
        httpx.Client(headers=bearer) as client,
        client.stream(
            "POST",
            f"{thread.url}/v1/completions",
            json={"prompt": "a", "max_tokens": 4000, "stream": True, "slo_e2e_ms": 1e6},
        ),
    ):
        assert ask(thread.url, headers=bearer).status_code == 429
        assert ask(thread.url).status_code == 401
    requests = collector.requests()
    by_status = {each.attributes["http.response.status_code"]: each for each in requests}
    assert {each.name for each in requests} == {"POST /v1/completions"}
    assert by_status[429].attributes["edgebatch.outcome"] == "rejected"
    assert by_status[429].attributes["edgebatch.reason"] == "queue_full"
    assert by_status[401].attributes["edgebatch.refusal"] == "invalid_api_key"
    for status in (200, 429):
        assert by_status[status].attributes["edgebatch.key"] == "one"
    assert "edgebatch.key" not in by_status[401].attributes
    for each in requests:  # known of those who were not read as well
        assert each.attributes["gen_ai.operation.name"] == "text_completion"
        assert each.attributes["gen_ai.provider.name"] == "edgebatch"


def test_who_comes_while_there_is_no_engine_has_a_span(collector: Collector) -> None:
    with OneEngineGateway(tracing=True) as thread:
        thread.lose_engine()
        body = {"messages": [{"role": "user", "content": SECRET}]}
        answer = httpx.post(f"{thread.url}/v1/chat/completions", json=body)
        assert answer.status_code == 503
        httpx.get(f"{thread.url}/v1/models")
    by_name = {each.name: each for each in collector.requests()}
    expected = {
        "http.response.status_code": 503,
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "edgebatch",
        "edgebatch.outcome": "rejected",
        "edgebatch.reason": "engine",
        "edgebatch.refusal": "engine_unavailable",
        "error.type": "503",
    }
    assert expected.items() <= by_name["POST /v1/chat/completions"].attributes.items()
    assert not any(name.startswith("gen_ai") for name in by_name["GET /v1/models"].attributes)


def test_what_the_engine_breaks_is_an_error(collector: Collector) -> None:
    with GatewayThread(tracing=True) as thread:
        body = {"prompt": "a", "max_tokens": 4000, "stream": True, "slo_e2e_ms": 1e6}
        with httpx.stream("POST", f"{thread.url}/v1/completions", json=body) as answer:
            lines = answer.iter_lines()
            next(lines)
            thread.break_engine()
            list(lines)
    seen = collector.request()
    assert seen.attributes["http.response.status_code"] == 200  # it had begun
    assert seen.attributes["edgebatch.outcome"] == "failed"
    assert seen.attributes["error.type"] == "engine"
    assert seen.span.status.code == Status.STATUS_CODE_ERROR
    assert list(collector.phases(seen)) == ["queued", "prefill", "decode"]


class _InFrontOfAnother(GatewayThread):
    def __init__(self, url: str) -> None:
        self._upstream = url
        super().__init__(tracing=True)

    def _make_engine(self) -> Engine:
        return OpenAIEngine({"w8": ServerAddress(f"{self._upstream}/v1")})


def test_a_server_behind_the_gateway_goes_on_with_the_trace(collector: Collector) -> None:
    with GatewayThread(tracing=True) as behind, _InFrontOfAnother(behind.url) as before:
        assert ask(before.url, slo_e2e_ms=1e4).status_code == 200
    asked = [each for each in collector.requests() if each.span.name.startswith("POST")]
    outer, inner = sorted(asked, key=lambda each: each.span.start_time_unix_nano)
    assert inner.span.trace_id == outer.span.trace_id
    assert inner.span.parent_span_id == outer.span.span_id
    # asked when it joined, not before
    joined_at = collector.phases(outer)["prefill"].span.start_time_unix_nano
    assert inner.span.start_time_unix_nano >= joined_at


def test_standard_variables_are_heeded(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "kitchen")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
    with GatewayThread(tracing=True) as thread:
        ask(thread.url)
    assert collector.request().resource["service.name"] == "kitchen"
    assert collector.request().resource["deployment.environment"] == "test"
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    with GatewayThread(tracing=True) as thread:
        assert ask(thread.url).status_code == 200
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    with GatewayThread(tracing=True) as thread:
        assert ask(thread.url).status_code == 200
    assert len(collector.requests()) == 1


def test_without_a_collector_requests_are_served_and_the_gateway_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # connections come in, no answer ever
        for port in (silent.getsockname()[1], 9):
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "600")  # more than an end may take
            monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
            with GatewayThread(tracing=True) as thread:
                for _ in range(5):
                    assert ask(thread.url).status_code == 200
                    time.sleep(0.05)  # so that sending is tried meanwhile


def test_without_the_setting_nothing_is_sent(collector: Collector) -> None:
    with GatewayThread() as thread:
        assert ask(thread.url).status_code == 200
    assert collector.bodies == []


def test_log_lines_name_the_trace_and_an_unreachable_collector_is_one_of_them() -> None:
    environment = {
        **os.environ,
        "EDGEBATCH_TRACING": "true",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "edgebatch", "serve", "--engine", "simulated", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        ask(url, headers={"traceparent": f"00-{TRACE}-{CALLER}-01"})
        ask(url)
        assert process.stderr is not None
        lines = [json.loads(process.stderr.readline())]
        while "tracing" not in {line["event"] for line in lines}:
            lines.append(json.loads(process.stderr.readline()))
        process.terminate()
        lines += [json.loads(line) for line in process.stderr]
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()
    first, second = (line for line in lines if line["event"] == "request")
    assert first["trace_id"] == TRACE
    assert len(second["trace_id"]) == 32
    assert second["trace_id"] != TRACE
    assert any(line["event"] == "tracing" and "export" in line["problem"] for line in lines)


def test_a_missing_library_is_told_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'edgebatch\[tracing\]'"):
        build_gateway(GatewaySettings(engine="simulated", tracing=True))
    build_gateway(GatewaySettings(engine="simulated"))


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "must be http/protobuf, got 'grpc'"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318", "must be a URL"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "-1", "OTEL_BSP_"),
    ],
)
def test_variables_that_cannot_be_heeded_are_one_line(name: str, value: str, told: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "edgebatch", "serve", "--engine", "simulated", "--port", "0"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "EDGEBATCH_TRACING": "true", name: value},
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("edgebatch: error: OTEL_")
    assert told in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_what_cannot_be_heeded_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json")
    with pytest.raises(InputError, match="OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: must be"):
        build_gateway(GatewaySettings(engine="simulated", tracing=True))
