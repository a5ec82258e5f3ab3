"""From what the user names to a page: a sweep's folder or a plan's file."""

from __future__ import annotations

from pathlib import Path

from edgebatch.errors import InputError
from edgebatch.files import replacing
from edgebatch.reporting.html.page import Page, render
from edgebatch.reporting.html.plan.document import read_plan
from edgebatch.reporting.html.plan.page import plan_page
from edgebatch.reporting.html.sweep.page import study_page
from edgebatch.reporting.html.sweep.paper_figures import save_paper_figures
from edgebatch.reporting.html.sweep.view import StudyView
from edgebatch.study.results import StudyResults


def open_results(path: Path) -> StudyView:
    """Return the results of a sweep.

    Raises:
        InputError: there are none, they are damaged, or not one run is there yet.
        MissingExtraError: pyarrow is not installed.
    """
    view = StudyView.of(StudyResults.open(path))
    if view.results.num_done == 0:
        raise InputError(str(path), "has no runs yet; run the sweep first")
    return view


def page_of(path: Path) -> Page:
    """Return the page of a sweep's folder or of a plan's file.

    Raises:
        InputError: there is neither, or something in it is wrong.
        MissingExtraError: a library is missing.
    """
    if not path.exists():
        raise InputError(
            str(path), "is not there; give the folder of a sweep or the file of a plan"
        )
    return study_page(open_results(path)) if path.is_dir() else plan_page(read_plan(path))


def write_page(results: Path, output: Path) -> None:
    """Write the page of results as one HTML file, whole or not at all.

    Raises:
        InputError: the results cannot be read, or the file cannot be written.
        MissingExtraError: a library is missing.
    """
    content = render(page_of(results))
    with replacing(output) as file:
        file.write(content)


def write_figures(results: Path, folder: Path, suffix: str) -> list[Path]:
    """Write the plots of a sweep's results as single files and return their paths.

    Raises:
        InputError: the results are no sweep's, or a file cannot be written.
        MissingExtraError: a library is missing.
    """
    if not results.is_dir():
        raise InputError("--figures", "only goes with the folder of a sweep")
    return save_paper_figures(open_results(results), folder, suffix)
