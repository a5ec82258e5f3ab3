"""Making the runs of a study: what one run does, and many of them on this machine's cores."""

from __future__ import annotations

import functools
import json
import warnings
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import joblib

from edgebatch import __version__
from edgebatch.errors import EdgebatchError, InputError, killed_process_told
from edgebatch.scenario import Scenario, estimated_capacity, parse_policy
from edgebatch.simulation import summarise
from edgebatch.study.definition import Study, StudyRun
from edgebatch.study.places import named_value, names_of
from edgebatch.study.rows import Row, axis_cell, axis_column_types, figures
from edgebatch.workload import Workload


@dataclass(frozen=True, slots=True)
class RunTask:
    """One run as plain data, which travels to other processes and machines.

    Attributes:
        run: which one.
        document: its scenario document, the run's seed included.
        base_seed: the scenario's own seed, with which the capacity is estimated.
        load: multiple of the estimated capacity; or
        rate: arrivals per second. With neither, the workload's own rate.
        identity: the first columns of its row.
    """

    run: StudyRun
    document: dict[str, Any]
    base_seed: int
    load: float | None
    rate: float | None
    identity: Row

    def __call__(self) -> Row:
        """Make the run and return its row.

        Raises:
            EdgebatchError: it cannot be made; says which one.
        """
        try:
            scenario = Scenario(self.document)
            workload, rate = self._workload(scenario)
            log = scenario.run(parse_policy(self.run.policy), workload)
        except EdgebatchError as error:
            where = f"{self.run.policy}, seed {self.run.seed}, run {self.run.number}"
            raise EdgebatchError(f"{where}: {error}") from error
        # the version is that of the process that simulates, which may be on another machine
        made_by = {"edgebatch": __version__}
        return {**self.identity, **made_by, **figures(summarise(log).to_dict(), rate)}

    def _workload(self, scenario: Scenario) -> tuple[Workload, float | None]:
        workload = scenario.workload
        own_rate, wanted = workload.mean_rate, self.rate
        if self.load is not None:
            wanted = self.load * _capacity(json.dumps({**self.document, "seed": self.base_seed}))
        if wanted is None:
            return workload, own_rate
        if own_rate is None:
            raise InputError("workload", "has too few arrivals to have a rate")
        return workload.scaled(wanted / own_rate), wanted


@functools.lru_cache(maxsize=256)
def _capacity(document: str) -> float:
    """Return the estimated capacity; each process works it out once a point, not once a run."""
    return estimated_capacity(Scenario(json.loads(document)))


def tasks(study: Study, runs: Sequence[StudyRun]) -> Iterator[RunTask]:
    """Yield the tasks of some runs of a study."""
    kinds, names = axis_column_types(study), names_of(study.files)
    for run in runs:
        cells = {
            axis.key: axis_cell(named_value(axis.key, value, names), kinds[axis.key])
            for axis, value in zip(study.axes, run.values, strict=True)
        }
        yield RunTask(
            run=run,
            document=study.document_at(run.values, run.seed),
            base_seed=study.document_at(run.values).get("seed", 0),
            load=study.load_of(run.values),
            rate=study.rate_of(run.values),
            identity={
                "run": run.number,
                "scenario_hash": study.scenario_hash(run),
                "edgebatch": __version__,
                "seed": run.seed,
                "policy": run.policy,
                **cells,
            },
        )


def make_row(task: RunTask) -> Row:
    """Make a run and return its row; a function, so that other processes can find it by name."""
    return task()


def run_here(study: Study, runs: Sequence[StudyRun], jobs: int) -> Generator[Row]:
    """Make runs in processes of this machine and yield their rows as they come.

    Args:
        study: what they belong to.
        runs: which ones.
        jobs: how many processes; -1 for one per core.

    Raises:
        EdgebatchError: a run cannot be made, or a process was killed.
    """
    parallel = joblib.Parallel(n_jobs=min(jobs, len(runs)), return_as="generator_unordered")
    rows = parallel(joblib.delayed(make_row)(task) for task in tasks(study, runs))
    try:
        with killed_process_told("what was finished is kept, and the same command goes on"):
            for row in rows:  # noqa: UP028 - it would close them where the warning is not caught
                yield row
    finally:
        with warnings.catch_warnings():
            # whoever stops early knows that runs were begun in vain
            warnings.simplefilter("ignore", UserWarning)
            rows.close()
