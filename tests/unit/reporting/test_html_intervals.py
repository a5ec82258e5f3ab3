"""Means over seeds and their intervals."""

from __future__ import annotations

import math

import pytest
from scipy.stats import t

from edgebatch.reporting.html.intervals import estimate
from edgebatch.reporting.html.page import Cell


def test_the_interval_is_students() -> None:
    # mean 2; standard deviation 1; error 1/√3; t of 2 degrees of freedom 4.303
    found = estimate([1.0, 2.0, 3.0])
    assert found is not None
    assert (found.mean, found.count) == (2.0, 3)
    assert found.half_width == pytest.approx(4.303 / math.sqrt(3.0))
    assert found.low == pytest.approx(2.0 - 2.4843, abs=1e-3)
    assert found.high == pytest.approx(2.0 + 2.4843, abs=1e-3)


@pytest.mark.parametrize("count", [2, 5, 20, 31, 32, 100, 1000])
def test_the_quantile_is_that_of_the_distribution(count: int) -> None:
    values = [float(place % 2) for place in range(count)]
    found = estimate(values)
    assert found is not None
    mean = sum(values) / count
    error = math.sqrt(sum((v - mean) ** 2 for v in values) / (count - 1) / count)
    assert found.half_width == pytest.approx(float(t.ppf(0.975, count - 1)) * error, rel=1e-3)


def test_one_seed_has_a_mean_and_no_interval() -> None:
    found = estimate([2.5])
    assert found is not None
    assert (found.mean, found.half_width, found.excludes_zero) == (2.5, None, False)


def test_what_is_not_there_is_left_out() -> None:
    assert estimate([None, None]) is None
    found = estimate([None, 4.0])
    assert found is not None
    assert (found.mean, found.count) == (4.0, 1)


def test_zero_is_excluded_only_if_the_whole_interval_is_on_one_side() -> None:
    apart, together = estimate([1.0, 1.1, 0.9]), estimate([1.0, -1.0, 0.5])
    assert apart is not None
    assert together is not None
    assert apart.excludes_zero
    assert not together.excludes_zero


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([1.0, 2.0, 3.0], "2.0 ± 2.5"),
        ([100.0, 102.0], "101 ± 13"),  # half of 2/√2 · 12.706 = 12.7
        ([5.0, 5.0], "5"),
        ([0.123456], "0.123"),
        ([], "–"),
    ],
)
def test_a_mean_is_shown_to_the_digits_that_its_interval_warrants(
    values: list[float], text: str
) -> None:
    assert Cell.estimate(estimate(values)).text == text
