"""How long the engine took, beside how long the cost model says it should have taken."""

from __future__ import annotations

import math
from collections.abc import Callable

from edgebatch.cost import BatchCost

_STRETCH_SECONDS = 0.25
"""Single steps scatter more than whole answers do; so many steps together are one observation."""
_MEMORY_SECONDS = 5.0
"""In so long the load changes little, and many requests join and leave."""


class PaceMeter:
    """Adds up steps until they are long enough to say something, and then tells.

    An engine behind HTTP does not say where a step ends, and the tokens of one step may come in
    several reports. So passes are counted over a whole stretch: as many as the tokens of whoever
    gained most.

    Args:
        cost: what is believed.
        observe: told of each stretch: believed and actual seconds, and how many ran on the average.

    Attributes:
        pass_seconds: how long passes took of late, with all prefills between them; 0 before the
            first.
    """

    def __init__(self, cost: BatchCost, observe: Callable[[float, float, float], None]) -> None:
        self._cost, self._observe = cost, observe
        self.pass_seconds = 0.0
        self._seconds, self._passes = 0.0, 0.0
        self._began_at: float | None = None
        self._members_seconds = 0.0
        self._gained: dict[int, int] = {}

    def begin(self, at: float) -> None:
        """Let a stretch begin, unless one is on."""
        if self._began_at is None:
            self._began_at = at

    def forget(self) -> None:
        """Drop the stretch that is on."""
        self._began_at = None
        self._members_seconds = 0.0
        self._gained.clear()

    def gain(self, number: int, prompt_tokens: int, tokens_before: int, num_tokens: int) -> None:
        """Take note of a member's new tokens."""
        self._gained[number] = self._gained.get(number, 0) + num_tokens
        if tokens_before == 0:
            self._members_seconds += self._cost.prefill_seconds(float(prompt_tokens))
            tokens_before, num_tokens = 1, num_tokens - 1
        if num_tokens:
            context = float(prompt_tokens + tokens_before)
            self._members_seconds += self._cost.decode_steps_seconds(context, float(num_tokens))

    def end_step(self, at: float, *, idle: bool) -> bool:
        """End the stretch if it is long enough or the engine has nothing left to do.

        Returns:
            Whether an observation came of it.
        """
        if self._began_at is None or (at - self._began_at < _STRETCH_SECONDS and not idle):
            return False
        passes = max(self._gained.values(), default=0)
        if passes:
            seconds = at - self._began_at
            believed = passes * self._cost.step_seconds + self._members_seconds
            self._observe(believed, seconds, sum(self._gained.values()) / passes)
            kept = math.exp(-seconds / _MEMORY_SECONDS)
            self._seconds = kept * self._seconds + seconds
            self._passes = kept * self._passes + passes
            self.pass_seconds = self._seconds / self._passes
        self.forget()
        if not idle:
            self.begin(at)
        return passes > 0
