"""Running the throughput studies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edgebatch.comparison.compare import Run, compare
from edgebatch.comparison.evaluation.studies import SCENARIO, Plan, Point, Setting, Study
from edgebatch.comparison.parallel import in_processes
from edgebatch.scenario import Scenario, parse_policy


@dataclass(frozen=True, slots=True)
class Observation:
    """One policy at one point with one seed.

    Attributes:
        study, setting: their names.
        model: the hosted model.
        point: label of the point.
        policy: the policy with its knobs.
        seed: seed of everything random.
        requests: how many arrived.
        in_time: how many were served in time.
        throughput_per_second: served in time per second in which requests arrived, so that all
            policies are measured over the same time.
        mean_batch_size: requests per batch; 0 if there was no batch.
        bound_by: the budget that kept candidates out most often; empty if none ever did.
    """

    study: str
    setting: str
    model: str
    point: str
    policy: str
    seed: int
    requests: int
    in_time: int
    throughput_per_second: float
    mean_batch_size: float
    bound_by: str


@dataclass(frozen=True, slots=True)
class _Cell:
    """What one worker does: all policies and seeds at one point."""

    study: Study
    setting: Setting
    model: str
    point: Point
    num_seeds: int
    duration_seconds: float

    def __call__(self) -> list[Observation]:
        scenario = Scenario.load(
            SCENARIO,
            [
                f"model.name={self.model}",
                f"workload.duration_seconds={self.duration_seconds}",
                *self.setting.changes,
                *self.point.changes,
            ],
        )
        policies = [parse_policy(name) for name in self.study.policies]
        return [
            self._observed(run)
            for run in compare(scenario, policies, num_seeds=self.num_seeds).runs
        ]

    def _observed(self, run: Run) -> Observation:
        summary = run.summary
        sizes, binding = summary["batch_size"], summary["use"]["binding"]
        return Observation(
            study=self.study.name,
            setting=self.setting.name,
            model=self.model,
            point=self.point.label,
            policy=run.policy,
            seed=run.seed,
            requests=summary["requests"],
            in_time=summary["in_time"],
            throughput_per_second=summary["in_time"] / self.duration_seconds,
            mean_batch_size=sizes["mean"] if sizes else 0.0,
            bound_by=max(binding, key=lambda budget: binding[budget], default=""),
        )


def observe(
    plan: Plan, *, jobs: int = 1, on_progress: Callable[[int, int], None] | None = None
) -> list[Observation]:
    """Run the throughput studies of a plan.

    Args:
        plan: what to run.
        jobs: how many processes to use; -1 for one per core.
        on_progress: called with (done, all) after each point.

    Returns:
        Observations in the order of studies, settings, models, points, policies and seeds.

    Raises:
        EdgebatchError: a process was killed.
    """
    return in_processes(list(_cells(plan)), jobs=jobs, on_progress=on_progress)


def _cells(plan: Plan) -> Iterator[_Cell]:
    for study in plan.studies:
        for setting in study.settings:
            for model in setting.models:
                for point in study.points:
                    yield _Cell(study, setting, model, point, plan.num_seeds, plan.duration_seconds)
