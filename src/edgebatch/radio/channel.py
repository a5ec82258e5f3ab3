"""The channel of every request: who stands where, how strong the signal, how fast the link."""

from __future__ import annotations

import math
from enum import IntEnum

import numpy as np

from edgebatch.errors import InputError
from edgebatch.radio.counter import (
    FloatArray,
    IntArray,
    exponentials,
    normals,
    stream_key,
    uniforms,
)
from edgebatch.radio.scenario import RadioScenario
from edgebatch.units import dbm_to_watts

_THERMAL_NOISE_DBM_PER_HZ = -174.0
"""10·log10(kT·1000) at 290 K."""


class Stream(IntEnum):
    """What is random; each draws from a stream of its own, so changing one leaves the others."""

    POSITION = 0
    LINE_OF_SIGHT = 1
    SHADOWING = 2
    FADING_UP = 3
    FADING_DOWN = 4


class Channel:
    """The links of a workload's requests, as functions of seed, request number and fading block.

    No call changes anything, so policies that ask in different order meet the same channel. A
    request keeps its place, line of sight and shadowing (the same both ways); fading is new in
    every block, independent up and down.

    Args:
        scenario: the cell.
        seed: at least 0.

    Raises:
        InputError: the seed is negative.
    """

    def __init__(self, scenario: RadioScenario, seed: int) -> None:
        if seed < 0:
            raise InputError("seed", f"must be at least 0, got {seed!r}")
        self.scenario = scenario
        self.seed = seed
        self._noise_up_w = noise_watts(scenario.uplink_hz, scenario.base_noise_figure_db)
        self._noise_down_w = noise_watts(scenario.downlink_hz, scenario.user_noise_figure_db)
        self._position, self._sight, self._shadow = (
            stream_key(seed, stream)
            for stream in (Stream.POSITION, Stream.LINE_OF_SIGHT, Stream.SHADOWING)
        )

    def distance_m(self, numbers: IntArray) -> FloatArray:
        """Return how far each user is, horizontally: uniform by area on the scenario's ring."""
        inner = self.scenario.min_distance_m**2
        outer = self.scenario.cell_radius_m**2
        return np.sqrt(inner + (outer - inner) * uniforms(self._position, numbers))

    def loss_db(self, numbers: IntArray) -> FloatArray:
        """Return path loss and shadowing of each user, dB."""
        law = self.scenario.law
        distance_m = self.distance_m(numbers)
        visible = uniforms(self._sight, numbers) < law.line_of_sight_probability(distance_m)
        loss = law.loss_db(self.scenario.geometry, distance_m, visible)
        if self.scenario.shadowing:
            loss = loss + law.shadowing_db(visible) * normals(self._shadow, numbers)
        return loss

    def mean_snr(self, numbers: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return the signal-to-noise ratios up and down over the whole band, fading averaged out.

        Args:
            numbers: request numbers, int64, shape (N,), each at least 0.
        """
        gain = np.power(10.0, -self.loss_db(numbers) / 10.0)
        up = dbm_to_watts(self.scenario.user_power_dbm) / self._noise_up_w
        down = dbm_to_watts(self.scenario.base_power_dbm) / self._noise_down_w
        return up * gain, down * gain

    def rates(self, numbers: IntArray, block: int) -> tuple[FloatArray, FloatArray]:
        """Return r^U and r^D, what each link would carry with the whole band, bit/s; above 0.

        Shannon's B·log2(1 + g·SNR) with a Rayleigh-faded power gain g, exponential of mean 1.

        Args:
            numbers: request numbers, int64, shape (N,), each at least 0.
            block: number of the fading block, at least 0 (:meth:`RadioScenario.block`).
        """
        snr_up, snr_down = self.mean_snr(numbers)
        fading_up = exponentials(stream_key(self.seed, Stream.FADING_UP, block), numbers)
        fading_down = exponentials(stream_key(self.seed, Stream.FADING_DOWN, block), numbers)
        return (
            shannon_bit_per_s(self.scenario.uplink_hz, fading_up * snr_up),
            shannon_bit_per_s(self.scenario.downlink_hz, fading_down * snr_down),
        )

    def luckiest_shares(
        self,
        numbers: IntArray,
        prompt_bits: FloatArray,
        output_bits: FloatArray,
        uplink_seconds: float,
        downlink_seconds: float,
    ) -> tuple[FloatArray, FloatArray]:
        """Return the least shares in a block that fades as favourably as one in a million.

        Arguments as for :meth:`least_shares`. Whoever needs more than the whole band even so will
        never be served.
        """
        snr_up, snr_down = self.mean_snr(numbers)
        rate_up = shannon_bit_per_s(self.scenario.uplink_hz, _LUCKIEST_GAIN * snr_up)
        rate_down = shannon_bit_per_s(self.scenario.downlink_hz, _LUCKIEST_GAIN * snr_down)
        return (
            _share(prompt_bits, rate_up, uplink_seconds),
            _share(output_bits, rate_down, downlink_seconds),
        )

    def least_shares(
        self,
        numbers: IntArray,
        prompt_bits: FloatArray,
        output_bits: FloatArray,
        uplink_seconds: float,
        downlink_seconds: float,
        block: int,
    ) -> tuple[FloatArray, FloatArray]:
        """Return ρ^U = bits/(T_U·r^U) and ρ^D = bits/(T_D·r^D) of each request (formulation §4).

        A share above 1 says that the whole band would not do; all are finite. A phase of 0
        seconds does not exist and takes no share.

        Args:
            numbers: request numbers, int64, shape (N,), each at least 0.
            prompt_bits: what is to be sent up, float64, shape (N,).
            output_bits: what is to be sent down, float64, shape (N,).
            uplink_seconds: T_U, at least 0.
            downlink_seconds: T_D, at least 0.
            block: number of the fading block, at least 0.
        """
        rate_up, rate_down = self.rates(numbers, block)
        return (
            _share(prompt_bits, rate_up, uplink_seconds),
            _share(output_bits, rate_down, downlink_seconds),
        )


_LUCKIEST_GAIN = 14.0
"""A power gain that Rayleigh fading exceeds about once in a million blocks, exp(−14)."""


def noise_watts(bandwidth_hz: float, noise_figure_db: float) -> float:
    """Return thermal noise at 290 K in a band, raised by the receiver's noise figure, watts."""
    return dbm_to_watts(_THERMAL_NOISE_DBM_PER_HZ + noise_figure_db) * bandwidth_hz


def shannon_bit_per_s(bandwidth_hz: float, snr: FloatArray) -> FloatArray:
    """B·log2(1 + SNR), accurate for small ratios too, bit/s."""
    return np.log1p(snr) * (bandwidth_hz / math.log(2.0))


def _share(bits: FloatArray, bit_per_s: FloatArray, seconds: float) -> FloatArray:
    if seconds == 0.0:
        return np.zeros_like(bit_per_s)
    return bits / (seconds * bit_per_s)
