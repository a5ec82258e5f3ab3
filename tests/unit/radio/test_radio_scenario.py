from __future__ import annotations

import math

import pytest

from edgebatch.errors import InputError, UnknownNameError
from edgebatch.radio import RadioScenario, radio_scenario, radio_scenarios


def test_the_default_is_the_cell_of_the_evaluation() -> None:
    umi = radio_scenario("umi")
    assert umi == RadioScenario()
    assert (umi.carrier_hz, umi.uplink_hz, umi.downlink_hz) == (3.5e9, 20e6, 20e6)
    assert (umi.cell_radius_m, umi.bits_per_token) == (200.0, 32.0)
    assert (umi.user_power_dbm, umi.base_power_dbm) == (23.0, 30.0)
    assert (umi.base_noise_figure_db, umi.user_noise_figure_db) == (5.0, 9.0)


def test_scenarios_are_listed_under_their_own_names() -> None:
    assert list(radio_scenarios()) == ["umi", "uma", "umi-1.4MHz", "urban-macro"]
    assert all(name == scenario.name for name, scenario in radio_scenarios().items())


def test_the_narrow_band_changes_only_the_band() -> None:
    narrow = radio_scenario("UMi-1.4MHz")
    assert narrow.replace(name="umi", uplink_hz=20e6, downlink_hz=20e6) == radio_scenario("umi")
    assert narrow.uplink_hz == narrow.downlink_hz == 1.4e6


def test_blocks_are_counted_from_zero() -> None:
    scenario = RadioScenario(block_seconds=0.25)
    assert [scenario.block(at) for at in (0.0, 0.2, 0.25, 1.1)] == [0, 0, 1, 4]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("carrier_hz", 3.5),
        ("uplink_hz", 0.0),
        ("downlink_hz", math.inf),
        ("min_distance_m", 9.9),
        ("cell_radius_m", 5001.0),
        ("user_height_m", 20.0),
        ("user_power_dbm", math.nan),
        ("base_noise_figure_db", -1.0),
        ("bits_per_token", -1.0),
        ("block_seconds", 0.0),
    ],
)
def test_a_number_out_of_range_is_named(field: str, value: float) -> None:
    with pytest.raises(InputError) as caught:
        RadioScenario().replace(**{field: value})
    assert caught.value.path == f"radio.{field}"


def test_the_cell_must_be_wider_than_the_least_distance() -> None:
    with pytest.raises(InputError, match=r"must be above radio\.min_distance_m, 50"):
        RadioScenario(min_distance_m=50.0, cell_radius_m=50.0)


def test_unknown_names_are_told_the_nearest_one() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'umi'"):
        RadioScenario(path_loss="umii")
    with pytest.raises(UnknownNameError, match="did you mean 'urban-macro'"):
        radio_scenario("urbanmacro")
