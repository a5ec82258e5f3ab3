"""Several policies over the same requests, over a range of loads and seeds, in parallel."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from edgebatch import __version__
from edgebatch.comparison.parallel import in_processes
from edgebatch.comparison.tune import tuned
from edgebatch.errors import InputError
from edgebatch.scenario import Policy, Scenario, estimated_capacity
from edgebatch.simulation import summarise


@dataclass(frozen=True, slots=True)
class Run:
    """One policy at one load with one seed.

    Attributes:
        policy: name of the policy as it was asked for.
        knobs: the policy with all the knobs that it ran with.
        rate_per_second: mean arrival rate.
        load: that rate as a multiple of the estimated capacity; None where rates were given.
        seed: seed of the workload.
        summary: the figures, as :meth:`edgebatch.simulation.Summary.to_dict` gives them.
    """

    policy: str
    knobs: str
    rate_per_second: float
    load: float | None
    seed: int
    summary: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The outcome of :func:`compare`.

    Attributes:
        scenario: the scenario's document.
        capacity_per_second: the estimated capacity; None where rates were given.
        runs: ordered by policy, load and seed as they were asked for.
    """

    scenario: dict[str, Any]
    capacity_per_second: float | None
    runs: tuple[Run, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data for JSON, with the version that made it.

        JSON has no infinity, so a scenario's stands there as the text ``inf``.
        """
        return {
            "edgebatch": __version__,
            "scenario": _spelt_out(self.scenario),
            "capacity_per_second": self.capacity_per_second,
            "runs": [asdict(run) for run in self.runs],
        }

    def policies(self) -> list[str]:
        """Return the policies in the order in which they were asked for."""
        return list(dict.fromkeys(run.policy for run in self.runs))

    def rates(self) -> list[float]:
        """Return the arrival rates in the order in which they were asked for."""
        return list(dict.fromkeys(run.rate_per_second for run in self.runs))

    def of(self, policy: str, rate_per_second: float) -> list[Run]:
        """Return the runs of a policy at a rate, one for each seed."""
        return [
            run
            for run in self.runs
            if run.policy == policy and run.rate_per_second == rate_per_second
        ]


def _spelt_out(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _spelt_out(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_spelt_out(entry) for entry in value]
    return str(value) if isinstance(value, float) and math.isinf(value) else value


@dataclass(frozen=True, slots=True)
class _Task:
    """What one worker does: a policy at a rate, with every seed."""

    document: dict[str, Any]
    policy: Policy
    rate_per_second: float
    rate_factor: float
    load: float | None
    seeds: tuple[int, ...]
    tune: bool

    def __call__(self) -> list[Run]:
        policy = self.policy
        if self.tune:
            scenario = Scenario(self.document)
            workload = scenario.workload.scaled(self.rate_factor)
            policy = tuned(policy, scenario, workload)
        return [self._run(policy, seed) for seed in self.seeds]

    def _run(self, policy: Policy, seed: int) -> Run:
        scenario = Scenario({**self.document, "seed": seed})
        workload = scenario.workload.scaled(self.rate_factor)
        summary = summarise(scenario.run(policy, workload))
        return Run(
            policy=self.policy.label,
            knobs=policy.label,
            rate_per_second=self.rate_per_second,
            load=self.load,
            seed=seed,
            summary=summary.to_dict(),
        )


def compare(
    scenario: Scenario,
    policies: Sequence[Policy],
    *,
    loads: Sequence[float] | None = None,
    rates_per_second: Sequence[float] | None = None,
    num_seeds: int = 1,
    tune: bool = False,
    jobs: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Return the figures of every policy at every load with every seed.

    Every policy meets the same requests and the same channel; more seeds start at the scenario's.

    Args:
        scenario: everything but the policy.
        policies: who is compared.
        loads: multiples of the estimated capacity; or
        rates_per_second: arrival rates themselves. With neither, the workload's own rate.
        num_seeds: how many seeds, at least 1.
        tune: whether each policy gets its best knobs at each load, found with the first seed.
        jobs: how many processes to use; -1 for one per core.
        on_progress: called with (done, all) whenever a policy is through with a load.

    Raises:
        InputError: nothing to compare, or the workload's rate is not known.
        EdgebatchError: a process was killed.
    """
    if not policies:
        raise InputError("policies", "must name at least one policy")
    if num_seeds < 1:
        raise InputError("seeds", f"must be at least 1, got {num_seeds}")
    if jobs != -1 and jobs < 1:
        raise InputError("jobs", f"must be at least 1, or -1 for one per core, got {jobs}")
    capacity = estimated_capacity(scenario) if loads is not None else None
    own_rate = scenario.workload.mean_rate
    if own_rate is None:
        raise InputError("workload", "has too few arrivals to have a rate")
    points = _points(own_rate, capacity, loads, rates_per_second)
    seeds = tuple(range(scenario.seed, scenario.seed + num_seeds))
    tasks = [
        _Task(scenario.document, policy, rate, rate / own_rate, load, seeds, tune)
        for policy in policies
        for rate, load in points
    ]
    runs = in_processes(tasks, jobs=jobs, on_progress=on_progress)
    return Comparison(scenario.document, capacity, tuple(runs))


def _points(
    own_rate: float,
    capacity: float | None,
    loads: Sequence[float] | None,
    rates_per_second: Sequence[float] | None,
) -> list[tuple[float, float | None]]:
    """Return (rate, load) of each point."""
    if loads is not None and rates_per_second is not None:
        raise InputError("loads", "must not stand beside rates")
    if loads is not None and capacity is not None:
        return [(load * capacity, load) for load in loads]
    return [(rate, None) for rate in rates_per_second or [own_rate]]
