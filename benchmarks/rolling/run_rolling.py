"""``rolling`` against every policy at its best knobs, an upper bound, and on a strange node.

    python benchmarks/rolling/run_rolling.py --results docs/assets/rolling --jobs 2

writes ``policies.csv``, ``reality.csv``, ``bound.csv`` and ``hindsight.csv``, a row per run. What
is there already is not run again, so an interrupted evaluation goes on where it stopped.
``rolling_report.py`` makes tables and plots of them.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import joblib
from rolling_workloads import (
    AZURE_TRACE,
    LOADS,
    SEEDS,
    WORKLOADS,
    Listed,
    arrivals,
    as_slow_as,
    scenario,
)

from edgebatch.comparison import tuned
from edgebatch.comparison.upper_bound import upper_bound
from edgebatch.scenario import Policy, Scenario
from edgebatch.simulation import summarise
from edgebatch.workload import Workload

BASELINES = (
    *("continuous", "continuous-edf", "continuous-sjf"),
    *("fcfs", "edf", "sjf", "greedy", "static", "none", "dftsp"),
)
HINDSIGHT_LOADS = (1.0, 5.0)
REALITIES = ((1.2, 0.0), (1.0, 0.1), (1.0, 0.3), (1.2, 0.3))
"""(time_factor, noise) of nodes that are not as they are believed to be."""

Row = dict[str, Any]
Tasks = dict[tuple[Any, ...], Callable[[], list[Row]]]


@dataclass(frozen=True)
class Point:
    """A workload at a load."""

    workload: str
    load: float
    trace: Path

    def of(self, seed: int) -> tuple[Scenario, Workload]:
        base = scenario(self.workload, self.load, seed, self.trace)
        return base, arrivals(base, self.workload, self.load, self.trace)

    def row(self, seed: int, **figures: Any) -> Row:
        return {"workload": self.workload, "load": self.load, "seed": seed, **figures}


def run_policy(point: Point, name: str) -> list[Row]:
    """Run a policy with every seed; all but ``rolling`` with knobs tuned on the first."""
    policy = Policy(name)
    if name != "rolling":
        policy = tuned(policy, *point.of(SEEDS[0]))
    return [figures_of(point, seed, policy, *point.of(seed)) for seed in SEEDS]


def figures_of(point: Point, seed: int, policy: Policy, base: Scenario, workload: Workload) -> Row:
    summary = summarise(base.run(policy, workload))
    return point.row(
        seed,
        policy=policy.name,
        knobs=policy.label,
        requests=summary.requests,
        in_time=summary.in_time,
        late=summary.late,
    )


def run_bound(point: Point) -> list[Row]:
    """Bound what any scheduler could serve of each seed's requests."""
    rows = []
    for seed in SEEDS:
        base, workload = point.of(seed)
        rows.append(point.row(seed, bound=upper_bound(base.hosting, workload).value))
    return rows


def run_hindsight(point: Point) -> list[Row]:
    """Let ``rolling`` serve only whom the relaxation would: what knowing the future gives at least.

    The best of several roundings of the relaxation and reserves is taken.
    """
    rows = []
    for seed in SEEDS[:3]:
        base, workload = point.of(seed)
        bound = upper_bound(base.hosting, workload)
        shared = list(zip(workload, bound.shares.tolist(), strict=True))
        chosen = [
            Listed(tuple(each for each, share in shared if share >= least))
            for least in (0.01, 0.5, 0.99)
        ]
        policies = [
            Policy("rolling", precision=precision.name, reserve=reserve)
            for precision in base.hosting.precisions
            for reserve in (None, 0.0, 0.5)
        ]
        in_time = [
            summarise(base.run(policy, each)).in_time for policy in policies for each in chosen
        ]
        rows.append(point.row(seed, bound=bound.value, hindsight=max(in_time)))
    return rows


def run_reality(point: Point, time_factor: float, noise: float) -> list[Row]:
    """Run ``rolling`` on a node that is not as believed, and on one that is known to be so slow."""
    rows = []
    for seed in SEEDS:
        base, workload = point.of(seed)
        informed = as_slow_as(base, time_factor)
        strange = base.with_settings(f"reality.time_factor={time_factor}", f"reality.noise={noise}")
        figures = {"time_factor": time_factor, "noise": noise}
        for name, each in (("informed", informed), ("observing", strange)):
            summary = summarise(each.run(Policy("rolling"), workload))
            figures[name] = summary.in_time
            figures[f"{name}_late"] = summary.late
        rows.append(point.row(seed, **figures))
    return rows


def run_missing(path: Path, tasks: Tasks, key: Iterable[str], jobs: int) -> None:
    """Run the tasks that have no rows in ``path`` yet, and append theirs as they finish."""
    done = set()
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            done = {tuple(row[name] for name in key) for row in csv.DictReader(file)}
    left = [task for name, task in tasks.items() if tuple(map(str, name)) not in done]
    finished = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")(
        joblib.delayed(task)() for task in left
    )
    for number, rows in enumerate(finished, start=1):
        is_new = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            if is_new:
                writer.writeheader()
            writer.writerows(rows)
        print(f"{path.name}: {number} of {len(left)}", flush=True)


def tasks_by_file(points: list[Point]) -> dict[str, tuple[tuple[str, ...], Tasks]]:
    """Return what each file holds: the columns that name a task, and the tasks by those names."""
    policies: Tasks = {
        (each.workload, each.load, name): partial(run_policy, each, name)
        for each in points
        for name in ("rolling", *BASELINES)
    }
    realities: Tasks = {
        (each.workload, each.load, *reality): partial(run_reality, each, *reality)
        for each in points
        for reality in REALITIES
    }
    bounds: Tasks = {(each.workload, each.load): partial(run_bound, each) for each in points}
    hindsights: Tasks = {
        (each.workload, each.load): partial(run_hindsight, each)
        for each in points
        if each.load in HINDSIGHT_LOADS
    }
    return {
        "policies.csv": (("workload", "load", "policy"), policies),
        "reality.csv": (("workload", "load", "time_factor", "noise"), realities),
        "bound.csv": (("workload", "load"), bounds),
        "hindsight.csv": (("workload", "load"), hindsights),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True, help="folder of the CSV files")
    parser.add_argument("--trace", type=Path, default=AZURE_TRACE, help="the Azure trace")
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    arguments.results.mkdir(parents=True, exist_ok=True)
    points = [Point(*each, arguments.trace) for each in product(WORKLOADS, LOADS)]
    for file, (key, tasks) in tasks_by_file(points).items():
        run_missing(arguments.results / file, tasks, key, arguments.jobs)


if __name__ == "__main__":
    main()
