"""One queue before several servers, beside a router that sends requests round to gateways.

    python benchmarks/rolling/several_servers.py

Both are simulated with ``rolling`` on ``orin-chat``. The router knows which servers are good enough
for a request and sends it to the next one of these, round and round; each has a queue of its own.
Prints the table of ``docs/rolling.md``: medians over the seeds.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from joblib import Parallel, delayed

from edgebatch.scenario import Policy, Scenario, estimated_capacity
from edgebatch.simulation import summarise
from edgebatch.workload import Arrival

POLICY = Policy("rolling")
FLEETS: dict[str, list[dict[str, Any]]] = {
    "two in 8 bits": [{"precision": "w8a16", "count": 2}],
    "four in 8 bits": [{"precision": "w8a16", "count": 4}],
    "one in 8 bits, one in 4": [{"precision": "w8a16"}, {"precision": "w4a16"}],
}
LOADS = (0.25, 0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True)
class Part:
    """Those requests that the router sends to one server."""

    arrivals: tuple[Arrival, ...]
    mean_rate: float | None = None

    def __iter__(self) -> Iterator[Arrival]:
        return iter(self.arrivals)

    def scaled(self, rate_factor: float) -> Self:
        raise NotImplementedError(rate_factor)


def in_time(scenario: Scenario) -> tuple[int, int]:
    """Return how many are in time with one queue, and with a router."""
    together = summarise(scenario.run(POLICY)).in_time
    parts: list[list[Arrival]] = [[] for _ in scenario.servers]
    for turn, arrival in enumerate(scenario.workload):
        good = [
            position
            for position, server in enumerate(scenario.servers)
            if arrival.min_quality <= server.precisions[0].quality
        ]
        parts[good[turn % len(good)]].append(arrival)
    apart = 0
    for server, part in zip(scenario.servers, parts, strict=True):
        alone = [{"precision": server.precisions[0].name}]
        one = Scenario({**scenario.document, "servers": alone})
        apart += summarise(one.run(POLICY, Part(tuple(part)))).in_time
    return together, apart


def cell(fleet: str, load: float, seed: int, requests: int) -> tuple[float, float]:
    """Return the parts of requests in time, in one run."""
    scenario = Scenario.load("orin-chat", (f"seed={seed}", f"workload.num_requests={requests}"))
    scenario = Scenario({**scenario.document, "servers": FLEETS[fleet]})
    rate = load * estimated_capacity(scenario)
    together, apart = in_time(scenario.with_settings(f"workload.rate_per_second={rate}"))
    return together / requests, apart / requests


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    places = [(fleet, load) for fleet in FLEETS for load in LOADS]
    tasks = [(*place, seed) for place in places for seed in range(1, given.seeds + 1)]
    found = Parallel(n_jobs=given.jobs)(delayed(cell)(*each, given.requests) for each in tasks)
    rows = []
    for fleet, load in places:
        own = [found[at] for at, each in enumerate(tasks) if each[:2] == (fleet, load)]
        together, apart = (statistics.median(each[side] for each in own) for side in (0, 1))
        shares = (f"{100 * together:.1f} %", f"{100 * apart:.1f} %")
        rows.append((fleet, f"{load:g}×", *shares, f"{together / apart:.2f}"))
    head = ("servers", "load", "in time, one queue", "in time, a router", "ratio")
    for row in (head, ("---",) * len(head), *rows):
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
