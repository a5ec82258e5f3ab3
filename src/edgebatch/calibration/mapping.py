"""From the coefficients of a fit to the fields of node and precisions, and back.

Coefficients are fewer than fields, so something must be chosen. C is the rate at which the
reference precision takes a prompt through the linear layers, so its prefill factor is 1; BW is the
least bandwidth at which reading weights and cache explains no more than was measured, in any
precision. What is left of a pass is overhead: of the node, what all precisions have; of the
precision, the rest. Predictions do not depend on these choices.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from edgebatch.cost import (
    BatchCost,
    attention_flops,
    kv_bytes_per_token,
    linear_flops,
    weight_bytes,
)
from edgebatch.problem import Model, Node, Precision

_LEAST_FACTOR = 1e-9
"""For arithmetic that was not seen to take time: a factor must be above 0."""


class Coefficients(NamedTuple):
    """Seconds for each of a sample's :class:`~edgebatch.calibration.samples.Terms`, in order."""

    each_pass: float
    prompt: float
    prompt_token: float
    prompt_square: float
    decode_step: float
    context: float
    batch: float


def coefficients_of(cost: BatchCost) -> Coefficients:
    """Return the coefficients that a cost model stands for."""
    return Coefficients(
        cost.step_seconds,
        *cost.prefill_coefficients(),
        *cost.step_coefficients(),
        cost.node.batch_overhead_seconds,
    )


def onto_fields(
    fitted: Sequence[Coefficients], node: Node, model: Model, precisions: Sequence[Precision]
) -> tuple[Node, tuple[Precision, ...]]:
    """Return node and precisions with the speeds, factors and overheads of fitted coefficients.

    Args:
        fitted: coefficients of each precision; those of ``batch`` are all the same.
        node: gives memory and radio.
        model: what was served.
        precisions: give names, bytes and qualities; the first is the reference.
    """
    flops = _flops(fitted[0], model)
    reading = _seconds_per_byte(fitted, model, precisions)
    overheads = [
        max(0.0, each.each_pass - reading * weight_bytes(model, precision))
        for each, precision in zip(fitted, precisions, strict=True)
    ]
    shared = _rounded(min(overheads))
    fitted_node = node.replace(
        flops=_rounded(flops),
        memory_bandwidth=_rounded(1.0 / reading) if reading > 0.0 else None,
        step_overhead_seconds=shared,
        batch_overhead_seconds=_rounded(fitted[0].batch),
    )
    linear, attention = linear_flops(model) / flops, attention_flops(model) / flops
    return fitted_node, tuple(
        precision.replace(
            prefill_factor=_rounded(max(each.prompt_token / linear, _LEAST_FACTOR)),
            prefill_attention_factor=_rounded(each.prompt_square / attention),
            decode_factor=_rounded(max(each.decode_step / linear, _LEAST_FACTOR)),
            decode_attention_factor=_rounded(
                max(0.0, each.context - reading * kv_bytes_per_token(model, precision)) / attention
            ),
            step_overhead_seconds=_rounded(max(0.0, overhead - shared)),
            request_overhead_seconds=_rounded(each.prompt),
        )
        for each, overhead, precision in zip(fitted, overheads, precisions, strict=True)
    )


def _flops(reference: Coefficients, model: Model) -> float:
    """Return C; if prompts took no time, that of decoding; failing this, too high to matter."""
    seconds = reference.prompt_token or reference.decode_step or max(reference)
    return linear_flops(model) / seconds


def _seconds_per_byte(
    fitted: Sequence[Coefficients], model: Model, precisions: Sequence[Precision]
) -> float:
    """Return 1/BW."""
    return min(
        min(each.each_pass / weight_bytes(model, precision), each.context / cached)
        for each, precision in zip(fitted, precisions, strict=True)
        for cached in (kv_bytes_per_token(model, precision),)
    )


def _rounded(value: float) -> float:
    """Return a value with the six digits that a person may want to read, no less than measured."""
    return float(f"{value:.6g}")
