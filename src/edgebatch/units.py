"""Decimal constants and the few conversions that the package needs; SI units everywhere inside."""

from __future__ import annotations

GIGA = 1e9
TERA = 1e12
MEGA = 1e6
MILLI = 1e-3
MICRO = 1e-6

RELATIVE_TOLERANCE = 1e-9
"""Comparisons of a use with its budget allow this much (formulation §5)."""


def decibels_to_ratio(decibels: float) -> float:
    """Return the power ratio of a level in dB."""
    return float(10.0 ** (decibels / 10.0))


def dbm_to_watts(dbm: float) -> float:
    """Return the power in watts of a level in dBm."""
    return decibels_to_ratio(dbm) * MILLI


def significant(value: float, digits: int = 3) -> str:
    """Return a number for people, to so many significant digits or whole: ``0.0124``, ``1,652``."""
    text = f"{value:.{digits}g}"
    return f"{value:,.0f}" if "e+" in text and abs(value) < TERA else text


def within_budget(use: float, budget: float) -> bool:
    """Return whether ``use`` keeps to ``budget`` at the relative tolerance of the formulation."""
    return use <= budget * (1.0 + RELATIVE_TOLERANCE)
