"""One scheduler for two drivers: a simulation's virtual clock and a gateway's wall clock."""

from edgebatch.scheduling.continuous import ContinuousScheduler, JoinRules
from edgebatch.scheduling.epoch import Batch, EpochScheduler, Hosting
from edgebatch.scheduling.fastest import FastestAnswer
from edgebatch.scheduling.outcomes import Ledger, Outcome, Reason, RequestRecord
from edgebatch.scheduling.waiting import Waiting, WaitingQueue

__all__ = [
    "Batch",
    "ContinuousScheduler",
    "EpochScheduler",
    "FastestAnswer",
    "Hosting",
    "JoinRules",
    "Ledger",
    "Outcome",
    "Reason",
    "RequestRecord",
    "Waiting",
    "WaitingQueue",
]
