"""One request at a time without deadlines is a queue that theory knows: M/D/1 and M/M/1.

The Pollaczek–Khinchine formula gives the mean wait before service of any M/G/1 queue, first come
first served: W = λ·E[S²]/(2·(1 − ρ)). With constant service it is ρ/(2μ(1 − ρ)), with exponential
service ρ/(μ − λ).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from replications import assert_agrees, interval

from edgebatch.problem import Node
from edgebatch.problem.checks import FloatArray
from edgebatch.scheduling import ContinuousScheduler, EpochScheduler, Hosting, JoinRules, NodePool
from edgebatch.scheduling.log import RunLog
from edgebatch.simulation.continuous_driver import ContinuousSimulation
from edgebatch.simulation.epoch_driver import EpochSimulation
from edgebatch.solvers import Fcfs, NoBatching
from edgebatch.workload import (
    Constant,
    Deadlines,
    Demands,
    Gamma,
    IndependentLengths,
    Lengths,
    Poisson,
    SyntheticWorkload,
)
from toy_runs import ONE_SECOND_A_TOKEN, TINY_MODEL, W16

NO_DEADLINE = Demands(Deadlines(Constant(math.inf)))
ONE_TOKEN = IndependentLengths(Constant(1.0), Constant(1.0))
WARM_UP = 300
"""Requests dropped at the start: several relaxation times 1/(μ(1 − sqrt ρ)²) of these queues."""


@dataclass(frozen=True)
class Geometric:
    """Geometrically distributed from 1 upwards."""

    mean: float

    @property
    def support(self) -> tuple[float, float]:
        return 1.0, math.inf

    def sample(self, generator: np.random.Generator, size: int, /) -> FloatArray:
        return generator.geometric(1.0 / self.mean, size).astype(float)


MEAN_TOKENS = 400
# steps of 1/400 s and no arithmetic to speak of: service is exponential but for its discreteness
STEPPING = Node(memory_bytes=1e9, flops=1e18, step_overhead_seconds=1.0 / MEAN_TOKENS)
GEOMETRIC_ANSWERS = IndependentLengths(
    Constant(1.0), Constant(20_000.0), actual_output_tokens=Geometric(MEAN_TOKENS)
)


def run(
    protocol: str, node: Node, lengths: Lengths, rate: float, seed: int, requests: int
) -> RunLog:
    workload = SyntheticWorkload(Poisson(rate), lengths, NO_DEADLINE, requests, seed=seed)
    hosted = Hosting(node, TINY_MODEL, (W16,))
    if protocol == "epochs":
        return EpochSimulation(EpochScheduler(hosted, NoBatching()), workload).run()
    scheduler = ContinuousScheduler(hosted, JoinRules(batch_cap=1))
    return ContinuousSimulation(NodePool([scheduler]), workload).run()


def mean_wait(log: RunLog) -> float:
    """Return the mean time from arrival to the start of computing, after the warm-up."""
    waits = log.ledger.column("decided_at_seconds") - log.ledger.column("arrival_seconds")
    return float(waits[WARM_UP:].mean())


# replications, requests in each, and how far the interval may reach; epochs take more time, as a
# solver is asked for every request
SIZES = {"epochs": (12, 2000, 0.2), "continuous": (20, 6000, 0.08)}
both_protocols = pytest.mark.parametrize("protocol", SIZES)


@both_protocols
@pytest.mark.parametrize("load", [0.4, 0.7])
def test_equal_requests_wait_as_in_an_m_d_1_queue(protocol: str, load: float) -> None:
    replications, requests, within = SIZES[protocol]
    # one request of one token takes one second: μ = 1, ρ = λ
    waits = interval(
        lambda seed: mean_wait(run(protocol, ONE_SECOND_A_TOKEN, ONE_TOKEN, load, seed, requests)),
        replications,
    )
    assert_agrees(waits, load / (2.0 * (1.0 - load)), within)


@both_protocols
def test_geometric_answers_wait_as_in_an_m_m_1_queue(protocol: str) -> None:
    replications, requests, within = SIZES[protocol]
    load = 0.5
    waits = interval(
        lambda seed: mean_wait(run(protocol, STEPPING, GEOMETRIC_ANSWERS, load, seed, requests)),
        replications,
    )
    # E[S²] = (2m² − m)/m² for steps of 1/m, so M/M/1's ρ/(μ − λ) but for 1/(2m) = 0.1 %
    exact = load * (2.0 - 1.0 / MEAN_TOKENS) / (2.0 * (1.0 - load))
    assert exact == pytest.approx(load / (1.0 - load), rel=2e-3)
    assert_agrees(waits, exact, within)


@both_protocols
def test_the_node_is_busy_for_the_offered_load(protocol: str) -> None:
    def utilisation(seed: int) -> float:
        log = run(protocol, ONE_SECOND_A_TOKEN, ONE_TOKEN, 0.6, seed, 1500)
        return log.busy_seconds / log.span_seconds

    assert_agrees(interval(utilisation, 12), 0.6, within=0.05)


@both_protocols
def test_littles_law_holds_for_those_being_served(protocol: str) -> None:
    # served one at a time, the mean number in service is the utilisation: L = λ·E[S] with E[S] = 1
    log = run(protocol, ONE_SECOND_A_TOKEN, ONE_TOKEN, 0.6, 1, 1500)
    assert log.running_seconds == pytest.approx(log.busy_seconds) == pytest.approx(1500.0)


def time_in_service(log: RunLog) -> float:
    """Return the sum over requests of the time from the start of their batch to their end."""
    started = np.array([batch.started_at_seconds for batch in log.batches])
    ended = log.ledger.column("last_token_at_seconds")
    return float((ended - started[log.ledger.column("batch")]).sum())


def test_littles_law_holds_for_batches() -> None:
    workload = SyntheticWorkload(Poisson(3.0), GEOMETRIC_ANSWERS, NO_DEADLINE, 500, seed=2)
    hosted = Hosting(STEPPING.replace(uplink_seconds=0.1), TINY_MODEL, (W16,))
    epochs = EpochSimulation(EpochScheduler(hosted, Fcfs()), workload).run()
    assert epochs.running_seconds == pytest.approx(time_in_service(epochs), rel=1e-9)
    continuous = ContinuousSimulation(
        NodePool([ContinuousScheduler(hosted, JoinRules())]), workload
    ).run()
    assert continuous.running_seconds == pytest.approx(time_in_service(continuous), rel=1e-9)
    assert continuous.running_seconds > 2.0 * continuous.busy_seconds


@pytest.mark.parametrize("cv", [0.5, 1.0, 2.0])
def test_arrivals_in_the_log_have_the_asked_rate_and_variation(cv: float) -> None:
    def gaps(seed: int) -> FloatArray:
        workload = SyntheticWorkload(Gamma(8.0, cv), ONE_TOKEN, NO_DEADLINE, 3000, seed=seed)
        hosted = Hosting(STEPPING, TINY_MODEL, (W16,))
        log = ContinuousSimulation(
            NodePool([ContinuousScheduler(hosted, JoinRules())]), workload
        ).run()
        return np.diff(np.sort(log.ledger.column("arrival_seconds")), prepend=0.0)

    assert_agrees(interval(lambda seed: float(gaps(seed).mean()), 12), 1.0 / 8.0, within=0.1)
    # the deviation of a sample is biased by less than 1/n of it
    assert_agrees(interval(lambda seed: float(gaps(seed).std()), 12), cv / 8.0, within=0.1)
