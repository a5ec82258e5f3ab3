"""Nodes visited by DFTSP and by brute force on the decisions that come up in a DFTSP run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from edgebatch.comparison.evaluation.studies import SCENARIO, Plan, SearchStudy, Setting
from edgebatch.comparison.parallel import in_processes
from edgebatch.problem import Problem
from edgebatch.scenario import Scenario
from edgebatch.scheduling import EpochScheduler
from edgebatch.simulation import EpochSimulation
from edgebatch.solvers import Result, Status, Stop
from edgebatch.solvers.brute_force import BruteForce
from edgebatch.solvers.dftsp import Dftsp


@dataclass(frozen=True, slots=True)
class SearchEffort:
    """One decision, solved twice.

    Attributes:
        setting: its name.
        model: the hosted model.
        rate_per_second: arrival rate.
        decision: its number in the run.
        waiting: requests to choose from.
        dftsp_nodes, brute_force_nodes: nodes visited.
        dftsp_finished: whether it proved its answer within its limit.
        brute_force_finished: whether it visited all of its nodes, or gave up at its limit.
    """

    setting: str
    model: str
    rate_per_second: int
    decision: int
    waiting: int
    dftsp_nodes: int
    brute_force_nodes: int
    dftsp_finished: bool
    brute_force_finished: bool


@dataclass(slots=True)
class _Recorder:
    """DFTSP that keeps every problem that it was given, with its answer."""

    name: ClassVar[str] = "dftsp"

    seen: list[tuple[Problem, Result]] = field(default_factory=list)

    def solve(self, problem: Problem, stop: Stop = Stop()) -> Result:
        """Decide as DFTSP does."""
        result = Dftsp().solve(problem, stop)
        self.seen.append((problem, result))
        return result


@dataclass(frozen=True, slots=True)
class _Cell:
    """What one worker does: one run, and brute force on a part of its decisions."""

    study: SearchStudy
    setting: Setting
    model: str
    rate_per_second: int
    duration_seconds: float

    def __call__(self) -> list[SearchEffort]:
        seen = self._decisions()
        count = min(len(seen), self.study.decisions_per_run)
        chosen = np.linspace(0, len(seen) - 1, count).round().astype(int).tolist()
        return [self._effort(number, *seen[number]) for number in chosen]

    def _decisions(self) -> list[tuple[Problem, Result]]:
        scenario = Scenario.load(
            SCENARIO,
            [
                f"model.name={self.model}",
                f"workload.rate_per_second={self.rate_per_second}",
                f"workload.duration_seconds={self.duration_seconds}",
                *self.setting.changes,
            ],
        )
        recorder = _Recorder()
        scheduler = EpochScheduler(
            scenario.hosting, recorder, stop=scenario.stop, channel=scenario.channel
        )
        EpochSimulation(scheduler, scenario.workload).run()
        return recorder.seen

    def _effort(self, number: int, problem: Problem, result: Result) -> SearchEffort:
        exhaustive = BruteForce().solve(problem, Stop(node_limit=self.study.node_limit))
        return SearchEffort(
            setting=self.setting.name,
            model=self.model,
            rate_per_second=self.rate_per_second,
            decision=number,
            waiting=len(problem.requests),
            dftsp_nodes=result.nodes,
            brute_force_nodes=exhaustive.nodes,
            dftsp_finished=result.status is Status.OPTIMAL,
            brute_force_finished=exhaustive.nodes < self.study.node_limit,
        )


def measure_search(
    plan: Plan, *, jobs: int = 1, on_progress: Callable[[int, int], None] | None = None
) -> list[SearchEffort]:
    """Run the search study of a plan with the scenario's own seed.

    Args:
        plan: what to run.
        jobs: how many processes to use; -1 for one per core.
        on_progress: called with (done, all) after each run.

    Returns:
        Efforts in the order of settings, models, rates and decisions.

    Raises:
        EdgebatchError: a process was killed.
    """
    study = plan.search
    cells = [
        _Cell(study, setting, model, rate, plan.duration_seconds)
        for setting in study.settings
        for model in setting.models
        for rate in study.rates_per_second
    ]
    return in_processes(cells, jobs=jobs, on_progress=on_progress)
