"""A first guess of the sustainable rate, and how long runs must be to tell it.

A node that is asked a little too much falls behind slowly: its queue must grow for many deadlines
before requests fail. Runs that are too short would call such a rate sustainable. So every run warms
up for four typical deadlines, and counts as many requests as come in another four, at least 300.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice

import numpy as np

from edgebatch.cost import BatchCost
from edgebatch.errors import InputError
from edgebatch.scenario import Scenario
from edgebatch.study.replications import (
    Replication,
    RunLength,
    fitted_length,
    recorded_arrivals,
    scenario_of,
)
from edgebatch.workload import SyntheticWorkload, Workload

_SAMPLE_REQUESTS = 2000
_DEADLINES = 4.0
_LEAST_COUNTED, _MOST_REQUESTS = 300, 2000
_SCOUT = "continuous-edf:expire=true"
"""Tells in a moment what others tell in seconds; where it begins changes no result much."""
_STEPS = 12
_LIGHT = 1.0 / 64.0
"""Below this part of the first rate tried, requests hardly meet any more."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where a search begins.

    Attributes:
        rate_per_second: first guess.
        length: how long each run is.
    """

    rate_per_second: float
    length: RunLength


@dataclass(frozen=True, slots=True)
class Scouting:
    """Finds a start; a task for any process.

    Attributes:
        scenario: the document as JSON.
        target: share of requests to be served in time.
        most_runs: how many runs an undecided rate may take.
    """

    scenario: str
    target: float
    most_runs: int

    def __call__(self) -> Start:
        """Carry it out."""
        scenario = scenario_of(self.scenario)
        sample = list(islice(scenario.workload, _SAMPLE_REQUESTS))
        deadlines = [each.deadline_seconds for each in sample]
        deadline = float(np.median([each for each in deadlines if math.isfinite(each)]))
        rate = first = self._middle(scenario)
        low, high = 0.0, math.inf
        for _ in range(_STEPS):
            length = self._length(scenario, deadline * rate)
            figures = Replication(self.scenario, _SCOUT, rate, 0, length)()
            if figures.in_time >= self.target * figures.requests:
                low = rate
            else:
                high = rate
            rate = _between(low, high)
            if 1.2 * low >= high or rate < _LIGHT * first:
                break
        return Start(rate, self._length(scenario, deadline * rate))

    def _middle(self, scenario: Scenario) -> float:
        """Return a rate between that of requests one by one and that of endless batches."""
        hosting = scenario.hosting
        best = max(hosting.precisions, key=lambda each: each.quality)
        cost = BatchCost(hosting.node, hosting.model, best)
        sample = list(islice(scenario.workload, _SAMPLE_REQUESTS))
        prompt = np.array([float(each.prompt_tokens) for each in sample])
        output = np.array([float(each.actual_output_tokens) for each in sample])
        together = float(cost.member_seconds(prompt, output).mean())
        alone = together + float(cost.fixed_seconds(output).mean())
        return 1.0 / math.sqrt(alone * together)

    def _length(self, scenario: Scenario, per_deadline: float) -> RunLength:
        some = math.ceil(_DEADLINES * per_deadline)
        counted = max(_LEAST_COUNTED, some)
        whole = min(some + counted, _MOST_REQUESTS)
        wanted = RunLength(min(some, whole // 2), whole - min(some, whole // 2), self.most_runs)
        if isinstance(scenario.workload, SyntheticWorkload):
            return wanted
        most = wanted.requests * self.most_runs
        return fitted_length(wanted, len(recorded_arrivals(self.scenario, most)))


def _between(low: float, high: float) -> float:
    """Return the next rate to look at where nothing lies below 0 and nothing above infinity."""
    if high == math.inf:
        return 2.0 * low
    return high / 2.0 if low == 0.0 else math.sqrt(low * high)


def require_deadlines(workload: Workload, target: float) -> None:
    """Raise unless enough requests have deadlines for the target to mean anything.

    Raises:
        InputError: so many have none that the target is met however many arrive.
    """
    sample = list(islice(workload, _SAMPLE_REQUESTS))
    if not sample:
        raise InputError("workload", "has no requests")
    endless = sum(math.isinf(each.deadline_seconds) for each in sample) / len(sample)
    if endless >= target:
        raise InputError(
            "workload.deadline_seconds",
            f"{endless:.0%} of the requests have none and so are in time at any load; give them "
            "deadlines, or ask for a --target above that",
        )
