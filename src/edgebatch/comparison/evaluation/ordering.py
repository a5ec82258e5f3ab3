"""Whether one policy is above another at every point."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgebatch.comparison.evaluation.observations import Observation


@dataclass(frozen=True, slots=True)
class Gap:
    """How far one policy is above another at one point, over the same requests seed by seed.

    Attributes:
        study, setting, model, point: where.
        upper, lower: the policies; the first is expected to be above.
        upper_per_second, lower_per_second: mean throughput of each.
        difference_per_second: mean of the differences.
        standard_error: of that mean; NaN with a single seed.
    """

    study: str
    setting: str
    model: str
    point: str
    upper: str
    lower: str
    upper_per_second: float
    lower_per_second: float
    difference_per_second: float
    standard_error: float

    @property
    def holds(self) -> bool:
        """Whether the first policy serves at least as many on average."""
        return self.difference_per_second >= 0.0


def gaps(observations: Sequence[Observation], upper: str, lower: str) -> list[Gap]:
    """Return the gap between two policies at every point of every study that has both."""
    served: dict[tuple[str, str, str, str], dict[str, list[float]]] = defaultdict(dict)
    for each in observations:
        where = (each.study, each.setting, each.model, each.point)
        served[where].setdefault(each.policy, []).append(each.throughput_per_second)
    return [
        _gap(where, upper, lower, by_policy[upper], by_policy[lower])
        for where, by_policy in served.items()
        if upper in by_policy and lower in by_policy
    ]


def _gap(
    where: tuple[str, str, str, str],
    upper: str,
    lower: str,
    above: Sequence[float],
    below: Sequence[float],
) -> Gap:
    differences = np.subtract(above, below)
    several = len(differences) > 1
    error = float(differences.std(ddof=1)) / math.sqrt(len(differences)) if several else math.nan
    return Gap(
        *where,
        upper=upper,
        lower=lower,
        upper_per_second=float(np.mean(above)),
        lower_per_second=float(np.mean(below)),
        difference_per_second=float(differences.mean()),
        standard_error=error,
    )
