"""``edgebatch report``: results as one HTML page, and as figures for papers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgebatch.cli.output import stderr_console
from edgebatch.errors import InputError
from edgebatch.files import require_place

EXAMPLES = """\
  edgebatch report results
  edgebatch report results --output page.html --open
  edgebatch report results --figures figures --figure-format svg
  edgebatch report plan.json
"""

_SUFFIX = ".html"


def command(
    results: Annotated[
        Path,
        typer.Argument(
            metavar="RESULTS",
            help="Folder that edgebatch sweep filled, or file that edgebatch plan wrote.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where to write the page.",
            show_default="RESULTS.html",
        ),
    ] = None,
    figures: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write the plots as single files, too, for papers."),
    ] = None,
    figure_format: Annotated[
        str, typer.Option(metavar="FORMAT", help="Of those files: png or svg.")
    ] = "png",
    trace: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The trace that a sweep read, for one run over time, if it is neither here nor "
            "beside the results.",
        ),
    ] = None,
    open_page: Annotated[
        bool, typer.Option("--open", help="Show the page in the browser.")
    ] = False,
) -> None:
    """Make one HTML page of the results of a sweep or a plan; it needs no network.

    The page says in words who serves most in time and what cannot be told apart, and has plots
    with confidence intervals, tables to sort, one run over time, and how to run it all again. The
    same results give the same bytes.
    """
    from edgebatch.reporting.html.opening import write_figures, write_page
    from edgebatch.reporting.html.paper import FORMATS

    if figure_format not in FORMATS:
        raise InputError("--figure-format", f"must be png or svg, got {figure_format!r}")
    path = output or _beside(results)
    require_place("--output", path)
    drawn = [] if figures is None else write_figures(results, figures, figure_format)
    write_page(results, path, trace)
    for line in (f"page: {path}", *(f"figure: {figure}" for figure in drawn)):
        stderr_console().print(line, soft_wrap=True)
    if open_page:
        typer.launch(path.resolve().as_uri())


def _beside(results: Path) -> Path:
    """Return where the page goes by default: beside the results, under their name."""
    named = results if results.name else results.resolve()
    return named.with_name(f"{named.name if named.is_dir() else named.stem}{_SUFFIX}")
