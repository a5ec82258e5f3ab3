"""What every workload is to the rest of the package."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, Self

from edgebatch.workload.arrival import Arrival

CHUNK_REQUESTS = 4096
"""How many requests are drawn at a time: enough to amortise NumPy, little enough to stay lazy."""


class Workload(Protocol):
    """Requests in the order in which they arrive.

    Every iteration starts anew and yields the same arrivals; nothing is kept in memory but the
    chunk at hand.
    """

    @property
    def mean_rate(self) -> float | None:
        """Mean arrival rate per second; None where there are too few arrivals to tell."""
        ...

    def __iter__(self) -> Iterator[Arrival]: ...

    def scaled(self, rate_factor: float) -> Self:
        """Return the same requests, arriving ``rate_factor`` times as fast."""
        ...
