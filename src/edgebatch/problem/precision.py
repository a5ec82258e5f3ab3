"""A weight precision in which the model is hosted (formulation §2)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgebatch.problem.checks import require_number, require_share


@dataclass(frozen=True, slots=True)
class Precision:
    """One precision q of the hosted model.

    Attributes:
        name: what it is called, such as ``w8a16``.
        weight_bytes: bytes of one parameter.
        kv_bytes: bytes of one cached key or value.
        prefill_factor: β_q^p, time of the prefill's arithmetic as a multiple of the 16-bit time.
        decode_factor: β_q^d, the same for decoding; traffic is scaled by ``weight_bytes`` already.
        prefill_attention_factor: β of the prefill's attention, the term in P², apart from its
            linear one; None takes ``prefill_factor``.
        decode_attention_factor: the same for decoding, the term in the context; None takes
            ``decode_factor``.
        step_overhead_seconds: fixed time of every forward pass, besides the node's.
        request_overhead_seconds: fixed time of every request, spent in the pass that reads it.
        quality: Q_q in [0, 1]; 1 is as good as 16 bits.

    Raises:
        InputError: a number is out of its range.
    """

    name: str
    weight_bytes: float
    kv_bytes: float = 2.0
    prefill_factor: float = 1.0
    decode_factor: float = 1.0
    quality: float = 1.0
    prefill_attention_factor: float | None = None
    decode_attention_factor: float | None = None
    step_overhead_seconds: float = 0.0
    request_overhead_seconds: float = 0.0

    def __post_init__(self) -> None:
        path = f"precisions.{self.name}"
        for field in ("weight_bytes", "kv_bytes", "prefill_factor", "decode_factor"):
            require_number(f"{path}.{field}", getattr(self, field), exclusive=True)
        for field in ("prefill_attention_factor", "decode_attention_factor"):
            if (factor := getattr(self, field)) is not None:
                require_number(f"{path}.{field}", factor)
        for field in ("step_overhead_seconds", "request_overhead_seconds"):
            require_number(f"{path}.{field}", getattr(self, field))
        require_share(f"{path}.quality", self.quality)

    def replace(self, **changes: object) -> Precision:
        """Return a copy with some fields changed."""
        return replace(self, **changes)  # type: ignore[arg-type]
