from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebatch.radio.pathloss import (
    PATH_LOSSES,
    UMA,
    UMI_STREET_CANYON,
    URBAN_MACRO,
    Geometry,
    PathLoss,
    Urban38901,
)

STREET = Geometry(carrier_hz=3.5e9, base_height_m=10.0, user_height_m=1.5)
ROOF = Geometry(carrier_hz=3.5e9, base_height_m=25.0, user_height_m=1.5)
CASES = [(UMI_STREET_CANYON, STREET), (UMA, ROOF)]


def loss(law: PathLoss, geometry: Geometry, distance_m: float, visible: bool) -> float:
    found = law.loss_db(geometry, np.array([distance_m]), np.array([visible]))
    return float(found[0])


def test_breakpoints_by_hand() -> None:
    assert STREET.breakpoint_m == pytest.approx(210.0)  # 4 · 9 · 0.5 · 3.5e9 / 3e8
    assert ROOF.breakpoint_m == pytest.approx(560.0)  # 4 · 24 · 0.5 · 3.5e9 / 3e8


def test_distances_in_space_by_hand() -> None:
    # 8.5 m of height, 13.1 m on the ground: √(72.25 + 171.61) = 15.616
    assert STREET.distance_3d_m(np.array([13.1]))[0] == pytest.approx(math.sqrt(243.86))


@pytest.mark.parametrize(
    ("law", "geometry", "distance_m", "visible", "expected_db"),
    [
        # log d_3D = 2.001564 (d_3D = √(100² + 8.5²)), log 3.5 = 0.544068
        (UMI_STREET_CANYON, STREET, 100.0, True, 32.4 + 21 * 2.001564 + 20 * 0.544068),
        (UMI_STREET_CANYON, STREET, 100.0, False, 22.4 + 35.3 * 2.001564 + 21.3 * 0.544068),
        # beyond 210 m: log d_3D = 3.0000157, log(210² + 8.5²) = log 44172.25 = 4.645149
        (
            UMI_STREET_CANYON,
            STREET,
            1000.0,
            True,
            32.4 + 40 * 3.0000157 + 20 * 0.544068 - 9.5 * 4.645149,
        ),
        # d_3D = √(100² + 23.5²), log = 2.011672
        (UMA, ROOF, 100.0, True, 28.0 + 22 * 2.011672 + 20 * 0.544068),
        (UMA, ROOF, 100.0, False, 13.54 + 39.08 * 2.011672 + 20 * 0.544068),
        # beyond 560 m: log d_3D = 3.0001199, log(560² + 23.5²) = log 314152.25 = 5.497140
        (UMA, ROOF, 1000.0, True, 28.0 + 40 * 3.0001199 + 20 * 0.544068 - 9 * 5.497140),
        (URBAN_MACRO, ROOF, 100.0, False, 128.1 - 37.6),
        (URBAN_MACRO, ROOF, 1000.0, False, 128.1),
    ],
)
def test_losses_by_hand(
    law: PathLoss, geometry: Geometry, distance_m: float, visible: bool, expected_db: float
) -> None:
    assert loss(law, geometry, distance_m, visible) == pytest.approx(expected_db, abs=1e-3)


def test_higher_users_lose_less_behind_buildings() -> None:
    raised = Geometry(carrier_hz=3.5e9, base_height_m=10.0, user_height_m=4.5)
    # 0.3 dB for each of 3 m; height differences of 8.5 and 5.5 m
    shorter = 35.3 * math.log10(math.hypot(100.0, 5.5) / math.hypot(100.0, 8.5))
    gained = loss(UMI_STREET_CANYON, STREET, 100.0, False) - loss(
        UMI_STREET_CANYON, raised, 100.0, False
    )
    assert gained == pytest.approx(0.9 - shorter)


@pytest.mark.parametrize(("law", "geometry"), CASES)
def test_loss_is_continuous_at_the_breakpoint(law: Urban38901, geometry: Geometry) -> None:
    before = loss(law, geometry, geometry.breakpoint_m * (1 - 1e-9), True)
    after = loss(law, geometry, geometry.breakpoint_m * (1 + 1e-9), True)
    assert after == pytest.approx(before, abs=1e-6)


@given(st.floats(10.0, 5000.0), st.sampled_from(CASES))
def test_being_hidden_never_helps(distance_m: float, case: tuple[Urban38901, Geometry]) -> None:
    law, geometry = case
    assert loss(law, geometry, distance_m, False) >= loss(law, geometry, distance_m, True)


@given(st.floats(10.0, 4999.0), st.booleans(), st.sampled_from(CASES))
def test_loss_grows_with_distance(
    distance_m: float, visible: bool, case: tuple[Urban38901, Geometry]
) -> None:
    law, geometry = case
    farther = loss(law, geometry, distance_m + 1.0, visible)
    assert farther > loss(law, geometry, distance_m, visible)


@pytest.mark.parametrize(
    ("law", "distance_m", "expected"),
    [
        (UMI_STREET_CANYON, 10.0, 1.0),
        (UMI_STREET_CANYON, 18.0, 1.0),
        (UMI_STREET_CANYON, 36.0, 0.5 + 0.5 * math.exp(-1.0)),
        (UMA, 18.0, 1.0),
        (UMA, 63.0, 18 / 63 + (1 - 18 / 63) * math.exp(-1.0)),
        (UMI_STREET_CANYON, 1e6, 18e-6),
        (URBAN_MACRO, 10.0, 0.0),
    ],
)
def test_lines_of_sight_get_rarer_with_distance(
    law: PathLoss, distance_m: float, expected: float
) -> None:
    found = law.line_of_sight_probability(np.array([distance_m]))
    assert found[0] == pytest.approx(expected, rel=1e-6)


def test_shadowing_is_stronger_behind_buildings() -> None:
    sight = np.array([True, False])
    assert UMI_STREET_CANYON.shadowing_db(sight).tolist() == [4.0, 7.82]
    assert UMA.shadowing_db(sight).tolist() == [4.0, 6.0]
    assert URBAN_MACRO.shadowing_db(sight).tolist() == [8.0, 8.0]


def test_laws_keep_the_shape_of_the_distances() -> None:
    distances = np.linspace(10.0, 900.0, 7)
    sight = np.arange(7) % 2 == 0
    for law in PATH_LOSSES.values():
        assert law.loss_db(ROOF, distances, sight).shape == (7,)
