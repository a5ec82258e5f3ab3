"""The edge node: memory, arithmetic, bandwidth, overheads, radio phases (formulation §2–§4)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgebatch.problem.checks import require_number


@dataclass(frozen=True, slots=True)
class Node:
    """An inference server beside an access point; all speeds are *effective*, not peak.

    Attributes:
        memory_bytes: M, memory for weights and KV cache.
        flops: C, arithmetic that is achieved, FLOP/s.
        memory_bandwidth: BW, bytes/s that are achieved; None leaves out the traffic term.
        uplink_seconds: T_U, length of the phase in which prompts are sent; 0 means no such phase.
        downlink_seconds: T_D, the same for answers.
        step_overhead_seconds: fixed time of every forward pass.
        batch_overhead_seconds: fixed time of every batch.
        reserved_bytes: memory that the model may not use.
        name: what people call it; only shown.

    Raises:
        InputError: a number is negative, not finite, or zero where it may not be.
    """

    memory_bytes: float
    flops: float
    memory_bandwidth: float | None = None
    uplink_seconds: float = 0.0
    downlink_seconds: float = 0.0
    step_overhead_seconds: float = 0.0
    batch_overhead_seconds: float = 0.0
    reserved_bytes: float = 0.0
    name: str = ""

    def __post_init__(self) -> None:
        require_number("node.memory_bytes", self.memory_bytes, exclusive=True)
        require_number("node.flops", self.flops, exclusive=True)
        if self.memory_bandwidth is not None:
            require_number("node.memory_bandwidth", self.memory_bandwidth, exclusive=True)
        for field in (
            "uplink_seconds",
            "downlink_seconds",
            "step_overhead_seconds",
            "batch_overhead_seconds",
            "reserved_bytes",
        ):
            require_number(f"node.{field}", getattr(self, field))

    @property
    def radio_seconds(self) -> float:
        """T_U + T_D, what an answer loses to the radio phases."""
        return self.uplink_seconds + self.downlink_seconds

    def replace(self, **changes: object) -> Node:
        """Return a copy with some fields changed."""
        return replace(self, **changes)  # type: ignore[arg-type]
