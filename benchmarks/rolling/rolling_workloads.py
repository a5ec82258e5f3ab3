"""The workloads on which ``rolling`` is held against every other policy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgebatch.comparison import estimated_capacity
from edgebatch.scenario import Scenario
from edgebatch.workload import Arrival, Workload

SEEDS = (1, 2, 3, 4, 5)
LOADS = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
WORKLOADS = ("azure-8bit", "azure-mixed", "peers-7b", "bursty-chat")

AZURE_TRACE = (
    Path(__file__).resolve().parents[3]
    / "shared/data/traces/azure_llm_2023/AzureLLMInferenceTrace_conv.csv"
)
_WINDOW_SECONDS = 600.0
"""Each seed replays the trace from a start of its own, so many seconds after the one before."""


@dataclass(frozen=True)
class Listed:
    """Requests one by one."""

    arrivals: tuple[Arrival, ...]
    mean_rate: float | None = None

    def __iter__(self) -> Iterator[Arrival]:
        return iter(self.arrivals)

    def scaled(self, rate_factor: float) -> Listed:
        return Listed(
            tuple(
                each._replace(arrival_seconds=each.arrival_seconds / rate_factor)
                for each in self.arrivals
            )
        )


def scenario(workload: str, load: float, seed: int, trace: Path = AZURE_TRACE) -> Scenario:
    """Return the scenario of a workload; higher loads have more requests, so they last as well."""
    num_requests = round(min(1500.0, max(400.0, 1000.0 * load)))
    settings = [f"seed={seed}", f"workload.num_requests={num_requests}"]
    if not workload.startswith("azure"):
        return Scenario.load(workload, settings)
    drawn = ("arrivals", "rate_per_second", "prompt_tokens", "output_tokens")
    settings += [f"workload.{key}=" for key in drawn]
    settings += [
        f"workload.trace={trace}",
        f"workload.start_seconds={(seed - 1) * _WINDOW_SECONDS}",
        "workload.max_prompt_tokens=4096",
    ]
    if workload == "azure-8bit":
        settings.append('precisions.hosted=["w8a16"]')
    return Scenario.load("orin-chat", settings)


def arrivals(base: Scenario, workload: str, load: float, trace: Path = AZURE_TRACE) -> Workload:
    """Return a scenario's requests at a multiple of the capacity; the same rate for all seeds."""
    capacity = estimated_capacity(scenario(workload, 1.0, SEEDS[0], trace))
    own_rate = base.workload.mean_rate
    assert own_rate is not None
    return base.workload.scaled(load * capacity / own_rate)


def as_slow_as(base: Scenario, factor: float) -> Scenario:
    """Return the scenario with a node that is known to take ``factor`` times as long."""
    node = base.hosting.node
    assert node.memory_bandwidth is not None
    return base.with_settings(
        "node.device=",
        "node.efficiency=",
        "node.bandwidth_efficiency=",
        f"node.flops={node.flops / factor!r}",
        f"node.memory_bandwidth={node.memory_bandwidth / factor!r}",
        f"node.memory_bytes={node.memory_bytes!r}",
        f"node.step_overhead_seconds={node.step_overhead_seconds * factor!r}",
    )
