"""One look a policy, in the light and in the dark."""

from __future__ import annotations

import re

from edgebatch.reporting.html.looks import (
    DARK,
    area_looks,
    line_looks,
    plain_looks,
    policy_looks,
    swatch,
)
from edgebatch.scenario import policy_names


def test_a_policy_looks_the_same_whoever_it_is_compared_with() -> None:
    one, other = policy_looks(["dftsp", "sjf", "none"]), policy_looks(["none", "edf", "dftsp"])
    assert one["dftsp"] == other["dftsp"]
    assert one["none"] == other["none"]


def test_no_two_policies_look_alike() -> None:
    labels = [*policy_names(), *(f"static:batch_cap={cap}" for cap in range(1, 4)), "dftsp:x"]
    assert len(set(policy_looks(labels).values())) == len(labels)


def test_the_same_policy_with_other_knobs_keeps_its_colour_and_gets_another_dash() -> None:
    looks = policy_looks(["static", "static:batch_cap=2"])
    plain, capped = looks["static"], looks["static:batch_cap=2"]
    assert (plain.colour, plain.symbol) == (capped.colour, capped.symbol)
    assert plain.dash != capped.dash


def test_every_colour_has_a_counterpart_for_the_dark() -> None:
    names = [str(place) for place in range(30)]
    looks = [
        look
        for of in (policy_looks, area_looks, line_looks, plain_looks)
        for look in of(names).values()
    ]
    assert {look.colour for look in looks} <= set(DARK)
    assert len(set(DARK.values())) == len(DARK)


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255.0 for place in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_dark_colours_stand_out_from_a_dark_ground() -> None:
    # the ground of plots there is #1d2125; WCAG asks 3 to 1 of what must be seen to understand
    ground = _luminance("#1d2125")
    colours = [dark for light, dark in DARK.items() if light != "#d7dce1"]  # the grid may be faint
    assert [c for c in colours if (_luminance(c) + 0.05) / (ground + 0.05) < 3.0] == []


def test_a_swatch_has_line_and_marker_in_the_colour_of_the_theme() -> None:
    drawn = swatch(policy_looks(["dftsp"])["dftsp"])
    assert drawn.count("var(--c0072B2)") == 2
    assert re.search(r"<svg [^>]*aria-hidden", drawn)
    assert "<rect" in swatch(area_looks(["a"])["a"])
