"""Which output limit the scheduler is told where a trace only says how long the answer became.

An answer longer than its limit ends there, as it does in an engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edgebatch.problem.checks import IntArray, require_count, require_number
from edgebatch.units import RELATIVE_TOLERANCE
from edgebatch.workload.rows import MAX_TOKENS


class OutputLimit(Protocol):
    """A rule from the answer's length to the limit n_i that was asked for."""

    def limits(self, produced_tokens: IntArray) -> IntArray:
        """Return the limits: int64, shape of ``produced_tokens``, at least 1."""
        ...


@dataclass(frozen=True, slots=True)
class ExactLimit:
    """The limit is the answer's length: the scheduler knows it beforehand."""

    def limits(self, produced_tokens: IntArray) -> IntArray:
        """Return the lengths themselves."""
        return produced_tokens


EXACT_LIMIT = ExactLimit()


@dataclass(frozen=True, slots=True)
class FactorLimit:
    """The limit is the answer's length times a factor, rounded up.

    Attributes:
        factor: at least 1.
    """

    factor: float

    def __post_init__(self) -> None:
        require_number("factor", self.factor, minimum=1.0)

    def limits(self, produced_tokens: IntArray) -> IntArray:
        """Return the limits: int64, shape of ``produced_tokens``, at most MAX_TOKENS."""
        # 100 × 1.1 is a little above 110 in floating point
        limits = np.ceil(produced_tokens * (self.factor * (1.0 - RELATIVE_TOLERANCE)))
        whole: IntArray = np.minimum(limits, MAX_TOKENS).astype(np.int64)
        return whole


@dataclass(frozen=True, slots=True)
class RoundedUpLimit:
    """The limit is the least of a few sizes that holds the answer.

    Attributes:
        sizes: ascending; an answer longer than the last ends there.
    """

    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        require_count("sizes", len(self.sizes))
        for index, size in enumerate(self.sizes):
            require_count(f"sizes[{index}]", size)
            if index:
                require_number(f"sizes[{index}]", size, minimum=self.sizes[index - 1])

    @classmethod
    def powers_of_two(cls, most: int) -> RoundedUpLimit:
        """Return the rule with sizes 1, 2, 4, … up to ``most``."""
        require_count("most", most)
        return cls(tuple(1 << exponent for exponent in range(most.bit_length())))

    def limits(self, produced_tokens: IntArray) -> IntArray:
        """Return the limits: int64, shape of ``produced_tokens``."""
        sizes = np.array(self.sizes, dtype=np.int64)
        chosen: IntArray = sizes[
            np.minimum(np.searchsorted(sizes, produced_tokens), sizes.size - 1)
        ]
        return chosen


@dataclass(frozen=True, slots=True)
class FixedLimit:
    """The limit is the same for all: clients that leave ``max_tokens`` at its default.

    Attributes:
        max_tokens: the limit; a longer answer ends there.
    """

    max_tokens: int

    def __post_init__(self) -> None:
        require_count("max_tokens", self.max_tokens)

    def limits(self, produced_tokens: IntArray) -> IntArray:
        """Return the limits: int64, shape of ``produced_tokens``."""
        return np.full_like(produced_tokens, self.max_tokens)
