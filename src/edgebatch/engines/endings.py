"""How a child process ended, in words."""

from __future__ import annotations

import signal
from pathlib import Path

_QUOTED_LINES = 4
_QUOTED_CHARACTERS = 600
_OUT_OF_MEMORY = ("bad_alloc", "MemoryError", "Cannot allocate")
"""What languages say when they get no memory."""


def how_it_ended(status: int | None, tail: str, kills_before: int) -> str:
    """Return how a process ended.

    Args:
        status: its exit status, or minus the signal that ended it.
        tail: the last that it wrote to standard error.
        kills_before: :func:`kills_for_memory` when it was started.
    """
    if status is None or status >= 0:
        how = f"ended with exit status {status}"
    else:
        how = f"was ended by signal {_signal_name(-status)}"
    if status == -signal.SIGKILL and kills_for_memory() > kills_before:
        return f"{how}, since the machine ran out of memory"
    if any(word in tail for word in _OUT_OF_MEMORY):
        return f"{how} as it ran out of memory"
    if status == -signal.SIGKILL:
        return f"{how}: by someone, or by the system for want of memory"
    return how


def last_words(tail: str) -> str:
    """Return the last lines of ``tail`` as the end of a message; nothing if there are none."""
    lines = [line.strip() for line in tail.splitlines() if line.strip()]
    said = " | ".join(lines[-_QUOTED_LINES:])
    if len(said) > _QUOTED_CHARACTERS:
        said = "…" + said[-_QUOTED_CHARACTERS:]
    return f"; its last words: {said}" if said else ""


def kills_for_memory() -> int:
    """Return how many processes Linux has killed for want of memory so far; 0 elsewhere."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))


def _signal_name(number: int) -> str:
    try:
        return f"{number} ({signal.Signals(number).name})"
    except ValueError:
        return str(number)
