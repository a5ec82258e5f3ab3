"""How numbers are written for people."""

from __future__ import annotations

import pytest

from edgebatch.units import significant


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.01236, 3, "0.0124"),
        (12.0, 3, "12"),
        (999.4, 3, "999"),
        (999.6, 3, "1,000"),
        (1652.3, 3, "1,652"),
        (100.0, 2, "100"),
        (4123.4, 4, "4123"),
        (1.1e-5, 2, "1.1e-05"),
        (1e300, 3, "1e+300"),
        (float("inf"), 3, "inf"),
    ],
)
def test_large_numbers_are_whole_and_have_no_exponent(value: float, digits: int, text: str) -> None:
    assert significant(value, digits) == text
