"""What a study varies: a key of the scenario, the load or the rate, and its values."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgebatch.errors import InputError
from edgebatch.scenario import overridden
from edgebatch.schema import LARGEST_NUMBER

SPECIAL_KEYS = ("load", "rate")
"""Axes that are no keys of a scenario: multiples of the estimated capacity, arrivals per second."""

_KEY = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_SIGNIFICANT_DIGITS = 12
"""Of spaced values: 0.3 instead of 0.30000000000000004."""
_MOST_VALUES = 10_000


@dataclass(frozen=True, slots=True)
class Axis:
    """One thing that is varied.

    Attributes:
        key: a key of the scenario such as ``workload.rate_per_second``, or one of
            :data:`SPECIAL_KEYS`.
        values: what it takes, in order: TOML values.

    Raises:
        InputError: no such key can be, no values, one given twice, or no number where one must be.
    """

    key: str
    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        path = f"axis {self.key!r}"
        if not _KEY.fullmatch(self.key):
            raise InputError(path, "must be a key such as workload.rate_per_second")
        if self.key == "seed":
            raise InputError(path, "seeds are no axis; say how many with --seeds")
        if not self.values:
            raise InputError(path, "must have at least one value")
        for position, value in enumerate(self.values):
            if self.values.index(value) < position:
                raise InputError(path, f"{value!r} is given twice")
            if not self.is_setting:
                _require_above_zero(f"{path}, value {position + 1}", value)

    @property
    def is_setting(self) -> bool:
        """Whether it is a key of the scenario."""
        return self.key not in SPECIAL_KEYS


def _require_above_zero(path: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise InputError(path, f"must be a number above 0, got {value!r}")
    # compared as it is: a whole number may be too large for a float
    if value > LARGEST_NUMBER:
        raise InputError(path, f"must be at most {LARGEST_NUMBER:g}")


def placed(document: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """Return a copy of a document with ``value`` at a key such as ``workload.rate_per_second``.

    Raises:
        InputError: the key goes through something that is not a table.
    """
    first, dot, rest = key.partition(".")
    if not dot:
        return {**document, first: value}
    table = document.get(first, {})
    if not isinstance(table, dict):
        raise InputError(f"axis {key!r}", f"{first} is not a table")
    return {**document, first: placed(table, rest, value)}


def parse_axis(text: str) -> Axis:
    """Return the axis written as ``KEY=v1,v2,…`` or ``KEY=start:stop:count`` with ``:log`` or not.

    A value is read as TOML, and as plain text if it is none; commas inside brackets and quotes
    are part of a value. Spaced values are evenly spaced, or in equal ratios with ``:log``, both
    ends included; they are whole numbers where all of them come out so.

    Raises:
        InputError: it is not written so; with the text and the number of the value.
    """
    key, separator, written = (part.strip() for part in text.partition("="))
    path = f"--axis {text!r}"
    if not separator:
        raise InputError(path, "must be KEY=VALUE,… or KEY=START:STOP:COUNT[:log]")
    pieces = _split(written, path)
    if len(pieces) == 1 and ":" in pieces[0] and pieces[0][0] not in "\"'[{":
        return Axis(key, _spaced(pieces[0], path))
    return Axis(key, tuple(_value(piece, path, place) for place, piece in enumerate(pieces, 1)))


def _split(text: str, path: str) -> list[str]:
    """Return the parts between commas that are in no bracket and no quotes."""
    pieces, start, depth, quote = [], 0, 0, ""
    for place, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter in "[{":
            depth += 1
        elif letter in "]}":
            depth -= 1
        elif letter == "," and depth == 0:
            pieces.append(text[start:place].strip())
            start = place + 1
    if quote or depth:
        unclosed = "a quote" if quote else "a bracket"
        raise InputError(f"{path}, value {len(pieces) + 1}", f"{unclosed} is not closed")
    return [*pieces, text[start:].strip()]


def _value(piece: str, path: str, place: int) -> Any:
    if not piece:
        raise InputError(f"{path}, value {place}", "is empty")
    return overridden({}, [f"value={piece}"])["value"]


def _spaced(text: str, path: str) -> tuple[int | float, ...]:
    parts = [part.strip() for part in text.split(":")]
    if len(parts) not in (3, 4) or (len(parts) == 4 and parts[3] != "log"):
        raise InputError(path, "a range must be START:STOP:COUNT or START:STOP:COUNT:log")
    ends = []
    for place, name in enumerate(("start", "stop")):
        try:
            ends.append(float(parts[place]))
        except ValueError:
            ends.append(math.nan)
        if not math.isfinite(ends[-1]):
            raise InputError(path, f"{name} must be a finite number, got {parts[place]!r}")
    if not re.fullmatch(r"[0-9]{1,5}", parts[2]) or not 2 <= int(parts[2]) <= _MOST_VALUES:
        raise InputError(
            path, f"count must be a whole number from 2 to {_MOST_VALUES}, got {parts[2]!r}"
        )
    logarithmic = len(parts) == 4
    if logarithmic and min(ends) <= 0.0:
        raise InputError(path, "start and stop must be above 0 with :log")
    if ends[0] == ends[1]:
        raise InputError(path, "start and stop must differ")
    (start, stop), count = ends, int(parts[2])
    spaced = (
        np.geomspace(start, stop, count) if logarithmic else np.linspace(start, stop, count)
    ).tolist()
    values = [float(f"{value:.{_SIGNIFICANT_DIGITS}g}") for value in spaced]
    if all(value.is_integer() and abs(value) < 2**53 for value in values):
        return tuple(int(value) for value in values)
    return tuple(values)
