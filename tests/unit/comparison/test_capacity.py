"""The unit of load, worked out by hand.

A request of one prompt and one output token takes a second of arithmetic, so however large the
batch, a node without fixed times completes one a second.
"""

from __future__ import annotations

import pytest

from edgebatch.comparison import estimated_capacity
from edgebatch.errors import InputError
from toy_scenario import toy


@pytest.mark.parametrize(
    ("settings", "capacity"),
    [
        ((), 1.0),
        # 3 in the 4 seconds of the deadline that a batch's own second leaves: 3 / (1 + 3)
        (("node.batch_overhead_seconds=1",), 0.75),
        # the same second for the one pass of the batch
        (("node.step_overhead_seconds=1",), 0.75),
        # radio phases take 1 + 1 of the 4 seconds: 2 in 2 seconds of computing
        (("node.uplink_seconds=1", "node.downlink_seconds=1"), 1.0),
        # 1 in the 4 − 2.5 seconds, but no batch may follow sooner than the next uplink: 1 / 2.5
        (("node.uplink_seconds=2.5",), 0.4),
        # the cache holds (28 − 12) / (4 · 2) = 2 requests: 2 / (1 + 2)
        (("node.batch_overhead_seconds=1", "node.memory_bytes=28"), 2 / 3),
        # so many run at once: 2 / (1 + 2)
        (("node.batch_overhead_seconds=1", "node.max_running=2"), 2 / 3),
        # two output tokens: 16 + 12 + 4 · 2 FLOP, 2.25 s; 1 in 4 s
        (("workload.output_tokens=2",), 1 / 2.25),
        # 1 s from what is really produced, whatever the limit
        (("workload.output_tokens=2", "workload.actual_output_tokens=1"), 1.0),
    ],
)
def test_capacity_is_the_best_batch_of_mean_requests(
    settings: tuple[str, ...], capacity: float
) -> None:
    assert estimated_capacity(toy(*settings)) == pytest.approx(capacity)


def test_without_deadlines_fixed_times_are_spread_over_huge_batches() -> None:
    scenario = toy(
        "workload.deadline_seconds=inf", "node.batch_overhead_seconds=1", "node.memory_bytes=1e12"
    )
    assert estimated_capacity(scenario) == pytest.approx(1.0, rel=1e-5)


def test_where_not_one_fits_there_is_no_scale() -> None:
    with pytest.raises(InputError, match=r"the capacity is 0.*give compare\.rates_per_second"):
        estimated_capacity(toy("workload.deadline_seconds=0.5"))


def test_a_workload_without_requests_has_no_scale() -> None:
    with pytest.raises(InputError, match="workload: has no requests"):
        estimated_capacity(toy("workload.num_requests=", "workload.duration_seconds=1e-9"))
