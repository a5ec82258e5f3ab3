"""When the members of a running batch will end, and by how much a joiner would delay each.

Formulation §5, work in flight, over all members at once. With F the time of a pass, a + b·c that of
a decode step at context c, R_j the passes that j still needs and c_i the context of i now,

    T_j = entries + F·R_j + Σ_i steps_i(min(R_i, R_j)),   steps_i(k) = k·a + b·(k·c_i + k·(k−1)/2).

With members in order of R, those before j count in full and those after it for R_j passes each,
so running sums give every T_j. A joiner's first pass is its prefill instead of a decode step: it
counts as a member of context s and n passes whose *entry* costs the prefill less one decode step.
One who waits for a pass that runs counts as one of context s − 1 and n + 1 passes whose entry is
less by the first two steps of those.

What was promised is kept apart from who runs: a last token comes with the last pass of its member,
a first one with the pass in which its prompt is read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from edgebatch.cost import BatchCost
from edgebatch.problem.checks import FloatArray


class Promises(NamedTuple):
    """Tokens that must have come by a deadline; arrays of shape (k,).

    Attributes:
        passes: how many passes bring each.
        allowed_seconds: time in which it must come.
    """

    passes: FloatArray
    allowed_seconds: FloatArray

    def after(self, passes: float) -> Promises:
        """Return those that so many passes do not bring yet."""
        later = self.passes > passes
        return Promises(self.passes[later], self.allowed_seconds[later])

    def and_also(self, passes: FloatArray, allowed_seconds: FloatArray) -> Promises:
        """Return these and others."""
        return Promises(
            np.concatenate((self.passes, passes)),
            np.concatenate((self.allowed_seconds, allowed_seconds)),
        )


NO_PROMISES = Promises(np.empty(0), np.empty(0))


@dataclass(frozen=True, slots=True, eq=False)
class RunningBatch:
    """Members by rising number of passes, arrays of shape (m,), and what was promised them.

    Attributes:
        cost: cost model of the precision that runs.
        remaining: R, passes until the last token of each, up to its output limit.
        context: c, tokens in the cache of each.
        promises: by when tokens must have come.
        entry_seconds: what entering costs those who have yet to be read, in all.
    """

    cost: BatchCost
    remaining: FloatArray
    context: FloatArray
    promises: Promises = NO_PROMISES
    entry_seconds: float = 0.0
    _finished: FloatArray = field(init=False, repr=False)
    _context_after: FloatArray = field(init=False, repr=False)

    @classmethod
    def of(
        cls,
        cost: BatchCost,
        prompts: FloatArray,
        gained: FloatArray,
        left: FloatArray,
        waits: FloatArray,
        promises: Promises = NO_PROMISES,
    ) -> RunningBatch:
        """Return the batch of these members.

        Args:
            cost: cost model of the precision that runs.
            prompts: tokens of the prompt of each, shape (m,).
            gained: tokens that each has gained, shape (m,).
            left: tokens that each has yet to gain, shape (m,).
            waits: passes that each waits before it takes part, 0 or 1, shape (m,).
            promises: by when tokens must have come.
        """
        unread = gained == 0.0
        entries = _entries(cost, prompts[unread], waits[unread])
        context = prompts + gained - waits
        return cls(cost, left + waits, context, promises, float(entries.sum()))

    def __post_init__(self) -> None:
        order = np.argsort(self.remaining, kind="stable")
        for name in ("remaining", "context"):
            object.__setattr__(self, name, getattr(self, name)[order])
        full = self.cost.decode_steps_seconds(self.context, self.remaining)
        object.__setattr__(self, "_finished", np.concatenate(([0.0], np.cumsum(full))))
        behind = np.cumsum(self.context[::-1])[::-1]
        object.__setattr__(self, "_context_after", np.concatenate((behind, [0.0])))

    def __len__(self) -> int:
        return len(self.remaining)

    def seconds_until(self, passes: FloatArray) -> FloatArray:
        """Return how long the members take over so many passes, each until it ends itself.

        While members wait for a pass that runs, right from the second pass on: the first is charged
        for their prompts too.
        """
        ended = np.searchsorted(self.remaining, passes, side="right")
        per_step, per_token = self.cost.step_coefficients()
        one_context = passes * per_step + per_token * passes * (passes - 1.0) / 2.0
        others = (len(self) - ended) * one_context
        others = others + per_token * passes * self._context_after[ended]
        return self.entry_seconds + passes * self.cost.step_seconds + self._finished[ended] + others

    def entries(self, prompts: FloatArray, waits: FloatArray | float = 0.0) -> FloatArray:
        """Return what entering would cost joiners of these prompts after so many passes, 0 or 1."""
        return _entries(self.cost, prompts, waits)

    def ends(
        self, prompts: FloatArray, outputs: FloatArray, wait_passes: float = 0.0
    ) -> FloatArray:
        """Return when each of several would end if it alone joined after so many passes."""
        own = self.entries(prompts) + self.cost.decode_steps_seconds(prompts, outputs)
        return self.seconds_until(outputs + wait_passes) + own

    def delays(
        self, prompts: FloatArray, outputs: FloatArray, wait_passes: float = 0.0
    ) -> FloatArray:
        """Return by how much each of N joiners would delay each promise, shape (N, k).

        They join after ``wait_passes``, and all promises are of later passes.
        """
        shared = np.minimum(outputs[:, None], self.promises.passes[None, :] - wait_passes)
        decoding = self.cost.decode_steps_seconds(prompts[:, None], shared)
        return self.entries(prompts)[:, None] + decoding

    def joined_by(
        self, prompt: float, output: float, promises: Promises, wait_passes: float = 0.0
    ) -> RunningBatch:
        """Return the batch with one more member, which is prefilled after ``wait_passes``."""
        return RunningBatch(
            self.cost,
            np.append(self.remaining, output + wait_passes),
            np.append(self.context, prompt - wait_passes),
            self.promises.and_also(*promises),
            self.entry_seconds + float(self.entries(np.array([prompt]), wait_passes)[0]),
        )


def _entries(cost: BatchCost, prompts: FloatArray, waits: FloatArray | float) -> FloatArray:
    """Return what entering costs beyond the decode steps that are counted instead."""
    counted = cost.decode_steps_seconds(prompts - waits, np.asarray(1.0 + waits))
    return cost.prefill_seconds(prompts) - counted
