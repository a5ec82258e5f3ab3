"""Seeded instances in seven regimes, and in two more that are harder than any of them.

Lengths, deadlines, qualities, values and radio links are drawn; the node is a preset device, made
as fast, as large and as well connected as it takes for each budget to hold a drawn part of what
waits. So a regime says which budgets bind, at any number of requests.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgebatch.cost import BatchCost, hosted_bytes
from edgebatch.presets import device_preset, model_preset, precision_preset
from edgebatch.problem import Batching, Node, Problem, Requests
from edgebatch.problem.checks import FloatArray, IntArray
from edgebatch.radio import Channel, radio_scenario

SCARCE = (0.1, 0.6)
AMPLE = (4.0, 4.0)
Range = tuple[float, float]


@dataclass(frozen=True)
class Regime:
    """What is drawn, and which part of what waits each budget holds.

    Attributes:
        name: what it is called in tables.
        model, device, precisions: names of presets.
        batching: the batching mode.
        roofline: whether memory traffic is charged.
        lengths: ``classes`` {128, 256, 512}, ``long`` outputs, or free ``lognormal`` lengths.
        deadlines: least and greatest, seconds; uniform between.
        time, memory, radio: least and greatest part of the requests that the budget holds.
        qualities: demands, equally likely.
        greatest_value: values are whole numbers from 1 to this.
    """

    name: str
    model: str
    device: str
    precisions: tuple[str, ...] = ("w8a16",)
    batching: Batching = Batching.RAGGED
    roofline: bool = True
    lengths: str = "classes"
    deadlines: Range = (5.0, 60.0)
    time: Range = AMPLE
    memory: Range = AMPLE
    radio: Range = AMPLE
    qualities: tuple[float, ...] = (0.0,)
    greatest_value: int = 1


_COMPUTE = Regime(
    name="compute-padded",
    model="BLOOM-3b",
    device="Jetson TX2",
    batching=Batching.PADDED,
    roofline=False,
    deadlines=(0.6, 2.0),
    time=SCARCE,
)
_LOGNORMAL = Regime(
    name="lognormal",
    model="Llama-3.1-8B",
    device="Jetson AGX Orin 64GB",
    lengths="lognormal",
    time=SCARCE,
    memory=SCARCE,
)
_ALL = Regime(
    name="all-budgets",
    model="Llama-3.2-3B",
    device="Jetson Orin NX 16GB",
    lengths="lognormal",
    time=(0.25, 0.4),
    memory=(0.25, 0.4),
    radio=(0.25, 0.4),
)
REGIMES = {
    regime.name: regime
    for regime in (
        _COMPUTE,
        Regime(
            name="precisions",
            model="BLOOM-7b1",
            device="Jetson AGX Orin 64GB",
            precisions=("w16a16", "w8a16", "w4a16"),
            batching=Batching.PROMPT_PADDED,
            time=SCARCE,
            qualities=(0.0, 0.9, 0.95, 0.99),
        ),
        Regime(
            name="radio",
            model="BLOOM-3b",
            device="Jetson AGX Orin 64GB",
            deadlines=(0.6, 2.0),
            radio=SCARCE,
        ),
        Regime(
            name="memory-long-outputs",
            model="Qwen2.5-3B",
            device="Jetson Orin Nano 8GB",
            lengths="long",
            memory=SCARCE,
        ),
        _ALL,
        Regime(**{**vars(_ALL), "name": "all-budgets-values", "greatest_value": 5}),
        _LOGNORMAL,
    )
}
HARDER = {
    regime.name: regime
    for regime in (
        Regime(
            **{
                **vars(_LOGNORMAL),
                "name": "lognormal-prompt-padded",
                "batching": Batching.PROMPT_PADDED,
            }
        ),
        Regime(**{**vars(_LOGNORMAL), "name": "lognormal-padded", "batching": Batching.PADDED}),
    )
}


def draw(regime: Regime, num_requests: int, seed: int) -> Problem:
    """Return an instance; the same arguments give the same instance."""
    rng = np.random.default_rng([seed, num_requests, *regime.name.encode()])
    prompt, output = _lengths(regime, rng, num_requests)
    uplink, downlink = _shares(regime, rng, prompt, output)
    requests = Requests(
        ids=tuple(str(number) for number in range(num_requests)),
        prompt_tokens=prompt,
        output_tokens=output,
        deadline_seconds=rng.uniform(*regime.deadlines, num_requests),
        min_quality=rng.choice(regime.qualities, num_requests),
        value=rng.integers(1, regime.greatest_value + 1, num_requests).astype(float),
        uplink_share=uplink,
        downlink_share=downlink,
    )
    node = device_preset(regime.device).node(
        roofline=regime.roofline, uplink_seconds=0.25, downlink_seconds=0.25
    )
    form = "roofline" if regime.roofline else "published"
    precisions = tuple(
        precision_preset(name).precision(regime.model, form) for name in regime.precisions
    )
    model = model_preset(regime.model).model
    problem = Problem(node, model, precisions, requests, regime.batching)
    time, memory = _part(rng, regime.time), _part(rng, regime.memory)
    return problem.replace(node=_sized(problem, time, memory))


def _part(rng: np.random.Generator, limits: Range) -> float:
    return float(np.exp(rng.uniform(*np.log(limits))))


def _lengths(
    regime: Regime, rng: np.random.Generator, num_requests: int
) -> tuple[IntArray, IntArray]:
    if regime.lengths == "classes":
        prompt, output = rng.choice([128, 256, 512], (2, num_requests))
        return prompt, output
    median_output = 1500.0 if regime.lengths == "long" else 200.0
    prompt = rng.lognormal(np.log(400.0), 1.0, num_requests)
    output = rng.lognormal(np.log(median_output), 0.7, num_requests)
    return prompt.clip(1, 8000).astype(np.int64), output.clip(1, 4000).astype(np.int64)


def _shares(
    regime: Regime, rng: np.random.Generator, prompt: IntArray, output: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Return least shares of prompts with images and of answers, in bands of the drawn width."""
    num_requests = len(prompt)
    channel = Channel(radio_scenario("umi"), seed=int(rng.integers(2**31)))
    prompt_bits = rng.uniform(0.2e6, 2e6, num_requests)
    shares = channel.least_shares(
        np.arange(num_requests), prompt_bits, 32.0 * output.astype(np.float64), 0.25, 0.25, block=0
    )
    uplink, downlink = (
        share / (share.clip(max=np.median(share) * 20.0).sum() * _part(rng, regime.radio))
        for share in shares
    )
    return np.asarray(uplink), np.asarray(downlink)


def _sized(problem: Problem, time: float, memory: float) -> Node:
    """Return the node scaled so that it holds parts of all requests in time and in memory."""
    requests, node = problem.requests, problem.node
    cost = BatchCost(node, problem.model, problem.precisions[-1])
    prompt, output = requests.prompt_tokens.astype(float), requests.output_tokens.astype(float)
    work = time * cost.member_seconds(prompt, output).sum() + cost.fixed_seconds(output.max())
    seconds = float(np.median(requests.deadline_seconds)) - node.radio_seconds
    hosted = hosted_bytes(node, problem.model, problem.precisions)
    bandwidth = node.memory_bandwidth
    return node.replace(
        flops=node.flops * work / seconds,
        memory_bandwidth=None if bandwidth is None else bandwidth * work / seconds,
        memory_bytes=hosted + memory * float(cost.kv_bytes(prompt, output).sum()),
    )
