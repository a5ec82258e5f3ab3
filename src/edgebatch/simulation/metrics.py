"""What a run amounts to: the figures that policies are compared by."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgebatch.problem.checks import FloatArray
from edgebatch.scheduling import Outcome, Reason, RunLog

PERCENTILES = (50, 90, 95, 99)


@dataclass(frozen=True, slots=True)
class Latencies:
    """Percentiles over the requests that were served, late ones included; None if none was.

    Attributes:
        ttft_seconds: arrival to the first token at the node. Under epochs the user sees it no
            sooner than the whole answer.
        tpot_seconds: time between tokens after the first, at the node; answers of one token have
            none.
        e2e_seconds: arrival to the whole answer at the user.
    """

    ttft_seconds: dict[str, float] | None
    tpot_seconds: dict[str, float] | None
    e2e_seconds: dict[str, float] | None


@dataclass(frozen=True, slots=True)
class Use:
    """How full the node was.

    Attributes:
        compute: part of the span in which it computed.
        memory_mean, memory_peak: part of the memory in use, weights included: mean over the time
            in which it computed, and the greatest of any batch.
        uplink_mean, downlink_mean: part of the spectrum that batches needed at least, mean.
        running_mean: requests running at once, mean over the time in which it computed.
        binding: how often each budget kept the next candidate out of a batch.
    """

    compute: float
    memory_mean: float
    memory_peak: float
    uplink_mean: float
    downlink_mean: float
    running_mean: float
    binding: dict[str, int]


@dataclass(frozen=True, slots=True)
class Effort:
    """What deciding took.

    Attributes:
        decisions: how often the scheduler was asked.
        batches: how many batches came of it.
        proven: how many of those were proven optimal.
        nodes: nodes visited in all.
        seconds: wall-clock time in all; differs from run to run.
    """

    decisions: int
    batches: int
    proven: int
    nodes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of one run.

    Attributes:
        requests: how many arrived; the sum of the outcomes.
        in_time, late, rejected, expired, failed, cancelled: how many ended so.
        value_in_time: Σ v_i of those served in time.
        reasons: why requests were not served, how many each.
        span_seconds: from time 0 to the last arrival or the last answer, whichever is later.
        throughput_per_second: served in time per second of the span, the published measure.
        goodput_tokens_per_second: tokens of answers in time per second of the span.
        attainment: part of all requests that was served in time.
        latencies, use, effort: see there.
        batch_size: mean, percentiles and greatest size of batches; None without any.
        precisions: how many requests each precision served.
    """

    requests: int
    in_time: int
    late: int
    rejected: int
    expired: int
    failed: int
    cancelled: int
    value_in_time: float
    reasons: dict[str, int]
    span_seconds: float
    throughput_per_second: float
    goodput_tokens_per_second: float
    attainment: float
    latencies: Latencies
    use: Use
    effort: Effort
    batch_size: dict[str, float] | None
    precisions: dict[str, int]

    def to_dict(self, *, timings: bool = False) -> dict[str, Any]:
        """Return all figures as nested dicts for JSON.

        Args:
            timings: whether to include wall-clock time, which makes equal runs differ.
        """
        figures = asdict(self)
        if not timings:
            del figures["effort"]["seconds"]
        return figures


def summarise(log: RunLog) -> Summary:
    """Return the figures of a run."""
    ledger = log.ledger
    outcome, arrival = ledger.column("outcome"), ledger.column("arrival_seconds")
    in_time = outcome == Outcome.IN_TIME
    span = max(log.span_seconds, float(arrival.max(initial=0.0)))
    tokens = int(ledger.column("actual_output_tokens")[in_time].sum())
    precision = ledger.column("precision")
    return Summary(
        requests=len(ledger),
        in_time=int(in_time.sum()),
        late=int((outcome == Outcome.LATE).sum()),
        rejected=int((outcome == Outcome.REJECTED).sum()),
        expired=int((outcome == Outcome.EXPIRED).sum()),
        failed=int((outcome == Outcome.FAILED).sum()),
        cancelled=int((outcome == Outcome.CANCELLED).sum()),
        value_in_time=float(ledger.column("value")[in_time].sum()),
        reasons=_reasons(log),
        span_seconds=span,
        throughput_per_second=_ratio(int(in_time.sum()), span),
        goodput_tokens_per_second=_ratio(tokens, span),
        attainment=_ratio(int(in_time.sum()), len(ledger)),
        latencies=_latencies(log),
        use=_use(log, span),
        effort=Effort(
            decisions=log.num_decisions,
            batches=len(log.batches),
            proven=sum(batch.proven for batch in log.batches),
            nodes=sum(batch.nodes for batch in log.batches),
            seconds=sum(batch.solver_seconds for batch in log.batches),
        ),
        batch_size=_distribution(np.array([float(batch.size) for batch in log.batches])),
        precisions={
            name: int((precision == position).sum()) for position, name in enumerate(log.precisions)
        },
    )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0.0 else 0.0


def _reasons(log: RunLog) -> dict[str, int]:
    counts = Counter(log.ledger.column("reason").tolist())
    return {
        reason.name.lower(): counts[reason]
        for reason in Reason
        if reason is not Reason.NONE and counts[reason]
    }


def _latencies(log: RunLog) -> Latencies:
    ledger = log.ledger
    was_served = np.isfinite(ledger.column("finished_at_seconds"))
    arrival = ledger.column("arrival_seconds")[was_served]
    first = ledger.column("first_token_at_seconds")[was_served]
    last = ledger.column("last_token_at_seconds")[was_served]
    later_tokens = ledger.column("actual_output_tokens")[was_served] - 1
    several = later_tokens > 0
    return Latencies(
        ttft_seconds=_distribution(first - arrival),
        tpot_seconds=_distribution((last - first)[several] / later_tokens[several]),
        e2e_seconds=_distribution(ledger.column("finished_at_seconds")[was_served] - arrival),
    )


def _distribution(values: FloatArray) -> dict[str, float] | None:
    if len(values) == 0:
        return None
    figures = {"mean": float(values.mean())}
    for percentile, value in zip(PERCENTILES, np.percentile(values, PERCENTILES), strict=True):
        figures[f"p{percentile}"] = float(value)
    figures["max"] = float(values.max())
    return figures


def _use(log: RunLog, span: float) -> Use:
    batches = log.batches
    binding = Counter(batch.binding.value for batch in batches if batch.binding is not None)
    return Use(
        compute=_ratio(log.busy_seconds, span * log.num_nodes),
        memory_mean=_ratio(log.memory_seconds, log.busy_seconds),
        memory_peak=max((batch.memory_use for batch in batches), default=0.0),
        uplink_mean=_ratio(sum(batch.uplink_use for batch in batches), len(batches)),
        downlink_mean=_ratio(sum(batch.downlink_use for batch in batches), len(batches)),
        running_mean=_ratio(log.running_seconds, log.busy_seconds),
        binding=dict(sorted(binding.items())),
    )
