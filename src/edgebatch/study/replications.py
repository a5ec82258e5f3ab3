"""Independent runs of a scenario at any rate, with the same requests at every rate.

Run k of a drawn workload has a seed of its own; of a trace it has the k-th block of requests. Its
first requests find an idle node, so they warm it up and do not count.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import islice
from typing import Any, NamedTuple, Self

import numpy as np

from edgebatch.errors import InputError
from edgebatch.scenario import Scenario, parse_policy
from edgebatch.scheduling import Outcome
from edgebatch.simulation import summarise
from edgebatch.study.budgets import strengthened
from edgebatch.workload import Arrival, SyntheticWorkload, Workload

_LEAST_BLOCK = 40
"""A run of fewer requests says nothing."""


@dataclass(frozen=True, slots=True)
class RunLength:
    """How long each run is.

    Attributes:
        warm_up: requests that do not count.
        counted: requests after these, which do.
        most_runs: how many runs there can be; a short trace has no more.
    """

    warm_up: int
    counted: int
    most_runs: int

    @property
    def requests(self) -> int:
        """All requests of a run."""
        return self.warm_up + self.counted


@dataclass(frozen=True, slots=True)
class Replication:
    """One run: what, at which rate, which requests.

    A task that any process can carry out; equal ones have equal outcomes.

    Attributes:
        scenario: the document as JSON, so that a process can keep what it made of it.
        policy: the policy's label.
        rate_per_second: mean arrival rate.
        number: which replication, from 0.
        length: how long it is.
        stronger: a budget of which there is a quarter more, see :mod:`edgebatch.study.budgets`;
            None for the scenario as it is.
    """

    scenario: str
    policy: str
    rate_per_second: float
    number: int
    length: RunLength
    stronger: str | None = None

    def __call__(self) -> RunFigures:
        """Carry it out."""
        scenario, workload = self._parts()
        log = scenario.run(parse_policy(self.policy), workload)
        summary = summarise(log)
        counts = log.ledger.column("number") >= self.length.warm_up
        outcome = log.ledger.column("outcome")[counts]
        arrival = log.ledger.column("arrival_seconds")[counts]
        e2e = log.ledger.column("finished_at_seconds")[counts] - arrival
        ttft = log.ledger.column("first_token_at_seconds")[counts] - arrival
        return RunFigures(
            in_time=int((outcome == Outcome.IN_TIME).sum()),
            requests=int(counts.sum()),
            all_in_time=summary.in_time,
            busy_seconds=log.busy_seconds,
            running_seconds=log.running_seconds,
            span_seconds=summary.span_seconds,
            memory_peak=summary.use.memory_peak,
            kept_out_by=summary.use.binding,
            e2e_seconds=e2e[np.isfinite(e2e)].tolist(),
            ttft_seconds=ttft[np.isfinite(ttft)].tolist(),
        )

    def _parts(self) -> tuple[Scenario, Workload]:
        scenario = scenario_of(self.scenario)
        workload = scenario.workload
        arriving: Workload
        if isinstance(workload, SyntheticWorkload):
            seed = scenario.seed + self.number
            drawn = replace(
                workload, num_requests=self.length.requests, duration_seconds=None, seed=seed
            )
            arriving = drawn.scaled(self.rate_per_second / workload.mean_rate)
            scenario = Scenario({**scenario.document, "seed": seed})
        else:
            each = self.length.requests
            recorded = recorded_arrivals(self.scenario, each * self.length.most_runs)
            block = Block(recorded[self.number * each : (self.number + 1) * each])
            arriving = block.scaled(self.rate_per_second / mean_rate(recorded))
        if self.stronger is not None:
            scenario = strengthened(scenario, self.stronger)
        return scenario, arriving


class RunFigures(NamedTuple):
    """What one run amounts to; the first two count only requests after the warm-up.

    Attributes:
        in_time, requests: served in time, and all.
        all_in_time: served in time in the whole run.
        busy_seconds, running_seconds, span_seconds: as in :class:`~edgebatch.scheduling.RunLog`.
        memory_peak: greatest part of the memory in use.
        kept_out_by: how often each budget kept a candidate out.
        e2e_seconds, ttft_seconds: of all that were served, late ones included.
    """

    in_time: int
    requests: int
    all_in_time: int
    busy_seconds: float
    running_seconds: float
    span_seconds: float
    memory_peak: float
    kept_out_by: Mapping[str, int]
    e2e_seconds: list[float]
    ttft_seconds: list[float]


@dataclass(frozen=True)
class Block:
    """Consecutive requests of a trace as a workload of their own.

    Attributes:
        arrivals: as recorded, with the recorded times.
        rate_factor: arrivals come so many times as fast.
    """

    arrivals: tuple[Arrival, ...]
    rate_factor: float = 1.0

    @cached_property
    def mean_rate(self) -> float | None:
        """Gaps per second."""
        return mean_rate(self.arrivals) * self.rate_factor

    def scaled(self, rate_factor: float) -> Self:
        """Return the same requests, arriving ``rate_factor`` times as fast."""
        return replace(self, rate_factor=self.rate_factor * rate_factor)

    def __iter__(self) -> Iterator[Arrival]:
        start = self.arrivals[0].arrival_seconds
        for number, each in enumerate(self.arrivals):
            at = (each.arrival_seconds - start) / self.rate_factor
            yield each._replace(number=number, arrival_seconds=at)


def mean_rate(arrivals: tuple[Arrival, ...]) -> float:
    """Return gaps per second.

    Raises:
        InputError: all arrive at once, or there are fewer than two.
    """
    if len(arrivals) < 2 or arrivals[-1].arrival_seconds <= arrivals[0].arrival_seconds:
        raise InputError("workload", "has too few arrivals to have a rate")
    span = arrivals[-1].arrival_seconds - arrivals[0].arrival_seconds
    return (len(arrivals) - 1) / span


def scenario_text(document: Mapping[str, Any]) -> str:
    """Return a scenario document as the text that :class:`Replication` takes."""
    return json.dumps(document, sort_keys=True)


@lru_cache(maxsize=32)
def scenario_of(text: str) -> Scenario:
    """Return the scenario of a text."""
    return Scenario(json.loads(text))


@lru_cache(maxsize=2)
def recorded_arrivals(text: str, most: int) -> tuple[Arrival, ...]:
    """Return the first requests of a scenario's workload, at most so many."""
    return tuple(islice(scenario_of(text).workload, most))


def fitted_length(wanted: RunLength, available: int) -> RunLength:
    """Return runs that a trace of so many requests suffices for: shorter, then fewer.

    Raises:
        InputError: it does not even suffice for four short ones.
    """
    each = min(wanted.requests, available // 4)
    if each < _LEAST_BLOCK:
        raise InputError(
            "workload",
            f"has {available} requests, but a plan needs at least {4 * _LEAST_BLOCK}",
        )
    warm_up = wanted.warm_up * each // wanted.requests
    return RunLength(warm_up, each - warm_up, min(wanted.most_runs, available // each))
