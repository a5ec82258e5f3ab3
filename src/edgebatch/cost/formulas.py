"""What tokens cost, as pure formulas (formulation §3); scalars or NumPy arrays alike."""

from __future__ import annotations

from typing import TypeVar

from edgebatch.problem import Model, Precision
from edgebatch.problem.checks import FloatArray

Number = TypeVar("Number", float, FloatArray)


def linear_flops(model: Model) -> float:
    """L·2·A, arithmetic of taking one token through all matrices, FLOP."""
    return 2.0 * model.layers * model.linear_parameters_per_layer


def attention_flops(model: Model) -> float:
    """L·4·h·e, arithmetic of one token's attention to another, FLOP."""
    return 4.0 * model.layers * model.attention_width


def prefill_flops(model: Model, prompt_tokens: Number) -> Number:
    """F^p(P) = L·(2·A·P + 4·P²·h·e), arithmetic of reading a prompt of P tokens, FLOP.

    Multiply-adds count as two; norms, biases, embeddings and the output projection are ignored.
    """
    linear = linear_flops(model) * prompt_tokens
    return linear + attention_flops(model) * prompt_tokens * prompt_tokens


def decode_flops(model: Model, prompt_tokens: Number, output_tokens: Number) -> Number:
    """F^d(P, G) = L·(G−1)·(2·A + 4·(P + G/2)·h·e), arithmetic of G−1 decode steps, FLOP.

    The first of the G tokens comes out of the prefill; G/2 is the mean growth of the context.
    """
    context = prompt_tokens + output_tokens / 2.0
    per_step = linear_flops(model) + attention_flops(model) * context
    return (output_tokens - 1.0) * per_step


def kv_bytes_per_token(model: Model, precision: Precision) -> float:
    """K_q = 2·L·h_kv·e·(bytes per value), cache that one token occupies, bytes."""
    return model.kv_values_per_token * precision.kv_bytes


def weight_bytes(model: Model, precision: Precision) -> float:
    """W_q, bytes of all parameters in one precision."""
    return model.parameters * precision.weight_bytes
