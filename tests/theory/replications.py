"""Confidence intervals over independent replications.

A run's mean wait is a mean of dependent values, so its own scatter says nothing about its error.
Runs of different seeds are independent: their R means m_1 … m_R, each over what comes after the
warm-up, are nearly normal, and (mean(m) − μ)·sqrt(R)/s(m) has Student's t distribution with R − 1
degrees of freedom (Law, Simulation Modeling and Analysis, §9.4: replication/deletion). The level
of 99.9 % makes a chance failure of a new seed unlikely; how narrow the interval is, is asserted
beside it, so that it cannot pass by being wide.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

LEVEL = 0.999


@dataclass(frozen=True)
class Interval:
    """A confidence interval of level 99.9 %."""

    mean: float
    half_width: float

    def __contains__(self, value: float) -> bool:
        return abs(value - self.mean) <= self.half_width


def interval(measure: Callable[[int], float], replications: int) -> Interval:
    """Return the interval of the expectation of ``measure(seed)`` over seeds 0, 1, …"""
    means = np.array([measure(seed) for seed in range(replications)])
    error = float(means.std(ddof=1)) / math.sqrt(replications)
    quantile = float(student.ppf((1.0 + LEVEL) / 2.0, replications - 1))
    return Interval(float(means.mean()), quantile * error)


def assert_agrees(found: Interval, expected: float, within: float) -> None:
    """Check that the expected value lies in an interval not wider than ``within`` of it."""
    assert found.half_width <= within * expected, "more replications or longer runs are needed"
    assert expected in found, f"{expected} lies outside {found.mean} ± {found.half_width}"
