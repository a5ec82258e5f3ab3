"""How a node fares at one rate: latencies, use, memory, energy; over several runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgebatch.study.feasibility import Feasibility
from edgebatch.study.replications import RunFigures
from edgebatch.study.shares import Share, measured_share

PERCENTILES = (50, 95, 99)


@dataclass(frozen=True, slots=True)
class Energy:
    """Energy for each request that is served in time, if the device draws its greatest power.

    What it draws while it idles is not known, so there are two figures between which the truth
    should lie.

    Attributes:
        power_watts: greatest power setting of all devices.
        computing_joules: power × time in which it computes / served in time: idling costs nothing.
        always_on_joules: power × whole time / served in time: idling costs as much as computing.
    """

    power_watts: float
    computing_joules: float
    always_on_joules: float


@dataclass(frozen=True, slots=True)
class Operation:
    """How a node fares at one rate.

    Attributes:
        rate_per_second: arrivals.
        share: served in time.
        served_per_second: rate times that share.
        busy_share: part of the time in which it computes.
        batch_mean: requests running at once, mean over the time in which it computes.
        kv_peak_bytes: most memory that requests had at once, as reserved for them.
        spare_bytes: memory left at that moment.
        kept_out_by: how often each budget kept a candidate out of a batch.
        e2e_seconds, ttft_seconds: percentiles of the times to the whole answer and to the first
            token, over all requests that were served; None if none was.
        energy: None where the power is not known or nobody was served in time.
    """

    rate_per_second: float
    share: Share
    served_per_second: float
    busy_share: float
    batch_mean: float
    kv_peak_bytes: float
    spare_bytes: float
    kept_out_by: dict[str, int]
    e2e_seconds: dict[str, float] | None
    ttft_seconds: dict[str, float] | None
    energy: Energy | None


def operation(
    rate_per_second: float,
    runs: Sequence[RunFigures],
    feasibility: Feasibility,
    power_watts: float | None,
) -> Operation:
    """Return what several runs at a rate amount to; 4, 8, 16 or 32 of them."""
    share = measured_share([(run.in_time, run.requests) for run in runs])
    busy = sum(run.busy_seconds for run in runs)
    span = sum(run.span_seconds for run in runs)
    kept_out: Counter[str] = Counter()
    for run in runs:
        kept_out.update(run.kept_out_by)
    taken = feasibility.weights_bytes + feasibility.reserved_bytes
    peak = max(max(run.memory_peak for run in runs) * feasibility.node_bytes, taken)
    return Operation(
        rate_per_second=rate_per_second,
        share=share,
        served_per_second=rate_per_second * share.mean,
        busy_share=busy / span if span else 0.0,
        batch_mean=sum(run.running_seconds for run in runs) / busy if busy else 0.0,
        kv_peak_bytes=peak - taken,
        spare_bytes=max(0.0, feasibility.node_bytes - peak),
        kept_out_by=dict(sorted(kept_out.items())),
        e2e_seconds=_percentiles([run.e2e_seconds for run in runs]),
        ttft_seconds=_percentiles([run.ttft_seconds for run in runs]),
        energy=_energy(power_watts, busy, span, sum(run.all_in_time for run in runs)),
    )


def _percentiles(samples: Sequence[Sequence[float]]) -> dict[str, float] | None:
    values = np.concatenate([np.array(each) for each in samples])
    if len(values) == 0:
        return None
    found = np.percentile(values, PERCENTILES).tolist()
    return {f"p{name}": value for name, value in zip(PERCENTILES, found, strict=True)}


def _energy(power_watts: float | None, busy: float, span: float, served: int) -> Energy | None:
    if power_watts is None or served == 0:
        return None
    return Energy(power_watts, power_watts * busy / served, power_watts * span / served)
