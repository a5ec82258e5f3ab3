from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from edgebatch.radio.counter import exponentials, hashes, normals, stream_key, uniforms

MANY = np.arange(100_000)
# of five standard errors at least, and of the Kolmogorov–Smirnov statistic at p ≈ 0.001
FIVE_ERRORS = 5.0 / np.sqrt(MANY.size)
WORST_DISTANCE = 1.95 / np.sqrt(MANY.size)


def test_hashes_are_those_of_the_reference_generator() -> None:
    # the first outputs of splitmix64 from the state 1234567, as published with its C code
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert hashes(np.uint64(1234567), np.arange(3)).tolist() == expected


def test_uniforms_fill_the_unit_interval_evenly() -> None:
    found = stats.kstest(uniforms(stream_key(1, 0), MANY), "uniform")
    assert found.statistic < WORST_DISTANCE


def test_exponentials_have_mean_and_shape_of_the_unit_exponential() -> None:
    gains = exponentials(stream_key(2, 3, 7), MANY)
    # the standard deviation is 1, so the mean's standard error is 1/√N
    assert gains.mean() == pytest.approx(1.0, abs=FIVE_ERRORS)
    assert stats.kstest(gains, "expon").statistic < WORST_DISTANCE
    assert gains.min() > 0.0


def test_normals_have_the_shape_of_the_standard_normal() -> None:
    assert stats.kstest(normals(stream_key(3, 2), MANY), "norm").statistic < WORST_DISTANCE


@pytest.mark.parametrize(
    "other",
    [stream_key(5, 3, 8), stream_key(5, 4, 7), stream_key(6, 3, 7), stream_key(5 + 2**32, 3, 7)],
    ids=["next block", "next stream", "next seed", "seed of two words"],
)
def test_streams_blocks_and_seeds_are_uncorrelated(other: np.uint64) -> None:
    one = uniforms(stream_key(5, 3, 7), MANY)
    assert abs(np.corrcoef(one, uniforms(other, MANY))[0, 1]) < FIVE_ERRORS


def test_neighbouring_counters_are_uncorrelated() -> None:
    one = uniforms(stream_key(9, 0), MANY)
    assert abs(np.corrcoef(one[1:], one[:-1])[0, 1]) < FIVE_ERRORS


def test_counters_are_left_as_they_were() -> None:
    counters = np.arange(5)
    hashes(stream_key(0, 0), counters)
    assert counters.tolist() == [0, 1, 2, 3, 4]
