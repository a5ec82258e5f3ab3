"""Distributions of lengths, deadlines, qualities and values.

Each says its mean and its range as they are really drawn, so that a consumer can refuse a range
that it has no use for instead of clipping it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edgebatch.errors import InputError
from edgebatch.problem.checks import FloatArray, require_number


class Distribution(Protocol):
    """Something that numbers can be drawn from, independently."""

    @property
    def mean(self) -> float:
        """Mean of what ``sample`` draws."""
        ...

    @property
    def support(self) -> tuple[float, float]:
        """Least and greatest number that ``sample`` may draw."""
        ...

    def sample(self, generator: np.random.Generator, size: int, /) -> FloatArray:
        """Return ``size`` draws: float64, shape (size,)."""
        ...


@dataclass(frozen=True, slots=True)
class Constant:
    """Always the same number; infinity is allowed (no deadline)."""

    value: float

    def __post_init__(self) -> None:
        if math.isnan(self.value):
            raise InputError("value", "must be a number, got nan")

    @property
    def mean(self) -> float:
        """The value itself."""
        return self.value

    @property
    def support(self) -> tuple[float, float]:
        """The value, twice."""
        return self.value, self.value

    def sample(self, _generator: np.random.Generator, size: int, /) -> FloatArray:
        """Return ``size`` times the value: float64, shape (size,)."""
        return np.full(size, self.value, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Uniform:
    """Every number from ``low`` to ``high`` alike."""

    low: float
    high: float

    def __post_init__(self) -> None:
        _require_finite("low", self.low)
        require_number("high", self.high, minimum=self.low)

    @property
    def mean(self) -> float:
        """The middle of the range."""
        return (self.low + self.high) / 2.0

    @property
    def support(self) -> tuple[float, float]:
        """``low`` and ``high``."""
        return self.low, self.high

    def sample(self, generator: np.random.Generator, size: int, /) -> FloatArray:
        """Return ``size`` draws: float64, shape (size,)."""
        return generator.uniform(self.low, self.high, size)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few numbers.

    Attributes:
        values: the numbers, at least one.
        weights: how often each, in any scale; None for all alike.
    """

    values: tuple[float, ...]
    weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not self.values:
            raise InputError("values", "must hold at least one number")
        for index, value in enumerate(self.values):
            _require_finite(f"values[{index}]", value)
        if self.weights is None:
            return
        if len(self.weights) != len(self.values):
            raise InputError(
                "weights",
                f"must be {len(self.values)}, one for each value, got {len(self.weights)}",
            )
        for index, weight in enumerate(self.weights):
            require_number(f"weights[{index}]", weight)
        if sum(self.weights) <= 0.0:
            raise InputError("weights", "must not all be 0")

    @property
    def probabilities(self) -> FloatArray:
        """Probability of each value: float64, shape (values,), sum 1."""
        weights = np.ones(len(self.values)) if self.weights is None else np.array(self.weights)
        probabilities: FloatArray = weights / weights.sum()
        return probabilities

    @property
    def mean(self) -> float:
        """Σ probability · value."""
        return float(self.probabilities @ np.array(self.values))

    @property
    def support(self) -> tuple[float, float]:
        """Least and greatest value, also of those with weight 0."""
        return min(self.values), max(self.values)

    def sample(self, generator: np.random.Generator, size: int, /) -> FloatArray:
        """Return ``size`` draws: float64, shape (size,)."""
        return generator.choice(np.array(self.values, np.float64), size, p=self.probabilities)


@dataclass(frozen=True, slots=True)
class Exponential:
    """Exponentially distributed from 0 upwards, not clipped.

    Attributes:
        mean: the mean, above 0.
    """

    mean: float

    def __post_init__(self) -> None:
        require_number("mean", self.mean, exclusive=True)

    @property
    def support(self) -> tuple[float, float]:
        """0 and infinity."""
        return 0.0, math.inf

    def sample(self, generator: np.random.Generator, size: int, /) -> FloatArray:
        """Return ``size`` draws: float64, shape (size,)."""
        return generator.exponential(self.mean, size)


def _require_finite(path: str, value: float) -> None:
    if not math.isfinite(value):
        raise InputError(path, f"must be a finite number, got {value!r}")


def require_support(
    path: str, distribution: Distribution, *, minimum: float, maximum: float = math.inf
) -> None:
    """Raise InputError unless all that ``distribution`` may draw lies within the limits."""
    low, high = distribution.support
    if low < minimum or high > maximum:
        limits = f"at least {minimum:g}"
        if math.isfinite(maximum):
            limits += f" and at most {maximum:g}"
        raise InputError(path, f"must be {limits}, but may be anything from {low:g} to {high:g}")


def require_finite_mean(path: str, distribution: Distribution) -> None:
    """Raise InputError if ``distribution`` draws infinity."""
    if not math.isfinite(distribution.mean):
        raise InputError(path, "must be finite")
