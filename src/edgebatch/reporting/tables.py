"""Tables for people: quantities with decimal prefixes, columns that fit, small text charts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich import box
from rich.table import Table

from edgebatch.units import GIGA, MEGA, TERA

_PREFIXES = ((1e15, "P"), (TERA, "T"), (GIGA, "G"), (MEGA, "M"), (1e3, "k"))
_BARS = "▁▂▃▄▅▆▇█"
_CAPTION_WIDTH = 60
"""A caption is as wide as its table, so tables with a long one are at least so wide."""
_PADDING = 4
"""Blanks around the two cells of a row without lines."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        heading: what stands above it.
        numeric: whether its cells are numbers: flush right and never broken.
        whole: whether its cells, though no numbers, are never broken either.
    """

    heading: str
    numeric: bool = True
    whole: bool = False


def make_table(
    columns: Sequence[Column], rows: Iterable[Sequence[str]], *, title: str = "", caption: str = ""
) -> Table:
    """Return a table of ready-made cells, one sequence of ``len(columns)`` strings per row."""
    table = Table(
        title=title or None,
        caption=caption or None,
        title_justify="left",
        caption_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
        min_width=min(len(caption), _CAPTION_WIDTH),
    )
    for column in columns:
        table.add_column(
            column.heading,
            justify="right" if column.numeric else "left",
            no_wrap=column.numeric or column.whole,
            overflow="fold",
        )
    for row in rows:
        table.add_row(*row)
    return table


def make_details(pairs: Iterable[tuple[str, str]], *, title: str = "") -> Table:
    """Return a two-column table of names and what they stand for; empty ones are left out."""
    table = Table(
        title=title or None, title_justify="left", title_style="bold", box=None, show_header=False
    )
    rows = [(name, text) for name, text in pairs if text]
    names = max((len(name) for name, _ in rows), default=0)
    table.add_column(no_wrap=True, style="dim")
    # a title is broken where its table ends
    table.add_column(overflow="fold", min_width=len(title) - names - _PADDING)
    for row in rows:
        table.add_row(*row)
    return table


def broken(label: str, width: int) -> str:
    """Return a policy's label on lines of at most ``width``, broken where it reads best."""
    if len(label) <= width:
        return label
    lines = []
    for setting in re.findall(r"[^:,]+[:,]?", label):
        line = ""
        for part in re.findall(r"[^=_-]*[=_-]|[^=_-]+", setting):
            if line and len(line + part) > width:
                lines.append(line)
                line = ""
            line += part
        lines.append(line)
    return "\n".join(lines)


def quantity(value: float | None, unit: str) -> str:
    """Return a quantity of at least 0 to three digits, such as ``59.7 GB/s``; a dash for None."""
    if value is None:
        return "–"
    for factor, prefix in _PREFIXES:
        if value >= 0.9995 * factor:  # what three digits show as 1000 is 1 of the next prefix
            return f"{value / factor:.3g} {prefix}{unit}".rstrip()
    return f"{value:.3g} {unit}".rstrip()


def sparkline(values: Sequence[float]) -> str:
    """Return one bar a value, its height from 0 to the largest of ``values``; none negative."""
    largest = max(values, default=0.0)
    if largest <= 0.0:
        return _BARS[0] * len(values)
    steps = len(_BARS) - 1
    return "".join(_BARS[round(value / largest * steps)] for value in values)
