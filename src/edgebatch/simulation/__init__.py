"""The scheduler under a virtual clock: two protocols, a log, and the figures drawn from it."""

from edgebatch.simulation.continuous_driver import ContinuousSimulation
from edgebatch.simulation.epoch_driver import EpochProtocol, EpochSimulation
from edgebatch.simulation.log import BatchRecord, RunLog
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
