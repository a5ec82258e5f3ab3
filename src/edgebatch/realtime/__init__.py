"""The scheduler under the wall clock, in front of a real engine."""

from edgebatch.realtime.continuous_dispatcher import ContinuousDispatcher
from edgebatch.realtime.dispatcher import Dispatcher
from edgebatch.realtime.engine_driver import EngineDriver
from edgebatch.realtime.epoch_dispatcher import EpochDispatcher
from edgebatch.realtime.job import Job, Joined
from edgebatch.realtime.replay import PromptSource, replay

__all__ = [
    "ContinuousDispatcher",
    "Dispatcher",
    "EngineDriver",
    "EpochDispatcher",
    "Job",
    "Joined",
    "PromptSource",
    "replay",
]
