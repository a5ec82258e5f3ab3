"""The formats of traces, recognised by the first line of a file (not by its name)."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from typing import Protocol

from edgebatch.errors import InputError
from edgebatch.workload.cells import NoClock, TimestampClock
from edgebatch.workload.csv_format import CsvFormat
from edgebatch.workload.mooncake_format import MooncakeFormat
from edgebatch.workload.rows import TraceRow


class TraceFormat(Protocol):
    """How one kind of file is read."""

    @property
    def name(self) -> str:
        """What the format is called."""
        ...

    @property
    def layout(self) -> str:
        """What such a file looks like, for people."""
        ...

    @property
    def has_arrivals(self) -> bool:
        """Whether its rows say when they arrived."""
        ...

    def rows(self, lines: Iterator[str], file: str, skipped: Counter[str], /) -> Iterator[TraceRow]:
        """Yield the rows in ``lines`` of ``file``; ``skipped`` counts those left out, by reason."""
        ...


_MOONCAKE = MooncakeFormat()
_CSV_FORMATS = (
    CsvFormat("azure", "TIMESTAMP", "ContextTokens", "GeneratedTokens", clock=TimestampClock),
    CsvFormat("vidur", "arrived_at", "num_prefill_tokens", "num_decode_tokens"),
    CsvFormat("burstgpt", "Timestamp", "Request tokens", "Response tokens", failures=True),
    CsvFormat("edgebatch", "arrival_seconds", "prompt_tokens", "output_tokens", own=True),
    CsvFormat("lengths", None, "prompt_tokens", "output_tokens", clock=NoClock),
)
TRACE_FORMATS: tuple[TraceFormat, ...] = (_MOONCAKE, *_CSV_FORMATS)
"""Every format that can be read, the more specific ones first."""


def recognise(first_line: str, file: str) -> TraceFormat:
    """Return the format of a file that begins with ``first_line``.

    Raises:
        InputError: it is none of the known ones, or names a column twice.
    """
    if _MOONCAKE.recognises(first_line):
        return _MOONCAKE
    header = _header(first_line)
    for form in _CSV_FORMATS:
        if form.recognises(header):
            if len(set(header)) < len(header):
                raise InputError(f"{file}:1", "names a column twice in its header")
            return form
    known = "; ".join(f"{form.name} ({form.layout})" for form in TRACE_FORMATS)
    shown = first_line.strip()
    raise InputError(f"{file}:1", f"unknown header {shown[:80]!r}; known formats: {known}")


def _header(first_line: str) -> list[str]:
    try:
        return [name.strip() for name in next(csv.reader([first_line], strict=True), [])]
    except csv.Error:
        return []
