"""The command as users run it: a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def edgebatch(*arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run ``edgebatch`` with these arguments and bytes on standard input."""
    return subprocess.run(
        [sys.executable, "-m", "edgebatch", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        check=False,
        timeout=60,
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
