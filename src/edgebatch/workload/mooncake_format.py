"""Mooncake traces: one JSON object a line."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from edgebatch.errors import InputError
from edgebatch.units import MILLI
from edgebatch.workload.cells import TOKENS_WANTED
from edgebatch.workload.rows import MAX_SECONDS, MAX_TOKENS, TraceRow


@dataclass(frozen=True, slots=True)
class MooncakeFormat:
    """``{"timestamp": ms, "input_length": …, "output_length": …, "hash_ids": […]}`` a line.

    The hashes of cached prompt blocks are not used.
    """

    name: str = "mooncake"
    layout: str = '{"timestamp": ms, "input_length": …, "output_length": …} a line'
    has_arrivals: bool = True

    def recognises(self, first_line: str) -> bool:
        """Return whether a file that begins so is of this format."""
        return first_line.lstrip().startswith("{") and all(
            f'"{key}"' in first_line for key in ("timestamp", "input_length", "output_length")
        )

    def rows(self, lines: Iterator[str], file: str, _skipped: Counter[str]) -> Iterator[TraceRow]:
        """Yield the rows of a file; none is left out.

        Raises:
            InputError: a line is not as the format wants it; the path names file, line, key.
        """
        previous = 0.0
        for line, text in enumerate(lines, 1):
            if text.isspace():
                continue
            row = _row(text, f"{file}:{line}")
            if row.arrival_seconds < previous:
                raise InputError(
                    f"{file}:{line}: timestamp",
                    f"must not be earlier than the row before ({previous:g} s into the trace)",
                )
            previous = row.arrival_seconds
            yield row


def _row(text: str, place: str) -> TraceRow:
    try:
        entry = json.loads(text)
    except (ValueError, RecursionError):
        entry = None
    if not isinstance(entry, dict):
        raise InputError(place, f"must be one JSON object, got {text.strip()[:80]!r}")
    for key in ("timestamp", "input_length", "output_length"):
        if key not in entry:
            raise InputError(f"{place}: {key}", "is missing")
    milliseconds = entry["timestamp"]
    most = MAX_SECONDS / MILLI
    if type(milliseconds) not in (int, float) or not 0 <= milliseconds <= most:
        raise InputError(
            f"{place}: timestamp",
            f"must be milliseconds of at least 0 and at most {most:g}, got {milliseconds!r}",
        )
    for key in ("input_length", "output_length"):
        if type(entry[key]) is not int or not 1 <= entry[key] <= MAX_TOKENS:
            raise InputError(f"{place}: {key}", f"must be {TOKENS_WANTED}, got {entry[key]!r}")
    return TraceRow(milliseconds * MILLI, entry["input_length"], entry["output_length"])
