"""Renewal processes by which requests arrive.

The gaps between arrivals are drawn with mean 1 and then divided by the rate: two processes that
differ in nothing but their rate see the same arrivals on another time scale. No gap is clipped, so
the rate and the coefficient of variation are the ones asked for. The first arrival comes one gap
after time 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np

from edgebatch.errors import InputError
from edgebatch.problem.checks import FloatArray, require_number

# beyond these, times of arrival run out of the range or the digits of a float
_RATES = (1e-9, 1e12)
_CVS = (1e-3, 100.0)


class ArrivalProcess(Protocol):
    """Independent, identically distributed gaps between arrivals."""

    @property
    def rate_per_second(self) -> float:
        """Mean arrival rate."""
        ...

    def gaps_seconds(self, generator: np.random.Generator, size: int, /) -> FloatArray:
        """Return the next ``size`` gaps between arrivals: float64, shape (size,)."""
        ...

    def scaled(self, rate_factor: float) -> Self:
        """Return the process with ``rate_factor`` times the rate and the same draws."""
        ...


@dataclass(frozen=True, slots=True)
class _Renewal:
    rate_per_second: float

    def __post_init__(self) -> None:
        _require_between("rate_per_second", self.rate_per_second, _RATES)

    def scaled(self, rate_factor: float) -> Self:
        """Return the process with ``rate_factor`` times the rate and the same draws."""
        require_number("rate_factor", rate_factor, exclusive=True)
        return replace(self, rate_per_second=self.rate_per_second * rate_factor)


def _require_between(path: str, value: float, limits: tuple[float, float]) -> None:
    require_number(path, value, exclusive=True)
    least, greatest = limits
    if not least <= value <= greatest:
        raise InputError(path, f"must be from {least:g} to {greatest:g}, got {value!r}")


@dataclass(frozen=True, slots=True)
class Poisson(_Renewal):
    """Exponential gaps: many independent users (CV 1).

    Attributes:
        rate_per_second: mean arrival rate, above 0.
    """

    def gaps_seconds(self, generator: np.random.Generator, size: int, /) -> FloatArray:
        """Return the next ``size`` gaps between arrivals: float64, shape (size,)."""
        return generator.standard_exponential(size) / self.rate_per_second


@dataclass(frozen=True, slots=True)
class Gamma(_Renewal):
    """Gamma-distributed gaps: burstier than Poisson for a CV above 1, more regular below.

    With shape 1/cv² and mean 1/rate the standard deviation of a gap is cv/rate.

    Attributes:
        rate_per_second: mean arrival rate, above 0.
        cv: coefficient of variation of the gaps, 0.001 to 100; 1 is Poisson.
    """

    cv: float

    def __post_init__(self) -> None:
        _Renewal.__post_init__(self)
        _require_between("cv", self.cv, _CVS)

    def gaps_seconds(self, generator: np.random.Generator, size: int, /) -> FloatArray:
        """Return the next ``size`` gaps between arrivals: float64, shape (size,)."""
        squared = self.cv**2
        return generator.standard_gamma(1.0 / squared, size) * (squared / self.rate_per_second)


@dataclass(frozen=True, slots=True)
class Deterministic(_Renewal):
    """Equal gaps (CV 0).

    Attributes:
        rate_per_second: arrival rate, above 0.
    """

    def gaps_seconds(self, _generator: np.random.Generator, size: int, /) -> FloatArray:
        """Return the next ``size`` gaps between arrivals: float64, shape (size,)."""
        return np.full(size, 1.0 / self.rate_per_second)
