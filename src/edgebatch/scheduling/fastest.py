"""What a request would get if it had the node to itself: the test for rejecting it at once."""

from __future__ import annotations

from functools import lru_cache

from edgebatch.cost import BatchCost, hosted_bytes, require_hostable
from edgebatch.problem import Model, Node, Precision
from edgebatch.scheduling.outcomes import Reason
from edgebatch.units import within_budget


class FastestAnswer:
    """Least time from decision to answer, by lengths and quality.

    Args:
        node, model, precisions: what serves.

    Raises:
        CannotHostError: the weights alone do not fit.
    """

    def __init__(self, node: Node, model: Model, precisions: tuple[Precision, ...]) -> None:
        require_hostable(node, model, precisions)
        self._node = node
        self._hosted_bytes = hosted_bytes(node, model, precisions)
        self._costs = [BatchCost(node, model, precision) for precision in precisions]
        self.look_up = lru_cache(maxsize=65536)(self._look_up)
        self.first_token_seconds = lru_cache(maxsize=65536)(self._first_token_seconds)

    def _look_up(
        self, prompt_tokens: int, output_tokens: int, min_quality: float
    ) -> tuple[float, Reason]:
        """Return T_U + T + T_D of the request alone in its fastest precision, or why there is none.

        Returns:
            Seconds and ``Reason.NONE``; or infinity and the reason.
        """
        good = [cost for cost in self._costs if within_budget(min_quality, cost.precision.quality)]
        if not good:
            return float("inf"), Reason.QUALITY
        prompt, output = float(prompt_tokens), float(output_tokens)
        fitting = [
            cost
            for cost in good
            if within_budget(
                self._hosted_bytes + cost.kv_bytes(prompt, output), self._node.memory_bytes
            )
        ]
        if not fitting:
            return float("inf"), Reason.MEMORY
        seconds = min(
            cost.fixed_seconds(output) + cost.member_seconds(prompt, output) for cost in fitting
        )
        return self._node.radio_seconds + seconds, Reason.NONE

    def _first_token_seconds(self, prompt_tokens: int, min_quality: float) -> float:
        """Return the least time from decision to the first token at the node."""
        good = [cost for cost in self._costs if within_budget(min_quality, cost.precision.quality)]
        seconds = min(
            (cost.fixed_seconds(1.0) + cost.prefill_seconds(float(prompt_tokens)) for cost in good),
            default=float("inf"),
        )
        return self._node.uplink_seconds + seconds
