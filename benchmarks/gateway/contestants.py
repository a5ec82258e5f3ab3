"""The servers that are measured: the trivial upstream, edgebatch, and LiteLLM's proxy."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from trivial_upstream import MODEL

from edgebatch.local_models import cache_folder

LITELLM = "litellm[proxy]==1.106.2"
READY_SECONDS = 300.0
LONGEST_MS = 3_600_000

_PROFILE = """\
# Steps of 10 µs and answers that cost nothing: whatever time passes is the gateway's.
format = 1
verdict = "of no engine"
quality_measure = "assumed"

[source]
engine = "trivial"
model = "trivial"
date = "2026-11-20"
edgebatch_version = "0.1.0"
machine = { processor = "none" }

[node]
memory_bytes = 1e15
flops = 1e18
step_overhead_seconds = 1e-5

[model]
layers = 1
hidden_size = 1
ffn_size = 1
heads = 1

[[precisions]]
name = "w8"
weight_bytes = 1.0
kv_bytes = 2.0
prefill_factor = 1.0
decode_factor = 1.0
quality = 0.9

[fit]
in_sample = { count = 1, median = 0.0, p95 = 0.0, worst = 0.0 }
"""

_LITELLM_CONFIG = """\
model_list:
  - model_name: {model}
    litellm_params:
      model: openai/{model}
      api_base: {url}/v1
      api_key: none
{limit}
router_settings:
  num_retries: 0
  disable_cooldowns: true
{check}
litellm_settings:
  telemetry: false
  drop_params: true
  num_retries: 0
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A process that listens.

    Attributes:
        name: in tables.
        url: without a path.
        pid: of the process.
    """

    name: str
    url: str
    pid: int

    def cpu_seconds(self) -> float:
        """Return what it and its children have used so far."""
        process = psutil.Process(self.pid)
        both = [process, *process.children(recursive=True)]
        return sum(sum(each.cpu_times()[:2]) for each in both)


@contextmanager
def upstream() -> Iterator[Server]:
    """Run the trivial upstream."""
    port = _free_port()
    script = Path(__file__).with_name("trivial_upstream.py")
    command = [sys.executable, str(script), "--port", str(port)]
    with _running("upstream", command, port, "/v1/models", {}) as server:
        yield server


@contextmanager
def edgebatch(
    name: str, folder: Path, *, policy: str, url: str = "", queue: int = 256
) -> Iterator[Server]:
    """Run a gateway.

    Args:
        name: in tables.
        folder: for its profile.
        policy: who decides.
        url: of the upstream; empty for the simulated engine, in the same process.
        queue: most requests that wait.
    """
    profile, port = folder / "trivial.toml", _free_port()
    profile.write_text(_PROFILE)
    engine = ["openai", "--url", f"w8={url}/v1"] if url else ["simulated"]
    command = [sys.executable, "-m", "edgebatch", "serve", "--port", str(port)]
    command += ["--profile", str(profile), "--policy", policy, "--engine", *engine]
    settings = {"EDGEBATCH_LOG_LEVEL": "warning", "EDGEBATCH_LIMITS__QUEUE": str(queue)}
    settings["EDGEBATCH_SERVED_NAME"] = MODEL
    with _running(name, command, port, "/readyz", settings) as server:
        yield server


@contextmanager
def litellm(
    name: str, folder: Path, *, url: str, per_minute: int | None = None
) -> Iterator[Server]:
    """Run LiteLLM's proxy with one worker; it is installed in the user's cache if need be.

    Args:
        name: in tables.
        folder: for its configuration.
        url: of the upstream.
        per_minute: it turns away who comes beyond so many a minute; None lets everyone in.
    """
    limited = per_minute is not None
    config, port = folder / f"{name.replace(' ', '-')}.yaml", _free_port()
    config.write_text(
        _LITELLM_CONFIG.format(
            model=MODEL,
            url=url,
            limit=f"      rpm: {per_minute}" if limited else "",
            check="  optional_pre_call_checks: [enforce_model_rate_limits]" if limited else "",
        )
    )
    command = [str(_litellm_folder() / "bin" / "litellm"), "--config", str(config)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    settings = {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOG": "ERROR",
        # no gateway here asks for a key
        "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
    }
    with _running(name, command, port, "/health/liveliness", settings) as server:
        yield server


def _litellm_folder() -> Path:
    """Return a virtual environment with LiteLLM; a dependency of ours it is not."""
    folder = cache_folder() / "benchmarks" / LITELLM.replace("[proxy]==", "-")
    if not (folder / "whole").exists():
        print(f"installing {LITELLM} in {folder}, once", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", LITELLM]
        subprocess.run(pip, check=True, stdout=sys.stderr)
        (folder / "whole").touch()
    return folder


@contextmanager
def _running(
    name: str, command: list[str], port: int, ready_path: str, settings: Mapping[str, str]
) -> Iterator[Server]:
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **settings},
    )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(name, process, url + ready_path)
        yield Server(name, url, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(name: str, process: subprocess.Popen[bytes], url: str) -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            told = " ".join(map(str, process.args))  # type: ignore[arg-type]
            raise RuntimeError(f"{name} ended with status {process.returncode}: {told}")
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise RuntimeError(f"{name} is not ready after {READY_SECONDS:g} s")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
