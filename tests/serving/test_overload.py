"""Saying no in time: queues, deadlines, shares, clients that go away, engines that break."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from typing import Any

import httpx

from serving.gateway_thread import GatewayThread
from serving.unanswered import asking

LONG = {"prompt": "Once", "max_tokens": 4000, "slo_e2e_ms": 1e6}


def ask(url: str, **body: Any) -> httpx.Response:
    return httpx.post(f"{url}/v1/completions", json={"prompt": "Once", **body}, timeout=30)


async def ask_many(url: str, bodies: list[dict[str, Any]]) -> list[httpx.Response]:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(timeout=60, limits=limits) as client:
        calls = (client.post(f"{url}/v1/completions", json=body) for body in bodies)
        return await asyncio.gather(*calls)


def outcomes(thread: GatewayThread) -> dict[tuple[str, str], int]:
    # a copy, since the gateway counts in a thread of its own
    counted = dict(thread.gateway.outcomes)
    return {
        (outcome.name.lower(), reason.name.lower()): count
        for (outcome, reason), count in counted.items()
    }


def wait_for(condition: Any, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.01)


def test_under_overload_everyone_admitted_is_in_time_and_the_others_hear_when_to_retry() -> None:
    with GatewayThread("rolling:batch_cap=4") as thread:
        # 40 requests of 1 s, four at a time, take 10 s; 2.5 s serve eight, on a slow machine four
        body = {"prompt": "Once", "max_tokens": 100, "slo_e2e_ms": 2500}
        answers = asyncio.run(ask_many(thread.url, [body] * 40))
        counts = Counter(each.status_code for each in answers)
        assert set(counts) == {200, 429}
        assert counts[200] >= 4
        for each in answers:
            if each.status_code == 429:
                assert int(each.headers["retry-after"]) >= 1
                assert each.headers["x-llm-d-request-dropped-reason"] == "deadline_unreachable"
                assert each.json()["error"]["type"] == "rate_limit_error"
            else:
                assert each.headers["x-edgebatch-deadline-met"] == "true"
        assert sum(outcomes(thread).values()) == 40


def test_a_full_queue_turns_away_at_once() -> None:
    with GatewayThread("rolling:batch_cap=1", limits={"queue": 2}) as thread:
        with asking(thread.url, [LONG] * 3):
            wait_for(lambda: thread.gateway.dispatcher.num_waiting == 2)
            for _ in range(3):
                refused = ask(thread.url)
                assert refused.status_code == 429
                assert refused.json()["error"]["code"] == "queue_full"
        wait_for(lambda: sum(outcomes(thread).values()) == 6)
        assert outcomes(thread) == {("cancelled", "client_gone"): 3, ("rejected", "queue_full"): 3}
        assert ask(thread.url, max_tokens=2).status_code == 200


def test_a_client_that_goes_away_frees_its_place() -> None:
    with GatewayThread("rolling:batch_cap=1") as thread:
        with (
            httpx.Client(timeout=30) as client,
            client.stream(
                "POST", f"{thread.url}/v1/completions", json={**LONG, "stream": True}
            ) as stream,
        ):
            assert next(stream.iter_lines()).startswith("data: ")
        with asking(thread.url, [LONG]):
            wait_for(lambda: thread.gateway.num_received == 2)
        wait_for(lambda: outcomes(thread).get(("cancelled", "client_gone")) == 2)
        assert ask(thread.url, max_tokens=2).status_code == 200


def test_an_engine_that_breaks_is_restarted_and_who_had_no_token_is_served() -> None:
    with GatewayThread("rolling:batch_cap=1") as thread, httpx.Client(timeout=30) as client:
        with client.stream(
            "POST", f"{thread.url}/v1/completions", json={**LONG, "stream": True}
        ) as stream:
            lines = stream.iter_lines()
            assert next(lines).startswith("data: ")
            thread.break_engine()
            rest = [line for line in lines if line]
        assert json.loads(rest[-2].removeprefix("data: "))["error"]["code"] == "engine_unavailable"
        assert rest[-1] == "data: [DONE]"
        wait_for(lambda: len(thread.engines) == 2)
        wait_for(lambda: httpx.get(f"{thread.url}/readyz").status_code == 200)
        assert ask(thread.url, max_tokens=2).status_code == 200
        assert outcomes(thread)["failed", "engine"] == 1
        assert thread.gateway.num_restarts == 1


def test_a_bug_lets_nobody_wait_for_nothing() -> None:
    with GatewayThread() as thread, httpx.Client(timeout=30) as client:
        with client.stream(
            "POST", f"{thread.url}/v1/completions", json={**LONG, "stream": True}
        ) as stream:
            lines = stream.iter_lines()
            next(lines)
            thread.engines[-1].is_mad = True
            rest = [line for line in lines if line]
        assert rest[-1] == "data: [DONE]"
        assert client.get(f"{thread.url}/readyz").status_code == 503
        assert ask(thread.url).status_code == 503
        assert outcomes(thread) == {("failed", "engine"): 1, ("rejected", "engine"): 1}


def test_a_body_may_not_be_too_large_or_no_json() -> None:
    with GatewayThread(limits={"body_bytes": 1000}) as thread:
        assert ask(thread.url, prompt="x" * 2000).status_code == 413
        wrong = httpx.post(f"{thread.url}/v1/completions", content=b"{nonsense")
        assert wrong.status_code == 400
        assert wrong.json()["error"]["type"] == "invalid_request_error"


def test_a_slow_body_is_cut_off_and_stops_nobody() -> None:
    async def slow(url: str) -> bytes:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")
        answer = await ask_many(url, [{"prompt": "Once", "max_tokens": 2}])
        assert answer[0].status_code == 200
        status = await reader.readline()
        writer.close()
        return status

    with GatewayThread(limits={"body_seconds": 1.0}) as thread:
        assert b"408" in asyncio.run(slow(thread.url))


def test_only_known_keys_may_ask_and_each_only_so_much() -> None:
    from edgebatch.serving.keys import hash_key

    keys = [
        {"name": "alice", "sha256": hash_key("secret-a"), "most_unfinished": 1},
        {"name": "bob", "sha256": hash_key("secret-b"), "defaults": {"max_tokens": 3}},
    ]
    with GatewayThread(keys=keys) as thread:
        url = f"{thread.url}/v1/completions"
        assert ask(thread.url).status_code == 401
        wrong = httpx.post(url, json={"prompt": "a"}, headers={"authorization": "Bearer secret"})
        assert wrong.status_code == 401
        assert wrong.json()["error"]["code"] == "invalid_api_key"
        bob = httpx.post(url, json={"prompt": "a"}, headers={"authorization": "Bearer secret-b"})
        assert bob.json()["usage"]["completion_tokens"] == 3
        assert httpx.get(f"{thread.url}/metrics").status_code == 401
        assert httpx.get(f"{thread.url}/healthz").status_code == 200
        alice = {"authorization": "Bearer secret-a"}
        with asking(thread.url, [LONG], alice):
            wait_for(lambda: thread.gateway.dispatcher.num_unfinished == 1)
            second = httpx.post(url, json={"prompt": "a"}, headers=alice)
            assert second.status_code == 429
        wait_for(lambda: thread.gateway.dispatcher.num_unfinished == 0)
        third = httpx.post(url, json={"prompt": "a", "max_tokens": 2}, headers=alice)
        assert third.status_code == 200


def test_a_request_keeps_the_name_that_its_client_gave_it() -> None:
    with GatewayThread() as thread:
        url = f"{thread.url}/healthz"
        named = httpx.get(url, headers={"x-request-id": "abc-1"}).headers["x-request-id"]
        assert named == "abc-1"
        odd = httpx.get(url, headers={"x-request-id": "a b"}).headers["x-request-id"]
        assert odd != "a b"


def test_metrics_tell_how_requests_ended() -> None:
    with GatewayThread() as thread:
        ask(thread.url, max_tokens=5)
        ask(thread.url, max_tokens=500, slo_e2e_ms=50)
        text = httpx.get(f"{thread.url}/metrics").text
        assert (
            'edgebatch_requests_total{key="",outcome="in_time",precision="w8",reason="none"} 1.0'
            in text
        )
        assert 'outcome="rejected",precision="",reason="deadline"} 1.0' in text
        assert "vllm:generation_tokens_total 5.0" in text
        assert "vllm:num_requests_running 0.0" in text
