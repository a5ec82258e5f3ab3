"""Arrivals have the rate and the burstiness that were asked for."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgebatch.errors import InputError
from edgebatch.workload import ArrivalProcess, Deterministic, Gamma, Poisson

GAPS = 200_000


@pytest.mark.parametrize(
    ("process", "cv"),
    [
        (Poisson(6.45), 1.0),
        (Gamma(6.45, cv=0.5), 0.5),
        (Gamma(0.2, cv=1.0), 1.0),
        (Gamma(6.45, cv=3.0), 3.0),
    ],
)
def test_rate_and_cv_are_as_asked(process: ArrivalProcess, cv: float) -> None:
    gaps = process.gaps_seconds(np.random.default_rng(11), GAPS)
    mean = 1.0 / process.rate_per_second
    assert abs(gaps.mean() - mean) < 4.0 * cv * mean / math.sqrt(GAPS)
    # delta method for gamma gaps (skewness 2cv, kurtosis 3 + 6cv²): Var(CV) ≈ cv²(1 + cv²)/(2n)
    standard_error = cv * math.sqrt((1.0 + cv**2) / (2.0 * GAPS))
    assert abs(gaps.std() / gaps.mean() - cv) < 4.0 * standard_error


def test_long_poisson_gaps_are_not_clipped() -> None:
    gaps = Poisson(1.0).gaps_seconds(np.random.default_rng(11), GAPS)
    # P(gap > 3 means) = e⁻³
    share = math.exp(-3.0)
    standard_error = math.sqrt(share * (1.0 - share) / GAPS)
    assert abs(float((gaps > 3.0).mean()) - share) < 4.0 * standard_error


def test_deterministic_gaps_are_equal() -> None:
    assert Deterministic(4.0).gaps_seconds(np.random.default_rng(0), 3).tolist() == [0.25] * 3


@pytest.mark.parametrize("process", [Poisson(2.0), Gamma(2.0, 0.7), Deterministic(2.0)])
def test_a_scaled_process_has_the_same_draws_on_another_time_scale(process: ArrivalProcess) -> None:
    gaps = process.gaps_seconds(np.random.default_rng(3), 100)
    faster = process.scaled(4.0).gaps_seconds(np.random.default_rng(3), 100)
    np.testing.assert_allclose(faster, gaps / 4.0, rtol=1e-15)
    assert process.scaled(4.0).rate_per_second == 8.0


@pytest.mark.parametrize("wrong", [0.0, -1.0, math.nan, math.inf])
def test_rates_and_cvs_must_be_positive_numbers(wrong: float) -> None:
    with pytest.raises(InputError, match="rate_per_second: must be a finite number above 0"):
        Poisson(wrong)
    with pytest.raises(InputError, match="cv: must be a finite number above 0"):
        Gamma(1.0, wrong)
    with pytest.raises(InputError, match="rate_factor: must be a finite number above 0"):
        Poisson(1.0).scaled(wrong)
