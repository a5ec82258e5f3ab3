"""Running a study into its results folder: from the start, or from where it was left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

from edgebatch.errors import CannotHostError, InputError
from edgebatch.scenario import Scenario, estimated_capacity
from edgebatch.study.cluster import run_on_cluster
from edgebatch.study.definition import Study
from edgebatch.study.digests import canonical_hash
from edgebatch.study.execution import run_here
from edgebatch.study.parts import require_parquet
from edgebatch.study.results import STUDY_FILE, StudyResults
from edgebatch.study.rows import Row

_SECONDS_BETWEEN_PARTS = 0.5
"""At most so much work of finished runs is lost when the process is killed."""
_MOST_ROWS_WAITING = 2000


def sweep(
    study: Study,
    folder: Path,
    *,
    jobs: int = 1,
    cluster: str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> StudyResults:
    """Make all runs of a study that are still missing in a folder, and return the results.

    Whatever happens, what was written stays, and the same call goes on from there. The files of a
    complete study depend on the study alone, not on how often it was interrupted or where it ran.

    Args:
        study: what to run.
        folder: new, empty, or with results of the same study.
        jobs: how many processes to use; -1 for one per core.
        cluster: address of a Dask scheduler whose workers make the runs instead.
        on_progress: called with (done, all) at the start and after each run.

    Raises:
        InputError: a setting is wrong, or the folder cannot be used.
        EdgebatchError: a run cannot be made, or another process writes to the folder.
        MissingExtraError: a library is missing.
    """
    if jobs != -1 and jobs < 1:
        raise InputError("jobs", f"must be at least 1, or -1 for one per core, got {jobs}")
    require_parquet()
    if (folder / STUDY_FILE).exists():
        results = StudyResults.open(folder, study)
    else:
        check_settings(study)
        results = StudyResults.create(folder, study)
    if results.is_finished:
        return results
    with results.locked():
        runs = results.missing_runs()
        if runs:
            made = run_on_cluster(study, runs, cluster) if cluster else run_here(study, runs, jobs)
            with closing(made):
                _collect(results, made, on_progress)
        results.finish()
    return results


def check_settings(study: Study) -> None:
    """Raise unless every combination of the axes' values makes a scenario that can be run.

    Raises:
        InputError: one does not; says which.
    """
    looked_at: set[str] = set()
    for values in study.points():
        document = study.document_at(values)
        text = canonical_hash(document)
        if text in looked_at:
            continue
        looked_at.add(text)
        try:
            scenario = Scenario(document)
            _ = scenario.workload
            if study.load_of(values) is not None:
                _require_capacity(scenario)
        except (InputError, CannotHostError) as error:
            pairs = zip(study.axes, values, strict=True)
            where = ", ".join(f"{axis.key}={value}" for axis, value in pairs if axis.is_setting)
            raise (InputError(f"axis {where}", str(error)) if where else error) from error


def _require_capacity(scenario: Scenario) -> None:
    """Raise unless loads, multiples of the estimated capacity, mean something.

    Raises:
        InputError: the capacity is 0.
    """
    try:
        estimated_capacity(scenario)
    except InputError as error:
        if error.path != "compare.loads":
            raise
        raise InputError(
            "load",
            "is a multiple of the capacity, which is 0: not even one average request fits memory "
            "and deadline; vary the arrival rate instead, as in --axis rate=0.1,1,10",
        ) from error


def _collect(
    results: StudyResults,
    made: Iterable[Row],
    on_progress: Callable[[int, int], None] | None,
) -> None:
    """Write rows down as they come; those that are waiting also when something goes wrong."""
    total, waiting = results.study.num_runs, list[Row]()

    def tell() -> None:
        if on_progress is not None:
            on_progress(results.num_done + len(waiting), total)

    tell()
    written_at = time.monotonic()
    try:
        for row in made:
            waiting.append(row)
            tell()
            overdue = time.monotonic() - written_at >= _SECONDS_BETWEEN_PARTS
            if overdue or len(waiting) >= _MOST_ROWS_WAITING:
                rows, waiting = waiting, []
                results.append(rows)
                written_at = time.monotonic()
    finally:
        results.append(waiting)
