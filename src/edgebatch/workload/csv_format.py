"""Traces as comma-separated values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from edgebatch.errors import InputError
from edgebatch.workload import cells
from edgebatch.workload.cells import TOKENS_WANTED, Clock, SecondsClock
from edgebatch.workload.columns import csv_records
from edgebatch.workload.rows import MAX_TOKENS, TraceRow

FAILED = "requests that failed"
"""Why rows without an answer are left out."""

_OPTIONAL: dict[str, tuple[Callable[[str], float | None], str]] = {
    "deadline_seconds": (cells.deadline, "empty or a number of seconds above 0"),
    "min_quality": (cells.quality, "empty or a number from 0 to 1"),
    "prompt_bits": (cells.bits, "empty or a number of at least 0"),
}


@dataclass(frozen=True, slots=True)
class CsvFormat:
    """Which columns of a CSV file make a trace.

    Attributes:
        name: what the format is called.
        arrival: column of arrival times; None if the format has lengths only.
        prompt, output: columns of token counts.
        clock: makes a reader of arrival times.
        own: whether it is our own format: the optional columns of TraceRow are read, and a column
            that is not known is an error, since it may be one of ours misspelt.
        failures: whether 0 output tokens mark a request that failed, to be left out.
    """

    name: str
    arrival: str | None
    prompt: str
    output: str
    clock: Callable[[], Clock] = SecondsClock
    own: bool = False
    failures: bool = False

    @property
    def has_arrivals(self) -> bool:
        """Whether its rows say when they arrived."""
        return self.arrival is not None

    @property
    def required(self) -> tuple[str, ...]:
        """The columns that tell the format."""
        arrival = () if self.arrival is None else (self.arrival,)
        return (*arrival, self.prompt, self.output)

    @property
    def layout(self) -> str:
        """What such a file looks like, for people."""
        optional = "".join(f"[,{name}]" for name in _OPTIONAL) if self.own else ""
        return ",".join(self.required) + optional

    def recognises(self, header: Sequence[str]) -> bool:
        """Return whether a file with these columns is of this format."""
        if self.arrival is None:
            # further columns may be arrival times under a name that is not known
            return set(header) == set(self.required)
        known = {*self.required, *_OPTIONAL}
        return set(self.required) <= set(header) and (not self.own or set(header) <= known)

    def rows(self, lines: Iterator[str], file: str, skipped: Counter[str]) -> Iterator[TraceRow]:
        """Yield the rows of a file.

        Args:
            lines: its lines, header first.
            file: its name, for errors.
            skipped: counts rows that are left out, by reason.

        Raises:
            InputError: a row is not as the format wants it; the path names file, line, column.
        """
        records = csv_records(lines, file)
        _, raw_header = next(records)
        table = _Table(self, [name.strip() for name in raw_header], file)
        width, clock = len(table.header), table.clock
        arrival_at = table.header.index(self.arrival) if self.arrival else 0
        prompt_at, output_at = table.header.index(self.prompt), table.header.index(self.output)
        optional = table.optional
        previous = 0.0
        for line, fields in records:
            try:
                arrival = clock(fields[arrival_at])
                prompt, output = int(fields[prompt_at]), int(fields[output_at])
                extras = [parse(fields[at]) for parse, at in optional]
            except (ValueError, IndexError):
                raise table.fault(line, fields, previous) from None
            sound = len(fields) == width and previous <= arrival and 1 <= prompt <= MAX_TOKENS
            if sound and output == 0 and self.failures:
                skipped[FAILED] += 1
                continue
            if not (sound and 1 <= output <= MAX_TOKENS):
                raise table.fault(line, fields, previous)
            previous = arrival
            yield TraceRow(arrival, prompt, output, *extras)


class _Table:
    """The columns of one file, and what is wrong with a row that could not be read."""

    def __init__(self, form: CsvFormat, header: list[str], file: str) -> None:
        self.form, self.header, self.file = form, header, file
        self.clock = form.clock()
        # a column that is not there reads a cell that every row has, as if it were empty
        self.optional = [
            (parse, header.index(name)) if name in header else (_anything, 0)
            for name, (parse, _) in (_OPTIONAL if form.own else {}).items()
        ]

    def fault(self, line: int, fields: list[str], previous: float) -> InputError:
        """Return the error of a row that is known to be wrong."""
        place = f"{self.file}:{line}"
        if len(fields) != len(self.header):
            return InputError(
                place,
                f"has {len(fields)} columns, expected {len(self.header)}: {','.join(self.header)}",
            )
        for name, text in zip(self.header, fields, strict=True):
            parse, wanted = self._reader(name)
            try:
                parse(text)
            except ValueError:
                return InputError(f"{place}: {name}", f"must be {wanted}, got {text[:80]!r}")
        return InputError(
            f"{place}: {self.form.arrival}",
            f"must not be earlier than the row before ({previous:g} s into the trace)",
        )

    def _reader(self, name: str) -> tuple[Callable[[str], object], str]:
        if name == self.form.arrival:
            return self.clock, self.clock.wanted
        if name == self.form.output and self.form.failures:
            return cells.tokens_or_none, f"{TOKENS_WANTED}, or 0"
        if name in (self.form.prompt, self.form.output):
            return cells.tokens, TOKENS_WANTED
        return _OPTIONAL[name] if self.form.own and name in _OPTIONAL else (_anything, "anything")


def _anything(_text: str) -> None:
    return None
