"""When the members of a running batch will end, and by how much a joiner would delay each.

Formulation §5, work in flight, over all members at once. With F the time of a pass, a + b·c that of
a decode step at context c, R_j the passes that j still needs and c_i the context of i now,

    T_j = entries + F·R_j + Σ_i steps_i(min(R_i, R_j)),   steps_i(k) = k·a + b·(k·c_i + k·(k−1)/2).

With members in order of R, those before j count in full and those after it for R_j passes each,
so running sums give every T_j. A joiner's first pass is its prefill instead of a decode step: it
counts as a member of context s and n passes whose *entry* costs the prefill less one decode step.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from edgebatch.cost import BatchCost
from edgebatch.problem.checks import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class RunningBatch:
    """Members by rising number of passes; all arrays have shape (m,).

    Attributes:
        cost: cost model of the precision that runs.
        remaining: R, passes until the last token of each, up to its output limit.
        context: c, tokens in the cache of each.
        allowed_seconds: time in which each must end.
        entry_seconds: what entering costs those who join in the coming pass, in all.
    """

    cost: BatchCost
    remaining: FloatArray
    context: FloatArray
    allowed_seconds: FloatArray
    entry_seconds: float = 0.0
    _finished: FloatArray = field(init=False, repr=False)
    _context_after: FloatArray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        order = np.argsort(self.remaining, kind="stable")
        for name in ("remaining", "context", "allowed_seconds"):
            object.__setattr__(self, name, getattr(self, name)[order])
        full = self.cost.decode_steps_seconds(self.context, self.remaining)
        object.__setattr__(self, "_finished", np.concatenate(([0.0], np.cumsum(full))))
        behind = np.cumsum(self.context[::-1])[::-1]
        object.__setattr__(self, "_context_after", np.concatenate((behind, [0.0])))

    def __len__(self) -> int:
        return len(self.remaining)

    def seconds_until(self, passes: FloatArray) -> FloatArray:
        """Return how long the members take over so many passes, each until it ends itself."""
        ended = np.searchsorted(self.remaining, passes, side="right")
        per_step, per_token = self.cost.step_coefficients()
        one_context = passes * per_step + per_token * passes * (passes - 1.0) / 2.0
        others = (len(self) - ended) * one_context
        others = others + per_token * passes * self._context_after[ended]
        return self.entry_seconds + passes * self.cost.step_seconds + self._finished[ended] + others

    def entries(self, prompts: FloatArray) -> FloatArray:
        """Return what entering would cost joiners of these prompts: prefill less a decode step."""
        per_step, per_token = self.cost.step_coefficients()
        return self.cost.prefill_seconds(prompts) - (per_step + per_token * prompts)

    def ends(
        self, prompts: FloatArray, outputs: FloatArray, wait_passes: float = 0.0
    ) -> FloatArray:
        """Return when each of several would end if it alone joined after so many passes."""
        own = self.entries(prompts) + self.cost.decode_steps_seconds(prompts, outputs)
        return self.seconds_until(outputs + wait_passes) + own

    def delays(self, prompts: FloatArray, outputs: FloatArray) -> FloatArray:
        """Return by how much each of N joiners would delay each member, shape (N, m)."""
        shared = np.minimum(outputs[:, None], self.remaining[None, :])
        decoding = self.cost.decode_steps_seconds(prompts[:, None], shared)
        return self.entries(prompts)[:, None] + decoding

    def joined_by(self, prompt: float, output: float, allowed_seconds: float) -> RunningBatch:
        """Return the batch with one more member, which is prefilled in the coming pass."""
        return RunningBatch(
            self.cost,
            np.append(self.remaining, output),
            np.append(self.context, prompt),
            np.append(self.allowed_seconds, allowed_seconds),
            self.entry_seconds + float(self.entries(np.array([prompt]))[0]),
        )
