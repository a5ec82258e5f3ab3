"""What the figures for papers of sweeps and of plans share."""

from __future__ import annotations

import re
from pathlib import Path

from edgebatch.errors import InputError
from edgebatch.reporting.plots.style import check_plot_path

FORMATS = ("png", "svg")

MARKERS = {
    **{"circle": "o", "square": "s", "triangle-up": "^", "diamond": "D", "triangle-down": "v"},
    **{"cross": "P", "x": "X", "star": "*", "hexagon": "h", "pentagon": "p"},
}
"""Matplotlib's names of the page's markers,"""
STYLES = {"solid": "-", "dash": "--", "dot": ":", "dashdot": "-."}
"""and of its dashes."""


def make_folder(folder: Path, suffix: str) -> None:
    """Make the folder of figures, unless it is there.

    Args:
        folder: where.
        suffix: one of :data:`FORMATS`.

    Raises:
        InputError: it cannot be made.
        MissingExtraError: matplotlib is not installed.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError("--figures", f"{str(folder)!r}: {error.strerror}") from error
    check_plot_path(folder / f"figure.{suffix}")


def file_words(label: str) -> str:
    """Return a label as a part of a file's name."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", label).strip("-").lower()[:60]
