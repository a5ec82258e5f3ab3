"""One look for all plots, and how they get onto disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from edgebatch.errors import InputError, MissingExtraError
from edgebatch.files import replacing, require_place

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")

# Okabe and Ito's colours, told apart by nearly everyone, in an order that keeps neighbours apart
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

_STYLE: Any = {  # the library types its keys by the hundred
    "font.size": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5.0,
    "svg.hashsalt": "edgebatch",
    "figure.dpi": 100.0,
    "savefig.dpi": 150.0,
}


class Look(NamedTuple):
    """How a series is drawn."""

    colour: str
    marker: str


def looks(names: Sequence[str]) -> dict[str, Look]:
    """Return a look for each name, the same for the same position every time."""
    return dict(zip(names, cycle(map(Look, _COLOURS, _MARKERS)), strict=False))


def check_plot_path(path: Path) -> None:
    """Raise unless a plot could be written to ``path``: before hours of work, not after.

    Raises:
        InputError: the suffix is not a known format, or there is no such folder.
        MissingExtraError: the plotting library is not installed.
    """
    if path.suffix.lower() not in FORMATS:
        raise InputError("--plot", f"must end in {', '.join(FORMATS)}, got {str(path)!r}")
    require_place("--plot", path)
    try:
        import matplotlib  # noqa: F401  (only to see whether it is there)
    except ImportError as error:
        raise MissingExtraError("plotting", "study") from error


@contextmanager
def drawing(width_inches: float, height_inches: float) -> Iterator[Figure]:
    """Give a figure in the common style; no display is needed."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        yield Figure(figsize=(width_inches, height_inches), layout="constrained")


def save(figure: Figure, path: Path) -> None:
    """Write a figure; equal figures make equal bytes.

    Raises:
        InputError: the file cannot be written.
    """
    suffix = path.suffix.lower()
    undated = {".png": "Software", ".svg": "Date", ".pdf": "CreationDate"}[suffix]
    with replacing(path) as file:
        figure.savefig(file, format=suffix.removeprefix("."), metadata={undated: None})
