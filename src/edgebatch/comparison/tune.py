"""Finding each policy's best knobs, so that none is beaten only for being badly tuned."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from edgebatch.scenario import Policy, Scenario
from edgebatch.simulation import summarise
from edgebatch.workload import Workload

BATCH_CAPS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
LONGEST_BATCH_SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1)
"""Limits on a batch's computing time that are tried, as parts of the median deadline."""

_WITHOUT_CAP = ("dftsp", "brute-force", "none", "cp-sat", "milp")
_SAMPLE_REQUESTS = 2000


def tuned(policy: Policy, scenario: Scenario, workload: Workload) -> Policy:
    """Return the policy with the knobs that serve most of ``workload`` in time.

    One knob after the other, each at its best before the next is looked at; knobs that are set
    already stay. The requests are those that are served afterwards, so the result is the best that
    hindsight can make of the policy, not a setting that would have been known beforehand.
    """
    best, most = policy, _in_time(policy, scenario, workload)
    for knob, values in _knobs(policy, scenario, workload):
        for value in values:
            candidate = best.with_knobs(**{knob: value})
            in_time = _in_time(candidate, scenario, workload)
            if in_time > most:
                best, most = candidate, in_time
    return best


def _in_time(policy: Policy, scenario: Scenario, workload: Workload) -> int:
    return summarise(scenario.run(policy, workload)).in_time


def _knobs(
    policy: Policy, scenario: Scenario, workload: Workload
) -> Iterator[tuple[str, list[Any]]]:
    if policy.is_continuous:
        names = [precision.name for precision in scenario.hosting.precisions]
        if policy.precision is None and len(names) > 1:
            yield "precision", names
        if policy.expire is None:
            yield "expire", [True]
    if policy.batch_cap is None and policy.name not in _WITHOUT_CAP:
        yield "batch_cap", list(BATCH_CAPS)
    if not policy.is_continuous and policy.longest_batch_seconds is None:
        deadlines = [each.deadline_seconds for each in islice(workload, _SAMPLE_REQUESTS)]
        median = float(np.median(deadlines))
        if np.isfinite(median) and median > 0.0:
            yield "longest_batch_seconds", [median * share for share in LONGEST_BATCH_SHARES]
