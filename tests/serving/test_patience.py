"""Clients who take nothing in are not waited for."""

from __future__ import annotations

import json
import re
import socket
import sys
import time
from pathlib import Path

import httpx
import pytest

from serving.fuzzing import gateway_process

pytestmark = pytest.mark.skipif(
    not hasattr(socket, "TCP_USER_TIMEOUT") or sys.platform != "linux",
    reason="only Linux ends such connections",
)


def open_files(url: str) -> int:
    found = re.search(r"^process_open_fds (\S+)$", httpx.get(f"{url}/metrics").text, re.MULTILINE)
    assert found is not None
    return int(float(found[1]))


def ended(url: str) -> list[str]:
    text = httpx.get(f"{url}/metrics").text
    return re.findall(r'^edgebatch_requests_total\{.*outcome="(\w+)"', text, re.MULTILINE)


def test_a_client_that_takes_nothing_in_loses_its_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEBATCH_LIMITS__SEND_SECONDS", "0.5")
    body = {"prompt": "Once", "max_tokens": 100_000, "stream": True, "slo_e2e_ms": 3e6}
    content = json.dumps(body).encode()
    head = "POST /v1/completions HTTP/1.1\r\ncontent-type: application/json\r\nhost: x\r\n"
    request = f"{head}content-length: {len(content)}\r\n\r\n".encode() + content
    monkeypatch.setenv("EDGEBATCH_LIMITS__MAX_TOKENS", "100000")
    log = tmp_path / "log.jsonl"
    with (
        gateway_process(log, "--engine", "simulated") as url,
        socket.socket() as stalled,
    ):
        before = open_files(url)
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        host, _, port = url.removeprefix("http://").partition(":")
        stalled.connect((host, int(port)))
        stalled.sendall(request)
        while "edgebatch_requests_received_total 1.0" not in httpx.get(f"{url}/metrics").text:
            time.sleep(0.05)
        until = time.monotonic() + 60.0
        while open_files(url) > before or ended(url) == []:
            assert time.monotonic() < until, "the connection stays open"
            time.sleep(0.1)
        assert ended(url) == ["cancelled"]
        assert httpx.get(f"{url}/readyz").status_code == 200
