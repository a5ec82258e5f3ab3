"""The dual bound against linear programming by other people's code."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from edgebatch.solvers.exact.dual import ROWS, bound_at, minimise_dual


def knapsack(
    seed: int, size: int, part: float, greatest_value: int
) -> tuple[np.ndarray, np.ndarray]:
    """Values, and weights such that each budget holds about ``part`` of all members."""
    rng = np.random.default_rng(seed)
    weight = rng.lognormal(0.0, 0.8, (ROWS, size))
    weight *= rng.uniform(1.0, 1.5, (ROWS, 1)) / (part * weight.sum(axis=1, keepdims=True))
    return rng.integers(1, greatest_value + 1, size).astype(float), weight


def linear_optimum(value: np.ndarray, weight: np.ndarray) -> float:
    return -float(linprog(-value, weight, np.ones(ROWS), bounds=(0.0, 1.0)).fun)


@given(
    seed=st.integers(0, 10_000),
    size=st.integers(1, 60),
    part=st.floats(0.05, 1.5),
    greatest_value=st.sampled_from([1, 5]),
)
def test_no_bound_is_below_the_linear_optimum(
    seed: int, size: int, part: float, greatest_value: int
) -> None:
    value, weight = knapsack(seed, size, part, greatest_value)
    optimum = linear_optimum(value, weight)
    multiplier = np.zeros(ROWS)
    bound = minimise_dual(value, weight, size, multiplier, 0.0)
    assert bound >= optimum - 1e-9 * max(optimum, 1.0)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("size", [50, 400])
def test_the_bound_is_within_a_hundredth_of_the_linear_optimum(seed: int, size: int) -> None:
    value, weight = knapsack(seed, size, 0.4, 5)
    bound = minimise_dual(value, weight, size, np.zeros(ROWS), 0.0)
    assert bound == pytest.approx(linear_optimum(value, weight), rel=1e-2)


def test_the_multipliers_prove_the_bound_that_is_returned() -> None:
    value, weight = knapsack(3, 100, 0.3, 5)
    multiplier = np.zeros(ROWS)
    bound = minimise_dual(value, weight, 100, multiplier, 0.0)
    assert bound_at(value, weight, 100, multiplier) == pytest.approx(bound, rel=1e-12)
    assert (multiplier >= 0.0).all()


def test_where_everyone_fits_the_bound_is_all_they_are_worth() -> None:
    value, weight = np.array([1.0, 2.0]), np.full((ROWS, 2), 0.5)  # 0.5 + 0.5 = the budget
    multiplier = np.zeros(ROWS)
    assert minimise_dual(value, weight, 2, multiplier, 0.0) == 3.0
    assert not multiplier.any()


def test_one_row_is_bounded_by_the_fractional_knapsack() -> None:
    # half of the budget goes to the first, the other half to half of the second: 4 + 3/2
    value = np.array([4.0, 3.0])
    weight = np.zeros((ROWS, 2))
    weight[0] = 0.5, 1.0
    bound = minimise_dual(value, weight, 2, np.zeros(ROWS), 0.0)
    assert 5.5 <= bound <= 5.5 * 1.01
