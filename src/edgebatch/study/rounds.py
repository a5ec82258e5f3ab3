"""Many searches side by side: in every round all their tasks together are spread over processes.

A search is a generator that yields lists of tasks and is sent lists of their outcomes. What comes
out does not depend on how many processes there are.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeVar

import joblib

from edgebatch.errors import InputError, killed_process_told

Task = Callable[[], Any]
Found = TypeVar("Found")
Search = Generator[Sequence[Task], list[Any], Found]

_USUAL_TASKS = 60
"""How many tasks a search is thought to need until it is known, for showing progress."""


def carried_out(
    searches: Sequence[Search[Found]],
    *,
    jobs: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Found]:
    """Return what every search returns, in their order.

    Args:
        searches: not yet begun.
        jobs: how many processes to use; -1 for one per core.
        on_progress: called with (done, probably all) whenever a task is done.

    Raises:
        InputError: not such a number of processes.
        EdgebatchError: a process was killed.
    """
    if jobs != -1 and jobs < 1:
        raise InputError("jobs", f"must be at least 1, or -1 for one per core, got {jobs}")
    found: dict[int, Found] = {}
    done = [0] * len(searches)
    wanted: dict[int, Sequence[Task]] = {}

    def go_on(number: int, outcomes: list[Any] | None) -> None:
        try:
            search = searches[number]
            wanted[number] = next(search) if outcomes is None else search.send(outcomes)
        except StopIteration as end:
            found[number] = end.value

    def tell() -> None:
        if on_progress is not None:
            expected = (
                count if number in found else max(count + 1, _USUAL_TASKS)
                for number, count in enumerate(done)
            )
            on_progress(sum(done), sum(expected))

    for number in range(len(searches)):
        go_on(number, None)
    with joblib.Parallel(n_jobs=jobs, return_as="generator") as pool:
        while wanted:
            this_round, wanted = wanted, {}
            tasks = [(number, task) for number, each in this_round.items() for task in each]
            received: dict[int, list[Any]] = {number: [] for number in this_round}
            with killed_process_told():
                outcomes = pool(joblib.delayed(task)() for _, task in tasks)
                for (number, _), outcome in zip(tasks, outcomes, strict=True):
                    received[number].append(outcome)
                    done[number] += 1
                    tell()
            for number, each in received.items():
                go_on(number, each)
    return [found[number] for number in range(len(searches))]
