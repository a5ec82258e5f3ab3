"""Finding each policy's best knobs, so that none is beaten only for being badly tuned."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from edgebatch.errors import InputError
from edgebatch.scenario import ROLLING, Policy, Scenario
from edgebatch.simulation import summarise
from edgebatch.workload import Workload

BATCH_CAPS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
LONGEST_BATCH_SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1)
"""Limits on a batch's computing time that are tried, as parts of the median deadline."""

_SAMPLE_REQUESTS = 2000


def tuned(policy: Policy, scenario: Scenario, workload: Workload) -> Policy:
    """Return the policy with the knobs that serve most of ``workload`` in time.

    One knob after the other, each at its best before the next is looked at, round and round until
    none helps any more: a cap may only pay off once hopeless requests expire, and the other way
    round. Knobs that are set already stay. The requests are those that are served afterwards, so
    the result is what hindsight can make of the policy, not a setting that would have been known
    beforehand.
    """
    best = policy
    in_time = {policy: _in_time(policy, scenario, workload)}
    knobs = list(_knobs(policy, scenario, workload))
    before: Policy | None = None
    while best != before:
        before = best
        for knob, values in knobs:
            for value in (None, *values):
                candidate = best.with_knobs(**{knob: value})
                if candidate not in in_time:
                    in_time[candidate] = _in_time(candidate, scenario, workload)
                if in_time[candidate] > in_time[best]:
                    best = candidate
    return best


def _has_cap(policy: Policy) -> bool:
    try:
        policy.with_knobs(batch_cap=1)
    except InputError:
        return False
    return True


def _in_time(policy: Policy, scenario: Scenario, workload: Workload) -> int:
    return summarise(scenario.run(policy, workload)).in_time


def _knobs(
    policy: Policy, scenario: Scenario, workload: Workload
) -> Iterator[tuple[str, list[Any]]]:
    if policy.is_continuous:
        names = [precision.name for precision in scenario.hosting.precisions]
        if policy.precision is None and len(names) > 1 and not scenario.servers:
            yield "precision", names
        if policy.expire is None and policy.name != ROLLING:
            yield "expire", [True]
    if policy.batch_cap is None and _has_cap(policy):
        yield "batch_cap", list(BATCH_CAPS)
    if not policy.is_continuous and policy.longest_batch_seconds is None:
        deadlines = [each.deadline_seconds for each in islice(workload, _SAMPLE_REQUESTS)]
        median = float(np.median(deadlines))
        if np.isfinite(median) and median > 0.0:
            yield "longest_batch_seconds", [median * share for share in LONGEST_BATCH_SHARES]
