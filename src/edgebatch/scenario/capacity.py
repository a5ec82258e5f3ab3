"""What load a node could carry at best, by its cost model: the unit in which loads are given."""

from __future__ import annotations

from itertools import islice

import numpy as np

from edgebatch.cost import BatchCost, hosted_bytes
from edgebatch.errors import InputError
from edgebatch.problem.checks import FloatArray
from edgebatch.scenario.scenario import Scenario
from edgebatch.scheduling import Hosting

_SAMPLE_REQUESTS = 2000


def estimated_capacity(scenario: Scenario) -> float:
    """Return the most requests per second that batches of average requests could complete.

    The best over batch sizes b, and over the hosted precisions, of b divided by the time of a
    batch of b mean requests, b limited by the memory, by the median deadline and by how many the
    engine runs at once. Padding, waiting and the mix of deadlines and qualities are ignored, so no
    policy can be expected to reach it with every request in time; it only sets the scale. Of
    several servers it is the sum.

    Raises:
        InputError: the workload has no requests, or not even one average request fits.
    """
    sample = list(islice(scenario.workload, _SAMPLE_REQUESTS))
    if not sample:
        raise InputError("workload", "has no requests")
    prompt = np.array([float(arrival.prompt_tokens) for arrival in sample])
    output = np.array([float(arrival.actual_output_tokens) for arrival in sample])
    deadline = float(np.median([arrival.deadline_seconds for arrival in sample]))
    best = sum(
        _most_per_second(hosting, prompt, output, deadline)
        for hosting in scenario.servers or (scenario.hosting,)
    )
    if best == 0.0:
        raise InputError(
            "compare.loads",
            "the capacity is 0: not even one average request fits memory and deadline; "
            "give compare.rates_per_second instead",
        )
    return best


def _most_per_second(
    hosting: Hosting, prompt: FloatArray, output: FloatArray, deadline_seconds: float
) -> float:
    free_bytes = hosting.node.memory_bytes - hosted_bytes(
        hosting.node, hosting.model, hosting.precisions
    )
    best = 0.0
    for precision in hosting.precisions:
        cost = BatchCost(hosting.node, hosting.model, precision)
        each = float(cost.member_seconds(prompt, output).mean())
        fixed = float(cost.fixed_seconds(float(output.mean())))
        by_memory = free_bytes / float(cost.kv_bytes(prompt, output).mean())
        by_time = (deadline_seconds - hosting.node.radio_seconds - fixed) / each
        size = int(min(by_memory, by_time, hosting.max_running or 1e6))
        if size >= 1:
            cycle = max(fixed + size * each, hosting.node.uplink_seconds)
            best = max(best, size / cycle)
    return best
