"""What the gateway does until its engine runs."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from cli_process import edgebatch
from misbehaving_server import MisbehavingServer
from toy_profile import toy_profile


def options(upstream: str, folder: Path) -> list[str]:
    profile = folder / "profile.toml"
    toy_profile().save(profile)
    asked = ["--engine", "openai", "--url", f"w8={upstream}", "--profile", str(profile)]
    return ["serve", *asked, "--precision", "w8", "--port", str(free_port())]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextmanager
def starting(
    server: MisbehavingServer, folder: Path
) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """Run a gateway whose engine is not ready yet; yield it once it answers, and a client."""
    server.fall_ill()
    with server.serving() as upstream:
        given = options(upstream, folder)
        process = subprocess.Popen(
            [sys.executable, "-m", "edgebatch", *given],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{given[-1]}", timeout=30) as client:
                wait_until_it_answers(client)
                yield process, client
        finally:
            process.kill()
            process.communicate()


def wait_until_it_answers(client: httpx.Client) -> None:
    until = time.monotonic() + 60.0
    while time.monotonic() < until:
        try:
            client.get("/healthz")
        except httpx.ConnectError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("nobody listens")


def test_while_the_engine_starts_everyone_is_told_so(tmp_path: Path) -> None:
    server = MisbehavingServer()
    with starting(server, tmp_path) as (process, client):
        assert client.get("/healthz").status_code == 200
        ready = client.get("/readyz")
        assert (ready.status_code, ready.text) == (503, "starting")
        assert "edgebatch_ready 0.0" in client.get("/metrics").text
        assert client.get("/edgebatch/state").json()["state"] == "starting"
        refused = client.post("/v1/completions", json={"prompt": "say:abc"})
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert refused.json()["error"]["code"] == "engine_unavailable"
        assert client.post("/v1/completions", content=b"{").status_code == 503
        assert client.get("/v1/models").status_code == 503
        server.get_well()
        assert process.stdout is not None
        assert process.stdout.readline() == f"listening at {client.base_url}\n"
        assert client.get("/readyz").status_code == 200
        assert client.post("/v1/completions", json={"prompt": "say:abc"}).status_code == 200


def test_a_signal_while_the_engine_starts_ends_the_gateway(tmp_path: Path) -> None:
    with starting(MisbehavingServer(), tmp_path) as (process, _):
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_an_engine_that_cannot_start_ends_the_gateway_with_one_line(tmp_path: Path) -> None:
    with MisbehavingServer().serving() as upstream:
        pass
    ended = edgebatch(*options(upstream, tmp_path))
    assert ended.returncode == 3
    [line] = ended.stderr.decode().splitlines()
    assert line.startswith(f"edgebatch: error: no answer from {upstream}")
