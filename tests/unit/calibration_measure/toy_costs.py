"""A node and a model whose costs the virtual engine has."""

from __future__ import annotations

from edgebatch.cost import BatchCost
from edgebatch.problem import Model, Node, Precision

MODEL = Model(layers=4, hidden_size=128, ffn_size=512, heads=4, parameters=2_000_000, name="toy")
NODE = Node(
    memory_bytes=8e9, flops=2e10, memory_bandwidth=2e9, step_overhead_seconds=5e-4, name="toy node"
)
F16 = Precision("f16", weight_bytes=2.0)
W8 = Precision("w8", weight_bytes=1.0, prefill_factor=1.2, decode_factor=1.5)


def toy_costs() -> list[BatchCost]:
    return [BatchCost(NODE, MODEL, precision) for precision in (F16, W8)]
