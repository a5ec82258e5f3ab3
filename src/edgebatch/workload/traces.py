"""Opening, reading and writing trace files."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edgebatch.errors import InputError
from edgebatch.workload.arrival import Arrival
from edgebatch.workload.files import read_lines, replacing_file
from edgebatch.workload.formats import TraceFormat, recognise
from edgebatch.workload.rows import TraceRow


@dataclass(frozen=True, slots=True)
class Trace:
    """A trace file, read anew in every iteration and never held in memory.

    Attributes:
        path: the file.
        format: what it was recognised as.
    """

    path: Path
    format: TraceFormat

    def __iter__(self) -> Iterator[TraceRow]:
        return self.rows(Counter())

    def rows(self, skipped: Counter[str]) -> Iterator[TraceRow]:
        """Yield the rows in order of arrival.

        Args:
            skipped: counts, while the rows are read, those left out, by reason.

        Raises:
            InputError: the file is damaged, or a row is not as its format wants it. The path names
                file, line and column.
        """
        row = None
        for row in self.format.rows(read_lines(self.path), str(self.path), skipped):
            yield row
        if row is None:
            raise InputError(str(self.path), f"has no rows that a {self.format.name} trace needs")


def open_trace(path: str | Path) -> Trace:
    """Return the trace in a file, plain or gzip, in any of the known formats.

    Raises:
        InputError: the file cannot be read, is a pipe, is empty, or is of no known format.
    """
    lines = read_lines(Path(path))
    first_line = next(lines, "")
    if not first_line:
        raise InputError(str(path), "is empty, expected a trace that begins with its header")
    if Path(path).is_fifo():
        raise InputError(str(path), "is a pipe, expected a file: a trace is read several times")
    return Trace(Path(path), recognise(first_line, str(path)))


def write_trace(path: str | Path, rows: Iterable[TraceRow]) -> None:
    """Write rows in our own format, gzip if the name ends in ``.gz``; whole or not at all.

    What a row does not say stays an empty cell. Equal rows make equal bytes, and reading the file
    gives equal rows.

    Raises:
        InputError: the file cannot be written, or the rows are not in order of arrival.
    """
    with replacing_file(Path(path)) as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(TraceRow._fields)
        writer.writerows(_in_order(rows))


def _in_order(rows: Iterable[TraceRow]) -> Iterator[TraceRow]:
    previous = 0.0
    for number, row in enumerate(rows):
        if not row.arrival_seconds >= previous:
            raise InputError(
                f"rows[{number}].arrival_seconds",
                f"must be at least {previous!r}, got {row.arrival_seconds!r}",
            )
        previous = row.arrival_seconds
        yield row


def recorded(arrivals: Iterable[Arrival]) -> Iterator[TraceRow]:
    """Yield what a trace would record of ``arrivals``.

    The answer's length is the actual one. The format has no column for the limit that the
    scheduler is told, nor for the value: both are chosen again on replay.
    """
    for arrival in arrivals:
        yield TraceRow(
            arrival.arrival_seconds,
            arrival.prompt_tokens,
            arrival.actual_output_tokens,
            arrival.deadline_seconds,
            arrival.min_quality,
            arrival.prompt_bits,
        )
