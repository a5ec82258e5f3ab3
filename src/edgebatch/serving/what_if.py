"""What another precision would have done with the latest requests, by simulating them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from edgebatch.scenario import Policy, Scenario
from edgebatch.serving.refusals import try_later
from edgebatch.simulation import summarise
from edgebatch.workload import Arrival


@dataclass(frozen=True, slots=True)
class _Latest:
    """Requests as they came."""

    arrivals: tuple[Arrival, ...]

    @property
    def mean_rate(self) -> float | None:
        """Mean arrival rate per second."""
        if len(self.arrivals) < 2:
            return None
        span = self.arrivals[-1].arrival_seconds - self.arrivals[0].arrival_seconds
        return (len(self.arrivals) - 1) / span if span > 0.0 else None

    def __iter__(self) -> Iterator[Arrival]:
        return iter(self.arrivals)

    def scaled(self, rate_factor: float) -> Self:
        """Return the same requests, arriving ``rate_factor`` times as fast."""
        return replace(
            self,
            arrivals=tuple(
                each._replace(arrival_seconds=each.arrival_seconds / rate_factor)
                for each in self.arrivals
            ),
        )


def what_if(
    scenario: Scenario, policy: Policy, arrivals: Sequence[Arrival], load_factor: float = 1.0
) -> dict[str, Any]:
    """Return the share that each hosted precision alone, or all servers, would have served in time.

    The same scheduler under the virtual clock, with the cost model of the profile.

    Args:
        scenario: whose precisions are tried, one after the other.
        policy: who decides.
        arrivals: in any order.
        load_factor: 2 lets them come twice as fast.
    """
    ordered = sorted(arrivals, key=lambda each: each.arrival_seconds)
    begins_at = ordered[0].arrival_seconds if ordered else 0.0
    latest = _Latest(
        tuple(
            each._replace(number=number, arrival_seconds=each.arrival_seconds - begins_at)
            for number, each in enumerate(ordered)
        )
    )
    rate = latest.mean_rate
    answer: dict[str, Any] = {
        "requests": len(ordered),
        "rate_per_second": None if rate is None else rate * load_factor,
        "precisions": [],
    }
    if rate is None:
        return answer
    for name, quality, tried in _alternatives(scenario, policy):
        summary = summarise(scenario.run(tried, latest.scaled(load_factor)))
        answer["precisions"].append(
            {
                "name": name,
                "quality": quality,
                "in_time_share": summary.attainment,
                "served_per_second": summary.throughput_per_second,
            }
        )
    return answer


def _alternatives(scenario: Scenario, policy: Policy) -> Iterator[tuple[str, float, Policy]]:
    """Yield name, quality and policy of what is tried."""
    if scenario.servers or not policy.is_continuous:
        # several servers, and epochs, choose among all that there are
        precisions = scenario.precisions_run(policy)
        name = " + ".join(each.name for each in precisions)
        yield name, max(each.quality for each in precisions), policy
        return
    for precision in scenario.hosting.precisions:
        yield precision.name, precision.quality, policy.with_knobs(precision=precision.name)


class OneWhatIf:
    """Simulates beside the event loop, one at a time: each can take a processor for long.

    Args:
        scenario: whose precisions are tried.
        policy: who decides.
    """

    def __init__(self, scenario: Scenario, policy: Policy) -> None:
        self._scenario, self._policy = scenario, policy
        self._since_seconds: float | None = None

    async def ask(self, arrivals: Sequence[Arrival], load_factor: float) -> dict[str, Any]:
        """Return what :func:`what_if` does.

        Args:
            arrivals: in any order.
            load_factor: 2 lets them come twice as fast.

        Raises:
            Refusal: another one is being simulated.
        """
        now = time.monotonic()
        if self._since_seconds is not None:
            # nobody knows how long it will take: it may be as long again as it has been
            lasted = now - self._since_seconds
            raise try_later("another what-if is being simulated", "what_if_running", lasted)
        self._since_seconds = now
        try:
            return await asyncio.to_thread(
                what_if, self._scenario, self._policy, arrivals, load_factor
            )
        finally:
            self._since_seconds = None
