"""One look for every policy: the same colour, marker and dash in every plot of every report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgebatch.reporting.plots.style import looks as plot_looks

INK, MUTED, GRID = "#1b1f24", "#57606a", "#d7dce1"
SIGNAL = "#b35900"
"""Colours of text, of lines that are no data, and of limits; spelt out because plots hold them."""

_FIRST = tuple(
    look.colour for look in plot_looks([str(position) for position in range(8)]).values()
)
_COLOURS = (*_FIRST, "#882255", "#808000")
_SYMBOLS = (
    *("circle", "square", "triangle-up", "diamond", "triangle-down"),
    *("cross", "x", "star", "hexagon", "pentagon"),
)
_DASHES = ("solid", "dash", "dot", "dashdot")

DARK = {
    INK: "#e6e9ec",
    MUTED: "#9aa4ae",
    GRID: "#363c43",
    SIGNAL: "#ffb05c",
    "#0072B2": "#4aa3e6",
    "#D55E00": "#f58a4b",
    "#009E73": "#35c79c",
    "#CC79A7": "#e8a3ca",
    "#E69F00": "#f4bd45",
    "#56B4E9": "#93d7fb",
    "#000000": "#ffffff",
    "#999999": "#a5a5a6",
    "#882255": "#cf5d93",
    "#808000": "#bdbd4d",
}
"""What each colour becomes on a dark ground, where black or wine could not be seen."""

_PLACES = (
    *("dftsp", "sjf", "rolling", "continuous", "edf", "static", "greedy", "none", "fcfs", "exact"),
    *("continuous-edf", "continuous-sjf", "cp-sat", "milp", "brute-force"),
)


@dataclass(frozen=True, slots=True)
class Look:
    """How a series is drawn.

    Attributes:
        colour: as ``#rrggbb``.
        symbol: Plotly's name of the marker; ``line`` for a line without, empty for an area.
        dash: Plotly's name of the dash.
    """

    colour: str
    symbol: str = ""
    dash: str = "solid"


def policy_looks(labels: Sequence[str]) -> dict[str, Look]:
    """Return a look for each policy's label, chosen by the policy's name.

    The same policy with other knobs keeps colour and marker and gets another dash.
    """
    taken: set[int] = set()
    result = {}
    for label in labels:
        name = label.partition(":")[0]
        place = _PLACES.index(name) if name in _PLACES else len(_PLACES)
        while place in taken:
            place += len(_COLOURS)
        taken.add(place)
        result[label] = _look(place)
    return result


def area_looks(names: Sequence[str]) -> dict[str, Look]:
    """Return a look for each part of a whole, by position."""
    return {name: replace(_look(place), symbol="") for place, name in enumerate(names)}


def line_looks(names: Sequence[str]) -> dict[str, Look]:
    """Return a look for each of a few lines that are no policies, by position."""
    return {name: _look(place) for place, name in enumerate(names)}


def plain_looks(names: Sequence[str], start: int = 0) -> dict[str, Look]:
    """Return a look without marker for each of a few lines, by position counted from ``start``."""
    return {name: replace(_look(start + place), symbol="line") for place, name in enumerate(names)}


def _look(place: int) -> Look:
    position, turn = place % len(_COLOURS), place // len(_COLOURS)
    return Look(_COLOURS[position], _SYMBOLS[position], _DASHES[turn % len(_DASHES)])


_PATHS = {
    "circle": "M14 3a4 4 0 1 0 .01 0z",
    "square": "M10.5 3.5h7v7h-7z",
    "triangle-up": "M14 2.5l4.5 8h-9z",
    "diamond": "M14 2l5 5-5 5-5-5z",
    "triangle-down": "M14 11.5l4.5-8h-9z",
    "cross": "M12.6 2.5h2.8v3.1h3.1v2.8h-3.1v3.1h-2.8V8.4H9.5V5.6h3.1z",
    "x": "M11.2 2.4L14 5.2l2.8-2.8 1.8 1.8L15.8 7l2.8 2.8-1.8 1.8L14 8.8l-2.8 2.8-1.8-1.8L12.2 7 "
    "9.4 4.2z",
    "star": "M14 1.5l1.5 3.9 4.2.2-3.3 2.6 1.1 4-3.5-2.2-3.5 2.2 1.1-4-3.3-2.6 4.2-.2z",
    "hexagon": "M14 2.2l4.2 2.4v4.8L14 11.8 9.8 9.4V4.6z",
    "pentagon": "M14 2.3l4.6 3.4-1.8 5.5h-5.6L9.4 5.7z",
}
_STROKES = {"solid": "none", "dash": "6 3", "dot": "2 2", "dashdot": "6 2 2 2"}


def swatch(look: Look) -> str:
    """Return a small SVG of a series' line and marker, or of a filled area."""
    colour = f"var(--c{look.colour[1:]})"
    if not look.symbol:
        drawn = f'<rect x="6" y="1" width="14" height="12" rx="2" style="fill:{colour}"/>'
    else:
        drawn = (
            f'<path d="M1 7h26" style="stroke:{colour}" stroke-width="2" fill="none" '
            f'stroke-dasharray="{_STROKES[look.dash]}"/>'
            f'<path d="{_PATHS.get(look.symbol, "")}" style="fill:{colour}"/>'
        )
    return f'<svg viewBox="0 0 28 14" width="28" height="14" aria-hidden="true">{drawn}</svg>'
