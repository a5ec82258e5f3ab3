from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from edgebatch.errors import InputError
from edgebatch.radio import Channel, RadioScenario, radio_scenario, radio_scenarios
from edgebatch.radio.channel import noise_watts, shannon_bit_per_s

UMI = radio_scenario("umi")
MANY = np.arange(100_000)
WORST_DISTANCE = 1.95 / np.sqrt(MANY.size)  # Kolmogorov–Smirnov at p ≈ 0.001


def fading_up(channel: Channel, block: int) -> np.ndarray:
    """Invert Shannon's law: the power gains that the rates came from."""
    mean, _ = channel.mean_snr(MANY)
    rate, _ = channel.rates(MANY, block)
    gains: np.ndarray = np.expm1(rate / channel.scenario.uplink_hz * np.log(2.0)) / mean
    return gains


def test_noise_by_hand() -> None:
    # −174 dBm/Hz + 73.01 dB for 20 MHz + 5 dB = −95.99 dBm
    assert 10 * np.log10(noise_watts(20e6, 5.0) * 1e3) == pytest.approx(-95.99, abs=0.01)


def test_shannon_by_hand() -> None:
    rates = shannon_bit_per_s(1e6, np.array([0.0, 1.0, 15.0]))
    assert rates.tolist() == pytest.approx([0.0, 1e6, 4e6])


def test_mean_snr_is_the_link_budget() -> None:
    channel = Channel(UMI, seed=4)
    up, down = channel.mean_snr(MANY[:50])
    loss = channel.loss_db(MANY[:50])
    # up 23 dBm against −95.99 dBm of noise, down 30 dBm against −91.99 dBm
    assert 10 * np.log10(up) == pytest.approx(23.0 + 95.99 - loss, abs=0.01)
    assert 10 * np.log10(down) == pytest.approx(30.0 + 91.99 - loss, abs=0.01)


def test_users_are_uniform_by_area() -> None:
    distances = Channel(UMI, seed=1).distance_m(MANY)
    inner, outer = UMI.min_distance_m**2, UMI.cell_radius_m**2
    found = stats.kstest((distances**2 - inner) / (outer - inner), "uniform")
    assert found.statistic < WORST_DISTANCE


def test_fading_is_rayleigh_and_new_in_every_block() -> None:
    channel = Channel(UMI, seed=2)
    first, second = fading_up(channel, 0), fading_up(channel, 1)
    assert stats.kstest(first, "expon").statistic < WORST_DISTANCE
    assert abs(np.corrcoef(first, second)[0, 1]) < 5.0 / np.sqrt(MANY.size)


def test_up_and_down_fade_apart() -> None:
    symmetric = UMI.replace(base_power_dbm=23.0, user_noise_figure_db=5.0)
    up, down = Channel(symmetric, seed=2).rates(MANY, 0)
    assert (up != down).all()
    # same law both ways: medians agree within a few per cent, though no single pair does
    assert np.median(up) == pytest.approx(np.median(down), rel=0.05)


def test_users_in_sight_are_as_many_as_the_law_says() -> None:
    clear = UMI.replace(shadowing=False, min_distance_m=99.0, cell_radius_m=101.0)
    losses = Channel(clear, seed=3).loss_db(MANY)
    # 85.3 dB in sight, 104.6 dB out of it; 18/100 + e^(−100/36)·(1 − 18/100) = 0.2310
    share = float((losses < 95.0).mean())
    assert share == pytest.approx(0.2310, abs=5.0 * np.sqrt(0.231 * 0.769 / MANY.size) + 1e-3)


def test_shadowing_leaves_positions_and_sight_as_they_were() -> None:
    shadowed, clear = Channel(UMI, seed=5), Channel(UMI.replace(shadowing=False), seed=5)
    assert (shadowed.distance_m(MANY) == clear.distance_m(MANY)).all()
    law, geometry = UMI.law, UMI.geometry
    distances = clear.distance_m(MANY)
    seen = law.loss_db(geometry, distances, np.ones(MANY.size, dtype=bool))
    in_sight = clear.loss_db(MANY) == seen
    shadows = (shadowed.loss_db(MANY) - clear.loss_db(MANY)) / law.shadowing_db(in_sight)
    assert stats.kstest(shadows, "norm").statistic < WORST_DISTANCE


def test_a_larger_cell_leaves_fading_as_it_was() -> None:
    small, large = Channel(UMI, seed=6), Channel(UMI.replace(cell_radius_m=400.0), seed=6)
    assert fading_up(large, 3) == pytest.approx(fading_up(small, 3), rel=1e-6)


@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=20, unique=True), st.integers(0, 10**6))
def test_a_request_has_the_same_channel_in_any_company(numbers: list[int], block: int) -> None:
    channel = Channel(UMI, seed=7)
    up, down = channel.rates(np.array(numbers), block)
    for index, number in enumerate(numbers):
        alone_up, alone_down = Channel(UMI, seed=7).rates(np.array([number]), block)
        assert alone_up[0] == pytest.approx(up[index], rel=1e-12)
        assert alone_down[0] == pytest.approx(down[index], rel=1e-12)


def test_another_seed_is_another_channel() -> None:
    one, other = (Channel(UMI, seed).rates(MANY[:100], 0)[0] for seed in (1, 2))
    assert (one != other).all()


def test_least_shares_are_bits_over_time_and_rate() -> None:
    channel, numbers = Channel(UMI, seed=8), np.array([3, 1, 4])
    prompt_bits, output_bits = np.array([1e4, 2e4, 3e6]), np.array([0.0, 1e4, 1e4])
    up, down = channel.least_shares(numbers, prompt_bits, output_bits, 0.25, 0.5, block=9)
    rate_up, rate_down = channel.rates(numbers, 9)
    assert up == pytest.approx(prompt_bits / (0.25 * rate_up))
    assert down == pytest.approx(output_bits / (0.5 * rate_down))
    assert down[0] == 0.0


def test_a_phase_of_no_length_takes_no_share() -> None:
    numbers, bits = np.arange(3), np.full(3, 1e6)
    up, down = Channel(UMI, seed=8).least_shares(numbers, bits, bits, 0.0, 0.25, block=0)
    assert up.tolist() == [0.0, 0.0, 0.0]
    assert (down > 0.0).all()


@pytest.mark.parametrize("scenario", radio_scenarios().values(), ids=list(radio_scenarios()))
def test_rates_are_positive_so_shares_are_finite(scenario: RadioScenario) -> None:
    weakest = scenario.replace(user_power_dbm=-100.0, base_power_dbm=-100.0, cell_radius_m=5000.0)
    bits = np.full(MANY.size, 2e6)
    up, down = Channel(weakest, seed=9).least_shares(MANY, bits, bits, 0.25, 0.25, block=0)
    assert np.isfinite(up).all()
    assert np.isfinite(down).all()


def test_a_long_prompt_takes_half_a_millisecond_of_the_band_at_the_cell_edge() -> None:
    edge = UMI.replace(shadowing=False, min_distance_m=199.9, cell_radius_m=200.0)
    snr, _ = Channel(edge, seed=10).mean_snr(MANY[:1000])
    seconds = 512 * 32 / shannon_bit_per_s(edge.uplink_hz, snr)
    # most are out of sight: 115.2 dB of loss, 3.8 dB of SNR, 35 Mbit/s
    assert np.median(seconds) == pytest.approx(0.46e-3, rel=0.02)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(InputError, match="seed: must be at least 0"):
        Channel(UMI, seed=-1)
