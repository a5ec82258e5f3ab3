"""True against believed times."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgebatch.errors import InputError
from edgebatch.scheduling import EpochScheduler
from edgebatch.simulation.epoch_driver import EpochSimulation
from edgebatch.simulation.reality import Reality
from edgebatch.solvers import Fcfs
from toy_runs import arrival, hosting, listed, records


def draws(reality: Reality, count: int) -> list[float]:
    factors = reality.factors()
    return [factors.next() for _ in range(count)]


def test_without_noise_the_factor_is_always_the_same() -> None:
    assert draws(Reality(time_factor=1.2), 3) == [1.2] * 3


def test_noise_has_mean_one_and_the_asked_deviation() -> None:
    factors = np.array(draws(Reality(time_factor=1.5, noise=0.3), 20_000))
    # the mean of n draws has a standard error of 1.5·sqrt(exp(0.3²) − 1)/sqrt(n) = 0.0033
    error = 1.5 * math.sqrt(math.expm1(0.3**2) / 20_000)
    assert factors.mean() == pytest.approx(1.5, abs=4.0 * error)
    # that of a deviation is σ/sqrt(2n)
    assert np.log(factors).std() == pytest.approx(0.3, abs=4.0 * 0.3 / math.sqrt(40_000))


def test_the_seed_decides_the_noise() -> None:
    assert draws(Reality(noise=0.3, seed=1), 5) == draws(Reality(noise=0.3, seed=1), 5)
    assert draws(Reality(noise=0.3, seed=1), 5) != draws(Reality(noise=0.3, seed=2), 5)


def test_two_runs_of_one_seed_are_the_same() -> None:
    def run(seed: int) -> list[float]:
        scheduler = EpochScheduler(hosting(), Fcfs())
        workload = listed(*(arrival(number, number / 3.0) for number in range(20)))
        log = EpochSimulation(scheduler, workload, reality=Reality(noise=0.2, seed=seed)).run()
        return [record.finished_at_seconds for record in records(log)]

    assert run(1) == run(1)
    assert run(1) != run(2)


@pytest.mark.parametrize(
    ("field", "time_factor", "noise"),
    [
        ("time_factor", 0.0, 0.0),
        ("time_factor", math.inf, 0.0),
        ("noise", 1.0, -0.1),
        ("noise", 1.0, math.nan),
    ],
)
def test_what_is_no_factor_is_refused(field: str, time_factor: float, noise: float) -> None:
    with pytest.raises(InputError, match=f"reality.{field}"):
        Reality(time_factor=time_factor, noise=noise)
