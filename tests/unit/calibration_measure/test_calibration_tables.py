"""What the tables of a calibration say, and that they fit."""

from __future__ import annotations

from rich.console import Console

from edgebatch.calibration.quality import Estimate, PrecisionQuality
from edgebatch.reporting.calibration import quality_table

NONE = Estimate(0.0, 0.0)
SAME = Estimate(1.0, 0.0)


def shown(*qualities: PrecisionQuality) -> str:
    console = Console(width=80)
    table = quality_table(qualities, "agreement")
    assert table is not None
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def test_errors_have_two_digits_and_figures_as_many_decimals() -> None:
    reference = PrecisionQuality("f16", "f16", 4000, Estimate(2176.68, 44.13), SAME, NONE, SAME)
    other = PrecisionQuality(
        "w4",
        "f16",
        4000,
        Estimate(2169.9, 39.7),
        Estimate(1.0031, 0.0058),
        Estimate(0.01607, 0.00069),
        Estimate(0.4293, 0.0737),
    )
    text = shown(reference, other)
    assert "2177 ±44" in text
    assert "1.0031 ±0.0058" in text
    assert "16.07 ±0.69" in text
    assert "42.9 ±7.4" in text
    # 0.0031 is less than twice 0.0058
    assert "not separable" in text
    assert "4,000 tokens" in text
    assert "min_quality refers to agreement" in " ".join(text.split())


def test_a_loss_above_two_errors_is_called_one() -> None:
    other = PrecisionQuality(
        "w4", "f16", 4000, Estimate(91.0, 2.0), Estimate(0.99, 0.004), NONE, SAME
    )
    # 0.01 is more than twice 0.004
    assert "worse" in shown(other)


def test_a_gain_above_two_errors_is_called_one() -> None:
    other = PrecisionQuality(
        "w4", "f16", 4000, Estimate(91.0, 2.0), Estimate(1.01, 0.004), NONE, SAME
    )
    assert other.separable
    assert "better" in shown(other)


def test_what_was_not_measured_has_no_table() -> None:
    assert quality_table((), "assumed") is None
