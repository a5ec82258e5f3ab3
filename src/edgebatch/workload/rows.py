"""One row of a trace, whatever file it came from."""

from __future__ import annotations

from typing import NamedTuple

MAX_TOKENS = 1_000_000_000
"""More than any context; a greater count is a damaged row."""

MAX_SECONDS = 1e12
"""Thirty thousand years; a later arrival is a damaged row or one in another unit."""


class TraceRow(NamedTuple):
    """A request that was recorded. The fields are also the columns of our own trace format.

    Attributes:
        arrival_seconds: when it arrived, from the beginning of the trace, 0 to MAX_SECONDS; 0 in
            every row of a file that holds lengths only.
        prompt_tokens: tokens of its prompt, 1 to MAX_TOKENS.
        output_tokens: tokens of the answer that it got, 1 to MAX_TOKENS.
        deadline_seconds: time from its arrival until the whole answer had to be there, above 0,
            may be infinite; None where the trace does not say.
        min_quality: least quality accepted, 0 to 1; None where the trace does not say.
        prompt_bits: size of the prompt on the radio, at least 0; None where the trace does not say.
    """

    arrival_seconds: float
    prompt_tokens: int
    output_tokens: int
    deadline_seconds: float | None = None
    min_quality: float | None = None
    prompt_bits: float | None = None
