"""What a report's page is made of, and how it becomes one HTML file that needs nothing else."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from itertools import groupby
from typing import TYPE_CHECKING

from edgebatch.errors import MissingExtraError
from edgebatch.reporting.html.intervals import Estimate
from edgebatch.reporting.html.looks import DARK, GRID, INK, MUTED, Look, swatch
from edgebatch.units import significant

if TYPE_CHECKING:
    from markupsafe import Markup

_MOST_DECIMALS = 5
TEMPLATES = "edgebatch.reporting.html"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: what is shown.
        order: what the column is sorted by; None for an empty cell, which comes last.
    """

    text: str
    order: float | str | None = None

    @classmethod
    def number(cls, value: float | None, form: str = "") -> Cell:
        """Return a number in a format, by default to three digits; a dash where there is none."""
        if value is None:
            return cls("–")
        return cls(format(value, form) if form else significant(value), value)

    @classmethod
    def estimate(cls, estimate: Estimate | None) -> Cell:
        """Return a mean with its half width, both to the latter's second digit."""
        if estimate is None:
            return cls("–")
        if not estimate.half_width:
            return cls(significant(estimate.mean), estimate.mean)
        decimals = max(0, 1 - math.floor(math.log10(estimate.half_width)))
        if decimals > _MOST_DECIMALS:
            return cls(f"{estimate.mean:.3g} ± {estimate.half_width:.1g}", estimate.mean)
        text = f"{estimate.mean:.{decimals}f} ± {estimate.half_width:.{decimals}f}"
        return cls(text, estimate.mean)

    @classmethod
    def words(cls, text: str) -> Cell:
        """Return a text that sorts by its letters."""
        return cls(text, text.casefold())


@dataclass(frozen=True, slots=True)
class Table:
    """A table that readers can sort.

    Attributes:
        headings: of the columns.
        rows: cells, as many as headings.
        caption: what a row is, and units.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str


@dataclass(frozen=True, slots=True)
class Key:
    """An entry of a chart's legend."""

    name: str
    look: Look

    @property
    def swatch(self) -> str:
        """The entry's line and marker as SVG."""
        return swatch(self.look)


@dataclass(frozen=True, slots=True)
class Chart:
    """A plot with the table that says the same.

    Attributes:
        title: what is shown.
        note: how to read it, and what the bars or bands mean.
        figure: the plot as Plotly's JSON.
        legend: its series.
        table: the figures that are drawn.
        setting: the setting that it is of; None if it is of all.
        wide: whether it takes the whole width.
        height: pixels.
    """

    title: str
    note: str
    figure: str
    legend: tuple[Key, ...]
    table: Table
    setting: str | None = None
    wide: bool = False
    height: int = 360


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page with a heading.

    Attributes:
        identity: the anchor.
        title: the heading.
        paragraphs: prose before everything else.
        points: a list after the prose.
        charts, tables: in order; charts of one setting stand together.
        pairs: (name, value) pairs.
        listings: (heading, text) of verbatim text.
    """

    identity: str
    title: str
    paragraphs: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    charts: tuple[Chart, ...] = ()
    tables: tuple[Table, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    listings: tuple[tuple[str, str], ...] = ()

    @property
    def groups(self) -> list[tuple[str | None, list[Chart]]]:
        """The charts of one setting after the other."""
        by_setting = groupby(self.charts, lambda chart: chart.setting)
        return [(setting, list(charts)) for setting, charts in by_setting]


@dataclass(frozen=True, slots=True)
class Page:
    """A whole report.

    Attributes:
        title: of the page.
        question: what the study asks; may be empty.
        facts: (name, value) pairs of where the results come from.
        sections: in order.
        settings: what charts can be chosen by; at most one needs no choice.
    """

    title: str
    question: str
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    settings: Sequence[str] = field(default=())


def render(page: Page) -> bytes:
    """Return the page as HTML in UTF-8; equal pages give equal bytes.

    Raises:
        MissingExtraError: plotly or jinja2 is not installed.
    """
    try:
        import jinja2
        import markupsafe
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise MissingExtraError("an HTML report", "study") from error

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["prose"] = lambda text: _prose(markupsafe.escape(text))
    template = environment.get_template("page.html.j2")
    text = template.render(
        page=page,
        palette=_palette(),
        style=_template("page.css"),
        script=_template("page.js"),
        plotly=get_plotlyjs(),
        dark=in_script(json.dumps(DARK)),
        in_script=in_script,
    )
    return text.encode("utf-8")


_LIGHT_GROUND = {"ground": "#f5f6f8", "card": "#ffffff", "line": GRID, "link": "#0550ae"}
_DARK_GROUND = {"ground": "#14171a", "card": "#1d2125", "line": DARK[GRID], "link": "#79b8ff"}


def _palette() -> str:
    """Return the colours as custom properties: light, dark if asked for, light on paper."""
    series = {f"c{colour[1:]}": colour for colour in DARK}
    light = {**_LIGHT_GROUND, "ink": INK, "muted": MUTED, **series}
    dark = {**_DARK_GROUND, "ink": DARK[INK], "muted": DARK[MUTED]}
    dark |= {name: DARK[colour] for name, colour in series.items()}
    dark_rule = _rule("dark", dark)
    return (
        f":root {{ {_rule('light', light)} }}\n"
        "@media screen and (prefers-color-scheme: dark) "
        f'{{ :root:not([data-theme="light"]) {{ {dark_rule} }} }}\n'
        f'@media screen {{ :root[data-theme="dark"] {{ {dark_rule} }} }}'
    )


def _rule(scheme: str, colours: dict[str, str]) -> str:
    properties = [f"--{name}: {colour};" for name, colour in colours.items()]
    return " ".join((f"color-scheme: {scheme};", *properties))


def in_script(text: str) -> str:
    """Return JSON such that nothing in it can end the script element that holds it."""
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _prose(escaped: Markup) -> Markup:
    """Return text with names between backticks set apart, and per cent signs kept by numbers."""
    whole = str(escaped).replace(" %", "\N{NO-BREAK SPACE}%")
    return type(escaped)(re.sub(r"`([^`]+)`", r"<code>\1</code>", whole))


def _template(name: str) -> str:
    resource = files(TEMPLATES) / "templates" / name
    return resource.read_text(encoding="utf-8")
