"""One request as it comes in, with what only the future knows about it."""

from __future__ import annotations

import math
from typing import NamedTuple


class Arrival(NamedTuple):
    """A request of a workload.

    A tuple, because a run handles millions of them.

    Attributes:
        number: its position in the workload, counted from 0; its id in records.
        arrival_seconds: when it arrives.
        prompt_tokens: s_i.
        output_tokens: n_i, the limit that the scheduler is told.
        actual_output_tokens: how many it will really produce, 1 to ``output_tokens``; only the
            node learns it, token by token.
        deadline_seconds: time from its arrival until the whole answer must have arrived; may be
            infinite.
        min_quality: a_i, least quality accepted.
        value: v_i.
        prompt_bits: size of the prompt on the radio; None means tokens times bits per token.
        tenant: number of whoever it belongs to, from 0.
        ttft_seconds: time from its arrival until its first token must have come; may be infinite.
    """

    number: int
    arrival_seconds: float
    prompt_tokens: int
    output_tokens: int
    actual_output_tokens: int
    deadline_seconds: float
    min_quality: float = 0.0
    value: float = 1.0
    prompt_bits: float | None = None
    tenant: int = 0
    ttft_seconds: float = math.inf
