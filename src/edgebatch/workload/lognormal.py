"""The lognormal distribution, clipped to a range."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgebatch.errors import InputError
from edgebatch.problem.checks import FloatArray, require_number

_GREATEST_SIGMA = 25.0
"""Beyond it the mean, e^(σ²/2) medians, soon leaves the range of a float."""


@dataclass(frozen=True, slots=True)
class Lognormal:
    """e^N(ln median, sigma²), clipped to a range.

    A draw outside the range is moved to its nearer end, not drawn again: the ends become atoms, the
    median stays (if it lies inside), and the mean moves. ``mean`` is that of the clipped numbers.

    Attributes:
        median: median before clipping, above 0.
        sigma: standard deviation of the logarithm, 0 to 25.
        minimum, maximum: the range; by default there is none.
    """

    median: float
    sigma: float
    minimum: float = 0.0
    maximum: float = math.inf

    def __post_init__(self) -> None:
        require_number("median", self.median, exclusive=True)
        if not 0.0 <= self.sigma <= _GREATEST_SIGMA:
            raise InputError("sigma", f"must be from 0 to {_GREATEST_SIGMA:g}, got {self.sigma!r}")
        require_number("minimum", self.minimum)
        if not self.maximum >= self.minimum:
            raise InputError(
                "maximum", f"must be at least minimum ({self.minimum:g}), got {self.maximum!r}"
            )

    @property
    def mean(self) -> float:
        """Mean of the clipped numbers.

        a·Φ(α) + b·Φ(−β) + e^(μ+σ²/2)·[Φ(β−σ) − Φ(α−σ)], with [a, b] the range, μ the logarithm of
        the median, α = (ln a − μ)/σ, β = (ln b − μ)/σ: the two atoms and the partial expectation
        of the lognormal between them.
        """
        if self.sigma == 0.0:
            return min(max(self.median, self.minimum), self.maximum)
        alpha, beta = (
            (_log(end) - math.log(self.median)) / self.sigma for end in (self.minimum, self.maximum)
        )
        free = self.median * math.exp(self.sigma**2 / 2.0)
        mean = free * (_normal_cdf(beta - self.sigma) - _normal_cdf(alpha - self.sigma))
        mean += self.minimum * _normal_cdf(alpha)
        if math.isfinite(self.maximum):
            mean += self.maximum * _normal_cdf(-beta)
        return mean

    @property
    def support(self) -> tuple[float, float]:
        """The range."""
        return self.minimum, self.maximum

    def sample(self, generator: np.random.Generator, size: int, /) -> FloatArray:
        """Return ``size`` draws: float64, shape (size,)."""
        draws = self.median * np.exp(self.sigma * generator.standard_normal(size))
        clipped: FloatArray = np.clip(draws, self.minimum, self.maximum)
        return clipped


def _log(number: float) -> float:
    return math.log(number) if number > 0.0 else -math.inf


def _normal_cdf(deviate: float) -> float:
    return 0.5 * math.erfc(-deviate / math.sqrt(2.0))
