"""From what the user names to a page: a sweep's folder or a plan's file."""

from __future__ import annotations

from pathlib import Path

from edgebatch.errors import InputError
from edgebatch.files import replacing
from edgebatch.reporting.html.page import Page, render
from edgebatch.reporting.html.plan.document import read_plan
from edgebatch.reporting.html.plan.page import plan_page
from edgebatch.reporting.html.plan.paper_figures import save_plan_figures
from edgebatch.reporting.html.sweep.page import study_page
from edgebatch.reporting.html.sweep.paper_figures import save_paper_figures
from edgebatch.reporting.html.sweep.view import StudyView
from edgebatch.study.places import require_read_by
from edgebatch.study.results import STUDY_FILE, StudyResults


def open_results(path: Path, trace: Path | None = None) -> StudyView:
    """Return the results of a sweep.

    Args:
        path: their folder.
        trace: the trace that it read, if that is not found by its name.

    Raises:
        InputError: there are none, they are damaged, not one run is there yet, or the trace is
            another.
        MissingExtraError: pyarrow is not installed.
    """
    view = StudyView.of(StudyResults.open(path), trace)
    if trace is not None:
        require_read_by(view.results.study, trace)
    if view.results.num_done == 0:
        raise InputError(str(path), "has no runs yet; run the sweep first")
    return view


def page_of(path: Path, trace: Path | None = None) -> Page:
    """Return the page of a sweep's folder or of a plan's file.

    Args:
        path: folder or file.
        trace: the trace that a sweep read, if that is not found by its name.

    Raises:
        InputError: there is neither, or something in it is wrong.
        MissingExtraError: a library is missing.
    """
    _require_there(path)
    if path.is_dir():
        return study_page(open_results(path, trace))
    if trace is not None:
        raise InputError("--trace", "only goes with the folder of a sweep")
    return plan_page(read_plan(path))


def write_page(results: Path, output: Path, trace: Path | None = None) -> None:
    """Write the page of results as one HTML file, whole or not at all.

    Args:
        results: the folder of a sweep or the file of a plan.
        output: where to write it.
        trace: the trace that a sweep read, if that is not found by its name.

    Raises:
        InputError: the results cannot be read, or the file cannot be written.
        MissingExtraError: a library is missing.
    """
    content = render(page_of(results, trace))
    with replacing(output) as file:
        file.write(content)


def write_figures(results: Path, folder: Path, suffix: str) -> list[Path]:
    """Write the plots of a sweep's or of a plan's results as single files; return their paths.

    Raises:
        InputError: the results cannot be read, or a file cannot be written.
        MissingExtraError: a library is missing.
    """
    _require_there(results)
    if results.is_dir():
        return save_paper_figures(open_results(results), folder, suffix)
    return save_plan_figures(read_plan(results), folder, suffix)


def _require_there(path: Path) -> None:
    if not path.exists():
        raise InputError(
            str(path), "is not there; give the folder of a sweep or the file of a plan"
        )
    if path.suffix in (".parquet", ".toml") and (path.parent / STUDY_FILE).exists():
        raise InputError(str(path), f"is a part of a sweep; give its folder, {path.parent}")
