"""Time and memory of a batch on one node in one precision (formulation §3).

Everything is a constant of the batch plus a sum over its members; solvers rely on that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from edgebatch.cost.formulas import (
    Number,
    attention_flops,
    kv_bytes_per_token,
    linear_flops,
    weight_bytes,
)
from edgebatch.errors import CannotHostError
from edgebatch.problem import Model, Node, Precision, Problem
from edgebatch.units import GIGA, within_budget


@dataclass(frozen=True, slots=True)
class BatchCost:
    """The cost model of one precision hosted on one node; P and G are *effective* lengths, tokens.

    Attributes:
        node, model, precision: what is costed.
        kv_bytes_per_token: K_q, bytes that one token leaves in the cache.
        step_seconds: time of one forward pass whatever the batch: reading the weights, and the
            overheads of node and precision.
    """

    node: Node
    model: Model
    precision: Precision
    kv_bytes_per_token: float = field(init=False)
    step_seconds: float = field(init=False)
    _prefill: tuple[float, float, float] = field(init=False, repr=False)
    _step: tuple[float, float] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # asked for hundreds of thousands of times in a run
        cached = kv_bytes_per_token(self.model, self.precision)
        object.__setattr__(self, "kv_bytes_per_token", cached)
        reading = self._traffic_seconds(weight_bytes(self.model, self.precision))
        overheads = self.node.step_overhead_seconds + self.precision.step_overhead_seconds
        object.__setattr__(self, "step_seconds", overheads + reading)
        object.__setattr__(self, "_prefill", self._prefill_coefficients())
        object.__setattr__(self, "_step", self._step_coefficients())

    def _prefill_coefficients(self) -> tuple[float, float, float]:
        precision, flops = self.precision, self.node.flops
        attention = precision.prefill_attention_factor
        if attention is None:
            attention = precision.prefill_factor
        return (
            precision.request_overhead_seconds,
            precision.prefill_factor / flops * linear_flops(self.model),
            attention / flops * attention_flops(self.model),
        )

    def _step_coefficients(self) -> tuple[float, float]:
        precision, flops = self.precision, self.node.flops
        attention = precision.decode_attention_factor
        if attention is None:
            attention = precision.decode_factor
        per_step = precision.decode_factor / flops * linear_flops(self.model)
        per_token = attention / flops * attention_flops(self.model)
        return per_step, per_token + self._traffic_seconds(self.kv_bytes_per_token)

    def fixed_seconds(self, longest_output: Number) -> Number:
        """Time of a batch of G passes without its members: G·(W_q/BW + overheads) + overhead."""
        return longest_output * self.step_seconds + self.node.batch_overhead_seconds

    def prefill_coefficients(self) -> tuple[float, float, float]:
        """Return (r, p, p'): reading a prompt of P tokens adds r + p·P + p'·P² seconds.

        r is the overhead of a request, p and p' what its linear layers and its attention take.
        """
        return self._prefill

    def prefill_seconds(self, prompt_tokens: Number) -> Number:
        """Return r + [β·L·2A·P + β'·L·4he·P²]/C, what a member adds to the pass that reads it."""
        constant, linear, square = self._prefill
        return constant + prompt_tokens * (linear + square * prompt_tokens)

    def decode_seconds(self, prompt_tokens: Number, output_tokens: Number) -> Number:
        """A member's G−1 decode steps, (G−1)·(a + b·(P + G/2)): arithmetic and cache traffic."""
        per_step, per_token = self._step
        context = prompt_tokens + output_tokens / 2.0
        return (output_tokens - 1.0) * (per_step + per_token * context)

    def member_seconds(self, prompt_tokens: Number, output_tokens: Number) -> Number:
        """What one member adds to the batch's time at effective lengths P and G."""
        return self.prefill_seconds(prompt_tokens) + self.decode_seconds(
            prompt_tokens, output_tokens
        )

    def step_coefficients(self) -> tuple[float, float]:
        """Return (a, b): a member's decode step at a context of c tokens adds a + b·c seconds.

        a = β·L·2A/C and b = β'·L·4he/C + K_q/BW.
        """
        return self._step

    def decode_steps_seconds(self, context_tokens: Number, num_steps: Number) -> Number:
        """What a member adds over its next k decode steps, its context growing by one in each.

        k·a + b·(k·c + k·(k−1)/2); with c = P + 1 and k = G − 1 this is :meth:`decode_seconds`.

        Args:
            context_tokens: c, tokens of prompt and output so far, at least one of output.
            num_steps: k ≥ 0.
        """
        per_step, per_token = self._step
        contexts = num_steps * context_tokens + num_steps * (num_steps - 1.0) / 2.0
        return num_steps * per_step + per_token * contexts

    def kv_bytes(self, prompt_tokens: Number, output_tokens: Number) -> Number:
        """K_q·(P + G), cache that one member needs at the end of its answer."""
        return self.kv_bytes_per_token * (prompt_tokens + output_tokens)

    def _traffic_seconds(self, num_bytes: float) -> float:
        bandwidth = self.node.memory_bandwidth
        return 0.0 if bandwidth is None else num_bytes / bandwidth


def hosted_bytes(node: Node, model: Model, precisions: Sequence[Precision]) -> float:
    """Σ W_q + reserve: memory that is taken before any request is served, bytes."""
    return node.reserved_bytes + sum(weight_bytes(model, precision) for precision in precisions)


def require_hostable(node: Node, model: Model, precisions: Sequence[Precision]) -> None:
    """Raise CannotHostError if the weights alone do not fit, saying by how much."""
    taken = hosted_bytes(node, model, precisions)
    if not within_budget(taken, node.memory_bytes):
        names = ", ".join(precision.name for precision in precisions)
        raise CannotHostError(
            f"{model.name or 'the model'} in {names} needs {taken / GIGA:.2f} GB for its weights, "
            f"but {node.name or 'the node'} has {node.memory_bytes / GIGA:.2f} GB "
            f"({(taken - node.memory_bytes) / GIGA:.2f} GB too little); "
            "host fewer or lower precisions, or a smaller model"
        )


def batch_costs(problem: Problem) -> tuple[BatchCost, ...]:
    """Return the cost model of each hosted precision, in the problem's order."""
    return tuple(
        BatchCost(problem.node, problem.model, precision) for precision in problem.precisions
    )
