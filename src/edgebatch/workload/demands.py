"""What requests demand: deadline, quality, worth and room on the radio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edgebatch.errors import InputError
from edgebatch.problem.checks import FloatArray, IntArray, require_number
from edgebatch.workload.distributions import (
    Constant,
    Distribution,
    require_finite_mean,
    require_support,
)
from edgebatch.workload.streams import Stream, Streams

_ANY_QUALITY = Constant(0.0)
_UNIT_VALUE = Constant(1.0)


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Deadline = base + n_i · time per output token.

    Attributes:
        base_seconds: drawn for each request; at least 0, may be infinite.
        per_output_token_seconds: added for each token of the output limit, so that long answers
            get more time.
    """

    base_seconds: Distribution
    per_output_token_seconds: float = 0.0

    def __post_init__(self) -> None:
        require_support("deadline_seconds", self.base_seconds, minimum=0.0)
        require_number("per_output_token_seconds", self.per_output_token_seconds)


class DrawnDemands(NamedTuple):
    """Demands of N requests, and whose they are; shape (N,) each.

    All are float64 but ``tenant``, int64; prompt_bits and ttft_seconds are None if none are drawn.
    """

    deadline_seconds: FloatArray
    min_quality: FloatArray
    value: FloatArray
    prompt_bits: FloatArray | None
    tenant: IntArray
    ttft_seconds: FloatArray | None


@dataclass(frozen=True, slots=True)
class Demands:
    """How demands are drawn; each attribute has a random stream of its own.

    Attributes:
        deadline: time from arrival until the whole answer must have arrived.
        min_quality: a_i, within [0, 1]; by default any quality will do.
        value: v_i, above 0; by default 1.
        prompt_bits: size of the prompt on the radio, at least 0; None means tokens times bits per
            token.
        tenants: how many of the requests are each tenant's, in any unit; by default all are of
            tenant 0.
        ttft: time from arrival until the first token must have come, at least 0; None means that
            the first token has no deadline of its own.

    Raises:
        InputError: a distribution may draw something outside its range.
    """

    deadline: Deadlines
    min_quality: Distribution = _ANY_QUALITY
    value: Distribution = _UNIT_VALUE
    prompt_bits: Distribution | None = None
    tenants: tuple[float, ...] = (1.0,)
    ttft: Distribution | None = None

    def __post_init__(self) -> None:
        require_support("min_quality", self.min_quality, minimum=0.0, maximum=1.0)
        require_finite_mean("value", self.value)
        low, high = self.value.support
        if low <= 0.0:
            raise InputError("value", f"must be above 0, but may be from {low:g} to {high:g}")
        if self.prompt_bits is not None:
            require_finite_mean("prompt_bits", self.prompt_bits)
            require_support("prompt_bits", self.prompt_bits, minimum=0.0)
        if self.ttft is not None:
            require_support("ttft_seconds", self.ttft, minimum=0.0)
        for tenant, part in enumerate(self.tenants):
            require_number(f"tenants[{tenant}]", part, exclusive=True)

    def draw(self, streams: Streams, output_limit: IntArray) -> DrawnDemands:
        """Return the demands of the next requests, one for each of ``output_limit``."""
        size = output_limit.size
        deadline = self.deadline.base_seconds.sample(streams[Stream.DEADLINE], size)
        deadline = deadline + self.deadline.per_output_token_seconds * output_limit
        bits = ttft = None
        if self.ttft is not None:
            ttft = self.ttft.sample(streams[Stream.TTFT], size)
        if self.prompt_bits is not None:
            bits = self.prompt_bits.sample(streams[Stream.PROMPT_BITS], size)
        return DrawnDemands(
            deadline,
            self.min_quality.sample(streams[Stream.MIN_QUALITY], size),
            self.value.sample(streams[Stream.VALUE], size),
            bits,
            self._tenants(streams, size),
            ttft,
        )

    def _tenants(self, streams: Streams, size: int) -> IntArray:
        if len(self.tenants) == 1:
            return np.zeros(size, dtype=np.int64)
        upto = np.cumsum(self.tenants)
        drawn = streams[Stream.TENANT].random(size) * upto[-1]
        tenant: IntArray = np.searchsorted(upto[:-1], drawn, side="right").astype(np.int64)
        return tenant
