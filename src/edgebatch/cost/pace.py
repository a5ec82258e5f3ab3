"""The same machine, slower or faster in everything."""

from __future__ import annotations

from edgebatch.problem import Node, Precision


def paced(
    node: Node, precisions: tuple[Precision, ...], pace: float
) -> tuple[Node, tuple[Precision, ...]]:
    """Return node and precisions of which every time is ``pace`` times as long.

    Radio phases are no work of the machine and stay as they are.

    Args:
        node: as it is believed to be.
        precisions: the same.
        pace: above 0.
    """
    bandwidth = node.memory_bandwidth
    slower = node.replace(
        flops=node.flops / pace,
        memory_bandwidth=None if bandwidth is None else bandwidth / pace,
        step_overhead_seconds=node.step_overhead_seconds * pace,
        batch_overhead_seconds=node.batch_overhead_seconds * pace,
    )
    return slower, tuple(
        precision.replace(
            step_overhead_seconds=precision.step_overhead_seconds * pace,
            request_overhead_seconds=precision.request_overhead_seconds * pace,
        )
        for precision in precisions
    )
