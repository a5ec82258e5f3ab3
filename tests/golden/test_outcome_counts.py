"""Exact outcomes of small seeded runs: whatever changes a decision changes a number here.

After a change that is meant to alter decisions, run ``pytest tests/golden``, check that every
difference it shows is the intended one, and copy the counts found into the tables.

``cp-sat`` and ``milp`` are left out: among equally good batches they may choose others from one
version of their library to the next.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgebatch.problem import Batching, Model, Node, Precision
from edgebatch.radio import Channel, RadioScenario
from edgebatch.scheduling import (
    ContinuousScheduler,
    EpochProtocol,
    EpochScheduler,
    Hosting,
    JoinRules,
    NodePool,
    Outcome,
)
from edgebatch.scheduling.log import RunLog
from edgebatch.simulation.continuous_driver import ContinuousSimulation
from edgebatch.simulation.epoch_driver import EpochSimulation
from edgebatch.simulation.reality import Reality
from edgebatch.solvers.registry import make_solver
from edgebatch.workload import (
    Choice,
    Deadlines,
    Demands,
    IndependentLengths,
    Poisson,
    SyntheticWorkload,
    Uniform,
)

Counts = tuple[int, int, int, int]
"""Requests in time, late, rejected, expired."""

LENGTHS = Choice((128.0, 256.0, 512.0))
WORKLOAD = SyntheticWorkload(
    Poisson(30.0),
    IndependentLengths(LENGTHS, LENGTHS),
    Demands(Deadlines(Uniform(0.5, 2.0)), Choice((0.0, 0.9, 0.95, 0.99))),
    num_requests=200,
    seed=7,
)
BLOOM_3B = Model(
    layers=30, hidden_size=2560, ffn_size=10240, heads=32, parameters=3_002_557_440, name="BLOOM-3B"
)
TWENTY_BOARDS = Node(memory_bytes=160e9, flops=26.6e12, uplink_seconds=0.25, downlink_seconds=0.25)
W16 = Precision("w16", 2.0)
W8 = Precision("w8", 1.0, decode_factor=0.6, quality=0.97)
HOSTING = Hosting(TWENTY_BOARDS, BLOOM_3B, (W16, W8), Batching.PADDED)


def counts(log: RunLog) -> Counts:
    found = np.bincount(log.ledger.column("outcome"), minlength=len(Outcome)).tolist()
    assert sum(found) == WORKLOAD.num_requests
    return (
        found[Outcome.IN_TIME],
        found[Outcome.LATE],
        found[Outcome.REJECTED],
        found[Outcome.EXPIRED],
    )


EPOCHS: dict[str, Counts] = {
    "dftsp": (57, 0, 12, 131),
    "brute-force": (57, 0, 12, 131),
    "static": (48, 0, 12, 140),
    "none": (29, 0, 12, 159),
    "fcfs": (54, 0, 12, 134),
    "edf": (53, 0, 12, 135),
    "sjf": (72, 0, 12, 116),
    "greedy": (67, 0, 12, 121),
}


@pytest.mark.parametrize("name", EPOCHS)
def test_pipelined_epochs(name: str) -> None:
    scheduler = EpochScheduler(HOSTING, make_solver(name))
    assert counts(EpochSimulation(scheduler, WORKLOAD).run()) == EPOCHS[name]


HARD_EPOCHS: dict[str, Counts] = {
    "dftsp": (29, 1, 73, 97),
    "static": (19, 0, 73, 108),
    "none": (7, 0, 73, 120),
    "fcfs": (11, 0, 73, 116),
    "edf": (12, 0, 73, 115),
    "sjf": (18, 0, 73, 109),
    "greedy": (23, 1, 73, 103),
}


@pytest.mark.parametrize("name", HARD_EPOCHS)
def test_fixed_epochs_over_a_narrow_radio_on_a_noisy_node(name: str) -> None:
    # 8 GB have no room for both precisions, of 6 and 3 GB
    hosting = Hosting(TWENTY_BOARDS.replace(memory_bytes=8e9), BLOOM_3B, (W8,), Batching.RAGGED)
    channel = Channel(RadioScenario(uplink_hz=1.4e6, downlink_hz=1.4e6), seed=7)
    scheduler = EpochScheduler(hosting, make_solver(name), channel=channel, queue_limit=40)
    simulation = EpochSimulation(
        scheduler,
        replace(WORKLOAD, demands=replace(WORKLOAD.demands, prompt_bits=Uniform(2e4, 5e5))),
        EpochProtocol(pipelined=False, epoch_seconds=0.5),
        Reality(time_factor=1.1, noise=0.1, seed=7),
    )
    assert counts(simulation.run()) == HARD_EPOCHS[name]


CONTINUOUS: dict[tuple[str, bool], Counts] = {
    ("fcfs", False): (3, 197, 0, 0),
    ("fcfs", True): (16, 51, 12, 121),
    ("edf", False): (3, 197, 0, 0),
    ("edf", True): (4, 73, 12, 111),
    ("sjf", False): (39, 161, 0, 0),
    ("sjf", True): (46, 41, 12, 101),
}


@pytest.mark.parametrize(("order", "expire"), CONTINUOUS)
def test_continuous_batching(order: str, expire: bool) -> None:
    hosting = replace(HOSTING, batching=Batching.RAGGED)
    scheduler = ContinuousScheduler(hosting, JoinRules(order, batch_cap=8, expire=expire))
    assert (
        counts(ContinuousSimulation(NodePool([scheduler]), WORKLOAD).run())
        == CONTINUOUS[order, expire]
    )
