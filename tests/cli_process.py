"""The command as users run it: a process of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil


def edgebatch(*arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run ``edgebatch`` with these arguments and bytes on standard input."""
    return subprocess.run(
        [sys.executable, "-m", "edgebatch", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        check=False,
        timeout=300,
    )


def refusal(*arguments: str | Path, stdin: bytes = b"") -> str:
    """Run ``edgebatch`` on bad input and return the one line that it says."""
    result = edgebatch(*arguments, stdin=stdin)
    assert result.returncode == 2, result
    assert result.stdout == b""
    lines = result.stderr.decode().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("edgebatch: error: ")
    return lines[0]


def pool_processes(pid: int) -> list[psutil.Process]:
    """Return the processes that make runs for the process of this number."""
    found = []
    for child in psutil.Process(pid).children():
        with suppress(psutil.Error):  # it may end while it is looked at
            if any("popen_loky" in part for part in child.cmdline()):
                found.append(child)
    return found


def loaded_engine(pid: int) -> psutil.Process:
    """Return the engine's process of a command once it holds the model."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        for child in psutil.Process(pid).children(recursive=True):
            if child.memory_info().rss > 100e6:
                return child
        time.sleep(0.1)
    raise AssertionError("there is no engine")
