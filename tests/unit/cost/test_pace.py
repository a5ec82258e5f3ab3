"""A machine that is slower in everything."""

from __future__ import annotations

import pytest

from edgebatch.cost import BatchCost, paced
from edgebatch.problem import Model, Node, Precision

MODEL = Model(layers=2, hidden_size=8, ffn_size=16, heads=2)
NODE = Node(1e9, 1e6, 1e5, 0.25, 0.5, step_overhead_seconds=0.01, batch_overhead_seconds=0.02)
PRECISION = Precision(
    "w8", 1.0, decode_factor=0.6, step_overhead_seconds=0.003, request_overhead_seconds=0.004
)


@pytest.mark.parametrize("pace", [0.5, 1.7])
def test_every_time_but_the_radios_is_a_multiple(pace: float) -> None:
    slower, (precision,) = paced(NODE, (PRECISION,), pace)
    before, after = BatchCost(NODE, MODEL, PRECISION), BatchCost(slower, MODEL, precision)
    for prompt, output in ((1.0, 1.0), (30.0, 20.0)):
        for cost in ("member_seconds", "prefill_seconds", "decode_seconds"):
            arguments = (prompt,) if cost == "prefill_seconds" else (prompt, output)
            expected = pace * getattr(before, cost)(*arguments)
            assert getattr(after, cost)(*arguments) == pytest.approx(expected, rel=1e-12)
        assert after.fixed_seconds(output) == pytest.approx(pace * before.fixed_seconds(output))
    assert slower.radio_seconds == NODE.radio_seconds
