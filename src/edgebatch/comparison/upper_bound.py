"""What no scheduler can exceed, not even one that knows the future: a linear programme.

Every engine of this package works in passes. A pass in precision q takes F_q, and for each of its
members the member's own prefill or decode step; a request of n tokens is a member of n passes, all
in one precision and all inside its window from arrival + T_U to deadline − T_D. Time is cut into
slots; a pass that lies in several counts in each for the part of its time that it spends there. For
any schedule let, in slot t of length Δ_t,

- P_qt be the passes in precision q,
- y_it those of them in which i is a member, and h_it the time that they spend on i itself,
- x_i be 1 if i is served in time, else 0.

With n_i the tokens of i, w_i its own prefill and decode steps in all, and o_it the part of slot t
that lies in its window, every schedule fulfils

    Σ_q F_q·P_qt + Σ_i h_it ≤ Δ_t                  a pass takes F and what its members take
    y_it ≤ P_qt                                    a pass gives a member one token
    F_q·y_it + h_it ≤ o_it·x_i                     i's passes follow each other, in its window
    Σ_t y_it = n_i·x_i,   Σ_t h_it = w_i·x_i

(take the passes of those served in time; leaving the others out only frees time). So the largest
Σ v_i·x_i under these constraints, with each x_i anywhere between 0 and 1, is a bound. Where several
precisions are hosted, i has variables for each that is good enough, whose x add up to 1 at most.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from edgebatch.comparison.relaxation import Option, Relaxation
from edgebatch.cost import BatchCost, hosted_bytes
from edgebatch.problem.checks import FloatArray
from edgebatch.scheduling import Hosting
from edgebatch.units import RELATIVE_TOLERANCE, within_budget
from edgebatch.workload import Arrival

_SLOTS_PER_WINDOW = 6
"""Halving the slots again lowers the bound by less than 1 % and takes several times as long."""


class UpperBound(NamedTuple):
    """What at most can be served in time.

    Attributes:
        value: Σ v over the requests served, at most.
        shares: x of each request in the relaxation that says so, 0 to 1, shape (N,).
    """

    value: float
    shares: FloatArray


def upper_bound(
    hosting: Hosting, workload: Iterable[Arrival], *, slot_seconds: float | None = None
) -> UpperBound:
    """Return a bound on the value that any scheduler could serve in time.

    It holds for continuous batching and for epochs without padding, with padding all the more. The
    answers' actual lengths count, since a scheduler that knows the future knows them.

    Args:
        hosting: node, model and precisions; each may have the memory beside it to itself.
        workload: who arrives; those without a deadline count as served for nothing.
        slot_seconds: Δ; shorter slots tighten the bound and take longer. None for a sixth of the
            mean window.

    Raises:
        MissingExtraError: highspy is not installed.
    """
    arrivals = list(workload)
    unhurried = np.array([each.deadline_seconds == math.inf for each in arrivals], dtype=np.bool_)
    shares = unhurried.astype(np.float64)
    options = [
        option
        for position in range(len(hosting.precisions))
        for option in _options(hosting, position, arrivals)
    ]
    if options:
        if slot_seconds is None:
            windows = [option.ends_at - option.starts_at for option in options]
            slot_seconds = sum(windows) / len(windows) / _SLOTS_PER_WINDOW
        for option, share in zip(options, Relaxation(options, slot_seconds).solve(), strict=True):
            shares[option.request] += share
    values = [each.value * share for each, share in zip(arrivals, shares.tolist(), strict=True)]
    return UpperBound(math.fsum(values), shares)


def _options(hosting: Hosting, position: int, arrivals: list[Arrival]) -> Iterator[Option]:
    """Yield the requests that one precision could serve in time if it had nothing else to do."""
    node, precision = hosting.node, hosting.precisions[position]
    cost = BatchCost(node, hosting.model, precision)
    hosted = hosted_bytes(node, hosting.model, (precision,))
    for request, each in enumerate(arrivals):
        starts_at = each.arrival_seconds + node.uplink_seconds
        allowed = each.deadline_seconds * (1.0 + RELATIVE_TOLERANCE)
        ends_at = each.arrival_seconds + allowed - node.downlink_seconds
        prompt, passes = float(each.prompt_tokens), float(each.actual_output_tokens)
        work = cost.member_seconds(prompt, passes)
        if (
            math.isfinite(ends_at)
            and passes * cost.step_seconds + work <= ends_at - starts_at
            and within_budget(each.min_quality, precision.quality)
            and within_budget(hosted + cost.kv_bytes(prompt, passes), node.memory_bytes)
        ):
            yield Option(
                request, position, each.value, starts_at, ends_at, passes, work, cost.step_seconds
            )
