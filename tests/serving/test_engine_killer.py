"""How the soak kills engines: one restart for each kill, and nobody killed who is no engine."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from toy_profile import toy_profile

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks" / "gateway"))

from engine_killer import EngineKiller

pytest.importorskip("openvino_genai", reason="OpenVINO GenAI is not installed")

_SERVE_BESIDE_A_TRACKER = """\
from multiprocessing.resource_tracker import ensure_running
from edgebatch.cli.main import main

ensure_running()  # as after the measurement of a first profile
main()
"""


@contextmanager
def gateway(profile: Path) -> Iterator[tuple[psutil.Popen, str]]:
    toy_profile().save(profile)
    engine = ("--engine", "openvino", "--precision", "w8", "--profile", str(profile))
    process = psutil.Popen(
        [sys.executable, "-c", _SERVE_BESIDE_A_TRACKER, "serve", "--port", "0", *engine],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process, process.stdout.readline().split()[-1]
    finally:
        process.kill()
        process.communicate()


def test_every_kill_is_followed_by_one_restart_of_the_engine_alone(tmp_path: Path) -> None:
    async def kill_twice(process: psutil.Process, url: str) -> None:
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:
            killer = EngineKiller(client, url, process)
            (first,) = killer.engine_processes()
            (tracker,) = set(process.children()) - {first}
            await killer.kill()
            assert first not in killer.engine_processes()  # though it may take time to die
            await killer.kill()  # nobody is killed before there is another
            while not (await killer.is_up() and killer.engine_processes()):
                await asyncio.sleep(0.1)
            assert killer.num_kills == 2
            restarts = "\nedgebatch_engine_restarts 2.0\n"
            assert restarts in (await client.get("/metrics")).text
            (last,) = killer.engine_processes()
            assert set(process.children()) == {tracker, last}
            assert tracker.status() != psutil.STATUS_ZOMBIE

    with gateway(tmp_path / "profile.toml") as (process, url):
        asyncio.run(kill_twice(process, url))
