"""Tasks spread over processes of this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import joblib

from edgebatch.errors import killed_process_told

Made = TypeVar("Made")


def in_processes(
    tasks: Sequence[Callable[[], list[Made]]],
    *,
    jobs: int,
    on_progress: Callable[[int, int], None] | None,
) -> list[Made]:
    """Return what all tasks return, in their order.

    Args:
        tasks: can be pickled.
        jobs: how many processes to use; -1 for one per core.
        on_progress: called with (done, all) after each task.

    Raises:
        EdgebatchError: a process was killed.
    """
    parallel = joblib.Parallel(n_jobs=min(jobs, max(1, len(tasks))), return_as="generator")
    made: list[Made] = []
    with killed_process_told():
        results = parallel(joblib.delayed(task)() for task in tasks)
        for done, finished in enumerate(results, start=1):
            made += finished
            if on_progress is not None:
                on_progress(done, len(tasks))
    return made
