"""Servers under test as they are really run: started, waited for, ended."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from load import KEY_VARIABLE

from edgebatch.engines.llama_cpp import LlamaCppEngine
from edgebatch.engines.registry import EngineSpec, make_engine

_START_SECONDS = 300.0
_END_SECONDS = 45.0
"""More than a gateway takes to drain."""


@dataclass(frozen=True, slots=True)
class System:
    """A server that runs.

    Attributes:
        root: its URL.
        key: what it asks for; empty for nothing.
        gateway: process id of the gateway; None for none.
        engines: process ids of what computes.
    """

    root: str
    key: str
    gateway: int | None
    engines: tuple[int, ...]

    @property
    def url(self) -> str:
        """Where completions are asked for."""
        return f"{self.root}/v1/completions"

    def cpu_seconds(self) -> tuple[float, float]:
        """Return the processor time of the gateway and of the engine so far."""
        gateway = 0.0 if self.gateway is None else _cpu_seconds(self.gateway)
        return gateway, sum(map(_cpu_seconds, self.engines))


@asynccontextmanager
async def llama_server(
    model: str, precision: str, slots: int, context_tokens: int, threads: int | None = None
) -> AsyncIterator[System]:
    """Run llama.cpp's own server, with nothing in front of it; None for a thread a core."""
    settings = {"slots": slots, "context_tokens": context_tokens, "threads": threads}
    engine = make_engine(EngineSpec("llama-cpp", settings, model, (precision,)))
    assert isinstance(engine, LlamaCppEngine)
    try:
        await engine.start()
        address = engine.server(precision).address
        yield System(address.root, address.api_key, None, engine.processes)
    finally:
        await engine.stop()


@asynccontextmanager
async def gateway(
    arguments: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> AsyncIterator[System]:
    """Run ``edgebatch serve`` with so many arguments, its log in a file."""
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "edgebatch", "serve", "--port", "0", *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "EDGEBATCH_LOG_LEVEL": "warning", **(environment or {})},
            start_new_session=True,  # Ctrl+C is ours to handle
        )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(_START_SECONDS):
            said = (await process.stdout.readline()).decode()
        if not said.startswith("listening at "):
            raise SystemExit(f"edgebatch serve {' '.join(arguments)} does not start; see {log}")
        children = tuple(child.pid for child in psutil.Process(process.pid).children())
        yield System(said.split()[-1], "", process.pid, children)
    finally:
        await _end(process)


async def load(
    system: System, plan: Path, results: Path, *options: str
) -> asyncio.subprocess.Process:
    """Start the clients, in a process of their own; what they tell last is on its output."""
    script = Path(__file__).with_name("load.py")
    return await asyncio.create_subprocess_exec(
        *(sys.executable, str(script), str(plan), "--url", system.url),
        *("--results", str(results), *options),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, KEY_VARIABLE: system.key},
        start_new_session=True,
    )


async def output_of(process: asyncio.subprocess.Process) -> str:
    """Wait for a process and return what it wrote; ended with whoever waits."""
    try:
        written, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise SystemExit(f"a process of clients ended with {process.returncode}")
    return written.decode()


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end, or until Ctrl+C or SIGTERM, which end what was started."""

    async def until_told() -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        await work

    try:
        asyncio.run(until_told())
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise SystemExit(130) from None


async def _end(process: asyncio.subprocess.Process) -> None:
    try:
        with suppress(ProcessLookupError):
            process.terminate()
        async with asyncio.timeout(_END_SECONDS):
            await process.wait()
    except TimeoutError:
        print("the gateway did not end when it was told to", file=sys.stderr)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _cpu_seconds(pid: int) -> float:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return times.user + times.system
