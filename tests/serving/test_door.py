"""Turning away at the door: who there is no place for is not even read."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx

from edgebatch.serving.keys import hash_key
from edgebatch.serving.server import listen
from serving.gateway_thread import GatewayThread, OneEngineGateway

LONG = {"prompt": "Once", "max_tokens": 4000, "slo_e2e_ms": 1e6, "stream": True}
NEITHER_PROMPT_NOR_SENSE = b'{"max_tokens": -1'
JSON = {"content-type": "application/json"}


@contextmanager
def one_more_waits(thread: GatewayThread, headers: dict[str, str] | None = None) -> Iterator[None]:
    """Let one more request wait while the context is open."""
    with httpx.Client(base_url=thread.url, headers=headers) as client:
        request = client.build_request("POST", "/v1/completions", json=LONG)
    before = thread.gateway.dispatcher.num_waiting
    with socket.create_connection((request.url.host, request.url.port or 80)) as waiting:
        head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
        waiting.sendall(f"POST /v1/completions HTTP/1.1\r\n{head}\r\n".encode() + request.read())
        until = time.monotonic() + 60.0
        while thread.gateway.dispatcher.num_waiting == before:
            assert time.monotonic() < until
            time.sleep(0.01)
        yield


@contextmanager
def full(thread: GatewayThread, headers: dict[str, str] | None = None) -> Iterator[httpx.Client]:
    """Fill a gateway with room for one in the engine and one who waits; yield another client."""
    with httpx.Client(base_url=thread.url, headers=headers, timeout=30) as client, ExitStack() as s:
        s.enter_context(client.stream("POST", "/v1/completions", json=LONG))
        s.enter_context(one_more_waits(thread, headers))
        yield client


def test_what_a_full_gateway_is_asked_is_not_read_and_the_connection_stays() -> None:
    with GatewayThread("rolling:batch_cap=1", limits={"queue": 1}) as thread:
        client = httpx.Client(base_url=thread.url)
        ask = {"content": NEITHER_PROMPT_NOR_SENSE, "headers": JSON}
        with client:
            assert client.post("/v1/completions", **ask).status_code == 400  # type: ignore[arg-type]
            with full(thread):
                for path in ("/v1/completions", "/v1/chat/completions"):
                    answer = client.post(path, **ask)  # type: ignore[arg-type]
                    assert answer.status_code == 429
                    assert answer.headers["x-llm-d-request-dropped-reason"] == "queue_full"
                    assert int(answer.headers["retry-after"]) >= 1
                    assert answer.json()["error"]["type"] == "rate_limit_error"
                    assert "connection" not in answer.headers
                assert client.get("/v1/models").status_code == 200
                # one runs, one waits, two were turned away; what could not be read never came in
                assert thread.gateway.num_received == 4


def test_without_a_key_nobody_learns_whether_the_gateway_is_full() -> None:
    key = {"name": "one", "sha256": hash_key("secret")}
    known, other = ({"authorization": f"Bearer {each}"} for each in ("secret", "guess"))
    with (
        GatewayThread("rolling:batch_cap=1", limits={"queue": 1}, keys=[key]) as thread,
        full(thread, known) as client,
    ):
        assert client.post("/v1/completions", json=LONG).status_code == 429
        assert client.post("/v1/completions", json=LONG, headers=other).status_code == 401


def test_who_fills_the_queue_leaves_others_their_part_of_it() -> None:
    keys = [
        {"name": "greedy", "sha256": hash_key("a"), "share": 3.0},
        {"name": "modest", "sha256": hash_key("b"), "share": 5.0},
        {"name": "small", "sha256": hash_key("c"), "share": 0.1},
    ]
    greedy, modest, small = ({"authorization": f"Bearer {each}"} for each in "abc")
    with (
        GatewayThread("rolling:batch_cap=1", limits={"queue": 3}, keys=keys) as thread,
        full(thread, greedy) as client,
        ExitStack() as waiting,
    ):
        for _ in range(2):  # with the one who waits already, all three places
            waiting.enter_context(one_more_waits(thread, greedy))
        assert client.post("/v1/completions", json=LONG).status_code == 429
        # 3 * 5 / 8.1 is 1.9, 3 * 0.1 / 8.1 next to nothing
        for key in (modest, small):
            waiting.enter_context(one_more_waits(thread, key))
            answer = client.post("/v1/completions", json=LONG, headers=key)
            assert answer.status_code == 429
            assert answer.headers["x-llm-d-request-dropped-reason"] == "queue_full"
        assert client.post("/v1/completions", json=LONG).status_code == 429
        assert thread.gateway.dispatcher.num_waiting == 5


def test_who_comes_while_there_is_no_engine_is_in_the_books_like_all_others() -> None:
    with OneEngineGateway() as thread:
        thread.lose_engine()
        for path in ("/v1/completions", "/v1/chat/completions"):
            answer = httpx.post(
                f"{thread.url}{path}", content=NEITHER_PROMPT_NOR_SENSE, headers=JSON
            )
            assert answer.status_code == 503
            assert answer.headers["x-llm-d-request-dropped-reason"] == "engine_unavailable"
            assert answer.headers["retry-after"] == "1"
        # the one under which the engine broke, and two afterwards
        told = {
            f"{outcome.name} {reason.name}": count
            for (outcome, reason), count in thread.gateway.outcomes.items()
        }
        assert told == {"FAILED ENGINE": 1, "REJECTED ENGINE": 2}
        assert thread.gateway.num_received == 3
        metrics = httpx.get(f"{thread.url}/metrics").text
        assert 'key="",outcome="rejected",precision="",reason="engine"} 2.0' in metrics
        assert "edgebatch_requests_received_total 3.0" in metrics
        assert "edgebatch_requests_unfinished 0.0" in metrics
        ends = httpx.get(f"{thread.url}/edgebatch/state").json()["last_minute"]["ends"]
        assert {"outcome": "rejected", "reason": "engine", "count": 2} in ends


def test_web_pages_may_read_that_they_were_turned_away() -> None:
    page = "https://page.example"
    settings = {"limits": {"queue": 1}, "cors_origins": [page]}
    with GatewayThread("rolling:batch_cap=1", **settings) as thread, full(thread) as client:
        answer = client.post("/v1/completions", json=LONG, headers={"origin": page})
        assert answer.status_code == 429
        assert answer.headers["access-control-allow-origin"] == page


def test_no_part_of_an_answer_waits_for_the_client_to_acknowledge_the_one_before() -> None:
    listening = listen("127.0.0.1", 0)
    with listening, socket.create_connection(listening.getsockname()):
        connection, _ = listening.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
