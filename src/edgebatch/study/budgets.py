"""What binds first: of which budget a quarter more would help most.

Arithmetic and memory bandwidth are told apart, though the latency is made of both.
"""

from __future__ import annotations

import math
from dataclasses import replace

from edgebatch.scenario import Policy, Scenario
from edgebatch.scheduling import Hosting

_MORE = 1.25

_OF_NODE = {
    "arithmetic": "flops",
    "bandwidth": "memory_bandwidth",
    "memory": "memory_bytes",
}
_OF_CHANNEL = {"uplink": "uplink_hz", "downlink": "downlink_hz"}
_OF_PASSES = ("step_overhead_seconds", "batch_overhead_seconds")
_OF_PRECISION = ("step_overhead_seconds", "request_overhead_seconds")


def budgets_of(scenario: Scenario, policy: Policy) -> list[str]:
    """Return the budgets that play a part in a scenario under a policy."""
    node = scenario.hosting.node
    playing = ["arithmetic", "memory"]
    if node.memory_bandwidth is not None:
        playing.append("bandwidth")
    overheads = [getattr(node, name) for name in _OF_PASSES]
    for precision in scenario.hosting.precisions:
        overheads += [getattr(precision, name) for name in _OF_PRECISION]
    if any(overheads):
        playing.append("overhead")
    if scenario.channel is not None and not policy.is_continuous:
        playing += _OF_CHANNEL
    if scenario.hosting.max_running is not None:
        playing.append("size")
    return playing


def strengthened(scenario: Scenario, budget: str) -> Scenario:
    """Return a scenario with a quarter more of a budget; of overheads, with that much less."""
    if budget in _OF_CHANNEL:
        key = _OF_CHANNEL[budget]
        assert scenario.channel is not None
        widened = {key: getattr(scenario.channel.scenario, key) * _MORE}
        radio = {**scenario.document["radio"], **widened}
        return Scenario({**scenario.document, "radio": radio})
    changed = Scenario(scenario.document)
    # a device's figures cannot be scaled in the document, so what it stands for is set instead
    vars(changed)["hosting"] = _strengthened_hosting(scenario.hosting, budget)
    return changed


def _strengthened_hosting(hosting: Hosting, budget: str) -> Hosting:
    node = hosting.node
    if budget == "size":
        assert hosting.max_running is not None
        return replace(hosting, max_running=math.ceil(_MORE * hosting.max_running))
    if budget != "overhead":
        more = getattr(node, _OF_NODE[budget]) * _MORE
        return replace(hosting, node=node.replace(**{_OF_NODE[budget]: more}))
    return replace(
        hosting,
        node=node.replace(**{name: getattr(node, name) / _MORE for name in _OF_PASSES}),
        precisions=tuple(
            each.replace(**{name: getattr(each, name) / _MORE for name in _OF_PRECISION})
            for each in hosting.precisions
        ),
    )
