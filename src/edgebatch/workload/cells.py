"""How the cells of trace files are read: text in, number out, ValueError if it is none."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Protocol

from edgebatch.schema import LARGEST_NUMBER
from edgebatch.workload.rows import MAX_SECONDS, MAX_TOKENS

TOKENS_WANTED = f"a whole number from 1 to {MAX_TOKENS}"


class Clock(Protocol):
    """Reads arrival times; may remember the first one."""

    wanted: str
    """What a cell must hold, for errors."""

    def __call__(self, text: str, /) -> float:
        """Return seconds from the beginning of the trace."""
        ...


class SecondsClock:
    """Arrival times in seconds."""

    wanted = f"a number of seconds of at least 0 and at most {MAX_SECONDS:g}"

    def __call__(self, text: str, /) -> float:
        """Return the seconds."""
        seconds = float(text)
        if not 0.0 <= seconds <= MAX_SECONDS:
            raise ValueError
        return seconds


class TimestampClock:
    """Arrival times as dates and times of day; the first one becomes 0.

    Fractions may have any number of digits (``datetime`` drops those beyond the sixth). A time
    without a zone is taken as UTC.
    """

    wanted = "a timestamp such as 2023-11-16 18:15:46.6805900"

    _STAMP = re.compile(
        r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d):([0-5]\d(?:\.\d+)?|60)\s*(Z|[+-]\d\d:?\d\d)?\s*",
        re.ASCII,
    )

    def __init__(self) -> None:
        self._origin: datetime | None = None
        self._first_seconds = 0.0
        self._minute: tuple[str, str | None] | None = None
        self._minute_seconds = 0.0

    def __call__(self, text: str, /) -> float:
        """Return seconds since the first timestamp; negative if this one is earlier."""
        match = self._STAMP.fullmatch(text)
        if match is None:
            raise ValueError
        minute, seconds, zone = match.groups()
        # parsing a date is slow, and neighbouring rows mostly share their minute
        if (minute, zone) != self._minute:
            self._open_minute(minute, zone, float(seconds))
        return self._minute_seconds + (float(seconds) - self._first_seconds)

    def _open_minute(self, minute: str, zone: str | None, seconds: float) -> None:
        start = datetime.fromisoformat(minute + (zone or ""))
        if start.tzinfo is None:
            start = start.replace(tzinfo=UTC)
        if self._origin is None:
            self._origin, self._first_seconds = start, seconds
        self._minute = (minute, zone)
        self._minute_seconds = (start - self._origin).total_seconds()


class NoClock:
    """For files that hold no arrival times: everything at 0."""

    wanted = "anything"

    def __call__(self, _text: str, /) -> float:
        """Return 0."""
        return 0.0


def tokens(text: str) -> int:
    """Return a number of tokens."""
    count = int(text)
    if not 1 <= count <= MAX_TOKENS:
        raise ValueError
    return count


def tokens_or_none(text: str) -> int:
    """Return a number of tokens, 0 included."""
    return 0 if int(text) == 0 else tokens(text)


def deadline(text: str) -> float | None:
    """Return a deadline in seconds, infinity included; None for an empty cell."""
    return _optional(text, exclusive_minimum=True, maximum=math.inf)


def quality(text: str) -> float | None:
    """Return a least quality between 0 and 1; None for an empty cell."""
    return _optional(text, exclusive_minimum=False, maximum=1.0)


def bits(text: str) -> float | None:
    """Return a size in bits; None for an empty cell."""
    return _optional(text, exclusive_minimum=False, maximum=LARGEST_NUMBER)


def _optional(text: str, *, exclusive_minimum: bool, maximum: float) -> float | None:
    if not text or text.isspace():
        return None
    number = float(text)
    if not 0.0 <= number <= maximum or (exclusive_minimum and number == 0.0):
        raise ValueError
    return number
