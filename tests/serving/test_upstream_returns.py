"""Servers behind the gateway that go away and come back."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest

from edgebatch.engines import Engine
from edgebatch.engines.http_server import ServerAddress
from edgebatch.engines.openai_http import OpenAIEngine, OpenAISettings
from edgebatch.serving.keeper import next_pause
from misbehaving_server import MisbehavingServer
from serving.gateway_thread import GatewayThread


class _Watchful(GatewayThread):
    """A gateway that notices at once that the server behind it is gone."""

    def __init__(self, url: str) -> None:
        self._upstream = url
        super().__init__()

    def _make_engine(self) -> Engine:
        settings = OpenAISettings(health_seconds=0.05)
        return OpenAIEngine({"w8": ServerAddress(self._upstream, model="tiny")}, settings)


@contextmanager
def proxy(port: int, answer: bytes) -> Iterator[list[float]]:
    """Answer every call alike, as a proxy whose server is away; yield when it was called."""
    looks: list[float] = []
    with socket.create_server(("127.0.0.1", port)) as listening:

        def answer_all() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    if connection.recv(65536):
                        looks.append(time.monotonic())
                        connection.sendall(answer)

        thread = threading.Thread(target=answer_all)
        thread.start()
        try:
            yield looks
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def wait_for_status(url: str, status: int) -> None:
    until = time.monotonic() + 30.0
    while httpx.get(f"{url}/readyz").status_code != status:
        assert time.monotonic() < until
        time.sleep(0.02)


def pauses(*, is_remote: bool) -> list[float]:
    found, pause = [], 0.0
    for _ in range(8):
        pause = next_pause(pause, is_remote=is_remote)
        found.append(pause)
    return found


def test_a_server_is_looked_for_every_second_and_a_model_is_loaded_again_ever_more_rarely() -> None:
    assert pauses(is_remote=True) == [0.5, 1, 1, 1, 1, 1, 1, 1]
    # each twice the one before and half a second
    assert pauses(is_remote=False) == [0.5, 1.5, 3.5, 7.5, 15.5, 30, 30, 30]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    ],
    ids=["hangs up", "502", "401"],
)
def test_a_server_that_comes_back_is_used_again(answer: bytes) -> None:
    server = MisbehavingServer()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    body = {"prompt": "say:abc", "max_tokens": 9}
    with ExitStack() as serving, _Watchful(serving.enter_context(server.serving(port))) as gateway:
        assert httpx.post(f"{gateway.url}/v1/completions", json=body).status_code == 200
        serving.close()
        wait_for_status(gateway.url, 503)
        with proxy(port, answer) as looks:
            until = time.monotonic() + 30.0
            while len(looks) < 4:
                assert time.monotonic() < until
                time.sleep(0.02)
            assert httpx.get(f"{gateway.url}/readyz").status_code == 503
        with server.serving(port):
            wait_for_status(gateway.url, 200)
            assert httpx.post(f"{gateway.url}/v1/completions", json=body).status_code == 200
            # those in between found nobody
            assert gateway.gateway.num_restarts == 1
