"""Several nodes before one queue, each with one request at a time, are a queue that theory knows.

Erlang's C is the probability that all c servers of an M/M/c queue are busy when someone comes; the
mean wait is C/(c·μ − λ).
"""

from __future__ import annotations

import math

import pytest
from replications import assert_agrees, interval
from test_single_server_queues import (
    GEOMETRIC_ANSWERS,
    NO_DEADLINE,
    STEPPING,
    mean_wait,
)

from edgebatch.problem import Node
from edgebatch.scheduling import (
    ContinuousScheduler,
    Hosting,
    JoinRules,
    Ledger,
    NodePool,
    RunLog,
    WaitingQueue,
)
from edgebatch.simulation.continuous_driver import ContinuousSimulation
from edgebatch.workload import Poisson, SyntheticWorkload
from toy_runs import TINY_MODEL, W16


def run(nodes: list[Node], rate: float, seed: int, requests: int = 6000) -> RunLog:
    workload = SyntheticWorkload(Poisson(rate), GEOMETRIC_ANSWERS, NO_DEADLINE, requests, seed=seed)
    queue, rules = WaitingQueue(Ledger()), JoinRules(batch_cap=1)
    pool = NodePool(
        [ContinuousScheduler(Hosting(node, TINY_MODEL, (W16,)), rules, queue) for node in nodes]
    )
    return ContinuousSimulation(pool, workload).run()


def erlang_c(servers: int, offered: float) -> float:
    last = offered**servers / math.factorial(servers) / (1.0 - offered / servers)
    others = sum(offered**each / math.factorial(each) for each in range(servers))
    return last / (others + last)


@pytest.mark.parametrize(("servers", "load"), [(2, 0.7), (5, 0.7)])
def test_who_waits_for_several_equal_servers_waits_as_in_an_m_m_c_queue(
    servers: int, load: float
) -> None:
    rate = load * servers
    exact = erlang_c(servers, rate) / (servers - rate)
    waits = interval(lambda seed: mean_wait(run([STEPPING] * servers, rate, seed)), 20)
    assert_agrees(waits, exact, 0.15)


def test_the_nodes_are_busy_for_the_offered_load() -> None:
    def utilisation(seed: int) -> float:
        log = run([STEPPING] * 3, 1.8, seed, 3000)
        return log.busy_seconds / (3 * log.span_seconds)

    assert_agrees(interval(utilisation, 12), 0.6, within=0.05)


def test_of_two_idle_nodes_the_faster_one_serves() -> None:
    slow = STEPPING.replace(step_overhead_seconds=2.0 * STEPPING.step_overhead_seconds)
    log = run([slow, STEPPING], 0.01, 1, 300)
    # so far apart that hardly anyone meets another: 1 s each, not 2
    assert log.busy_seconds / 300 == pytest.approx(1.0, abs=0.15)
