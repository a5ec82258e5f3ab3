"""How the node's true times differ from what the cost model believes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgebatch.problem.checks import require_number
from edgebatch.workload import generator_for


@dataclass(frozen=True, slots=True)
class Reality:
    """True time = believed time × factor × noise.

    Attributes:
        time_factor: 1.2 is a node 20 % slower than believed.
        noise: standard deviation of the logarithm of a lognormal factor of mean 1, drawn anew for
            each batch (under continuous batching: for each stretch between events); 0 for none.
        seed: seed of the noise.

    Raises:
        InputError: the factor is not above 0 or the noise is negative.
    """

    time_factor: float = 1.0
    noise: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        require_number("reality.time_factor", self.time_factor, exclusive=True)
        require_number("reality.noise", self.noise)

    def factors(self, node: int = 0) -> Factors:
        """Return a fresh source of true-to-believed ratios, for each of several nodes its own."""
        return Factors(self, f"reality {node}" if node else "reality")


class Factors:
    """Ratios of true to believed time, one after the other."""

    def __init__(self, reality: Reality, stream: str = "reality") -> None:
        self._reality = reality
        self._generator: np.random.Generator = generator_for(reality.seed, stream)
        self._location = math.log(reality.time_factor) - reality.noise**2 / 2.0

    def next(self) -> float:
        """Return the next ratio."""
        if self._reality.noise == 0.0:
            return self._reality.time_factor
        return float(self._generator.lognormal(self._location, self._reality.noise))
