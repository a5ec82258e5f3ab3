"""Reading of the tables that ship with the package."""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources

Row = dict[str, str]


@cache
def read_table(name: str) -> tuple[Row, ...]:
    """Return the rows of ``presets/data/<name>`` by column; callers must not change them."""
    text = resources.files(__package__).joinpath("data", name).read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))


def number_or_none(cell: str) -> float | None:
    """Return the number in a cell; None for an empty one."""
    return float(cell) if cell else None
