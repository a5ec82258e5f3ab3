"""What the machine is that something is measured on."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

from edgebatch.calibration.profile_schema import Machine

_PROCESSORS = Path("/proc/cpuinfo")
_MEMORY_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def this_machine() -> Machine:
    """Return processor, cores that may be used, memory and system of this machine."""
    return Machine(
        processor=_processor(),
        cores=_cores(),
        memory_bytes=float(memory_bytes()),
        operating_system=f"{platform.system()} {platform.release()} {platform.machine()}",
    )


def memory_bytes() -> int:
    """Return the memory that may be used: that of the machine, or less if a limit is set."""
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [int(text) for text in map(_read, _MEMORY_LIMITS) if text.strip().isdigit()]
    return min([installed, *limits])


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str:
    # ARM boards name their cores by number only; the device tree says what the board is
    named = re.search(r"^model name\s*:\s*(.+)$", _read(_PROCESSORS), re.MULTILINE)
    board = _read(Path("/proc/device-tree/model")).strip("\0\n ")
    return (named.group(1).strip() if named else "") or board or platform.machine()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
