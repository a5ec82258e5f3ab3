"""Two of llama.cpp's servers, processes of their own, behind one gateway; one of them is killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from serving.test_overload import wait_for
from serving.test_serve_process import served
from toy_profile import toy_profile

pytest.importorskip("xllamacpp")

SERVER = """
import sys, time, xllamacpp
from edgebatch.local_models import open_model
wanted = xllamacpp.CommonParams()
wanted.model.path = str(open_model("edgebatch-tiny", "gguf").variant("q8_0"))
wanted.port, wanted.n_parallel, wanted.n_ctx = int(sys.argv[1]), 4, 4 * 256
wanted.cpuparams.n_threads = wanted.cpuparams_batch.n_threads = 1
wanted.verbosity = 1
server = xllamacpp.Server(wanted)
print(server.listening_address, flush=True)
time.sleep(600)
"""


@contextmanager
def llama_cpp_server(port: int = 0) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a server in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        lines = (line.strip() for line in process.stdout)
        yield process, next(line for line in lines if line.startswith("http"))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def servers(url: str) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = httpx.get(f"{url}/edgebatch/state").json()["servers"]
    return told


def test_both_serve_and_one_goes_on_until_the_other_is_back(tmp_path: Path) -> None:
    profile = toy_profile()
    node = profile.node.replace(memory_bytes=1e9)
    path = tmp_path / "profile.toml"
    replace(profile, node=node).save(path)
    with ExitStack() as stack:
        (first, first_url), (_, second_url) = (
            stack.enter_context(llama_cpp_server()) for _ in range(2)
        )
        urls = [f"--url=w8={each}/v1" for each in (first_url, second_url)]
        arguments = ("--engine", "openai:health_seconds=0.2", "--profile", str(path), *urls)
        _, url = stack.enter_context(served(*arguments, "--port", "0"))
        client = stack.enter_context(
            openai.OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0)
        )

        def ask(number: int) -> None:
            answer = client.completions.create(
                model="", prompt=f"The class {number}", max_tokens=40, temperature=0.0, seed=1
            )
            assert answer.usage is not None
            assert answer.usage.completion_tokens > 0

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(ask, range(6)))
            wait_for(lambda: all(each["is_running"] for each in servers(url)))
            first.kill()
            wait_for(lambda: [each["is_running"] for each in servers(url)] == [False, True])
            list(pool.map(ask, range(6)))
            port = int(first_url.rpartition(":")[2])
            stack.enter_context(llama_cpp_server(port))
            wait_for(lambda: all(each["is_running"] for each in servers(url)))
            list(pool.map(ask, range(6)))
        assert [each["restarts"] for each in servers(url)] == [1, 0]
