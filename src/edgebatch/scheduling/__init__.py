"""One scheduler for two drivers: a simulation's virtual clock and a gateway's wall clock."""

from edgebatch.scheduling.continuous import ContinuousScheduler, JoinRules
from edgebatch.scheduling.epoch import Batch, EpochScheduler, Hosting
from edgebatch.scheduling.epoch_loop import Computed, EpochLoop, EpochProtocol, Priority, Timers
from edgebatch.scheduling.fastest import FastestAnswer
from edgebatch.scheduling.joining import JoiningScheduler, precision_that_runs
from edgebatch.scheduling.log import BatchRecord, RunLog
from edgebatch.scheduling.outcomes import Ledger, Outcome, Reason, RequestRecord
from edgebatch.scheduling.pool import NodePool
from edgebatch.scheduling.prospects import Prospect, Prospects
from edgebatch.scheduling.rolling import RollingScheduler
from edgebatch.scheduling.rolling_rules import RollingRules
from edgebatch.scheduling.running_batch import Promises, RunningBatch
from edgebatch.scheduling.waiting import Waiting, WaitingQueue

__all__ = [
    "Batch",
    "BatchRecord",
    "Computed",
    "ContinuousScheduler",
    "EpochLoop",
    "EpochProtocol",
    "EpochScheduler",
    "FastestAnswer",
    "Hosting",
    "JoinRules",
    "JoiningScheduler",
    "Ledger",
    "NodePool",
    "Outcome",
    "Priority",
    "Promises",
    "Prospect",
    "Prospects",
    "Reason",
    "RequestRecord",
    "RollingRules",
    "RollingScheduler",
    "RunLog",
    "RunningBatch",
    "Timers",
    "Waiting",
    "WaitingQueue",
    "precision_that_runs",
]
