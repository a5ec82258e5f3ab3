"""Requests as they come in: drawn from distributions or replayed from traces."""

from edgebatch.workload.arrival import Arrival
from edgebatch.workload.base import Workload
from edgebatch.workload.demands import Deadlines, Demands
from edgebatch.workload.distribution_config import distribution_from_config
from edgebatch.workload.distributions import (
    Choice,
    Constant,
    Distribution,
    Exponential,
    Uniform,
)
from edgebatch.workload.empirical import Empirical
from edgebatch.workload.formats import TRACE_FORMATS, TraceFormat
from edgebatch.workload.lengths import IndependentLengths, Lengths, TraceLengths
from edgebatch.workload.limits import (
    EXACT_LIMIT,
    ExactLimit,
    FactorLimit,
    FixedLimit,
    OutputLimit,
    RoundedUpLimit,
)
from edgebatch.workload.lognormal import Lognormal
from edgebatch.workload.processes import ArrivalProcess, Deterministic, Gamma, Poisson
from edgebatch.workload.replay import TraceWorkload
from edgebatch.workload.rows import MAX_SECONDS, TraceRow
from edgebatch.workload.statistics import TokenStatistics, TraceStatistics, trace_statistics
from edgebatch.workload.streams import Stream, Streams, generator_for
from edgebatch.workload.synthetic import SyntheticWorkload
from edgebatch.workload.traces import Trace, open_trace, recorded, write_trace

__all__ = [
    "EXACT_LIMIT",
    "MAX_SECONDS",
    "TRACE_FORMATS",
    "Arrival",
    "ArrivalProcess",
    "Choice",
    "Constant",
    "Deadlines",
    "Demands",
    "Deterministic",
    "Distribution",
    "Empirical",
    "ExactLimit",
    "Exponential",
    "FactorLimit",
    "FixedLimit",
    "Gamma",
    "IndependentLengths",
    "Lengths",
    "Lognormal",
    "OutputLimit",
    "Poisson",
    "RoundedUpLimit",
    "Stream",
    "Streams",
    "SyntheticWorkload",
    "TokenStatistics",
    "Trace",
    "TraceFormat",
    "TraceLengths",
    "TraceRow",
    "TraceStatistics",
    "TraceWorkload",
    "Uniform",
    "Workload",
    "distribution_from_config",
    "generator_for",
    "open_trace",
    "recorded",
    "trace_statistics",
    "write_trace",
]
