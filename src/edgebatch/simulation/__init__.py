"""The scheduler under a virtual clock: two protocols, a log, and the figures drawn from it."""

from edgebatch.scheduling import BatchRecord, EpochProtocol, RunLog
from edgebatch.simulation.continuous_driver import ContinuousSimulation
from edgebatch.simulation.epoch_driver import EpochSimulation
from edgebatch.simulation.metrics import Effort, Latencies, Summary, Use, summarise
from edgebatch.simulation.reality import Reality

__all__ = [
    "BatchRecord",
    "ContinuousSimulation",
    "Effort",
    "EpochProtocol",
    "EpochSimulation",
    "Latencies",
    "Reality",
    "RunLog",
    "Summary",
    "Use",
    "summarise",
]
