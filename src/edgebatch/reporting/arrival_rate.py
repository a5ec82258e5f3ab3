"""How the rate of arrivals went over time, in one pass and constant memory."""

from __future__ import annotations

_NUM_BINS = 64
_FIRST_WIDTH_SECONDS = 2.0**-10


class ArrivalRate:
    """Counts arrivals in at most 64 equal bins, which widen as the arrivals go on.

    Attributes:
        bin_seconds: width of a bin; it doubles, two bins becoming one, whenever time runs out.
    """

    def __init__(self) -> None:
        self.bin_seconds = _FIRST_WIDTH_SECONDS
        self._counts = [0] * _NUM_BINS
        self._first: float | None = None
        self._last = 0.0

    def add(self, arrival_seconds: float) -> None:
        """Count one arrival; none may be earlier than the one before."""
        if self._first is None:
            self._first = arrival_seconds
        self._last = arrival_seconds - self._first
        while self._last >= _NUM_BINS * self.bin_seconds:
            self._widen()
        self._counts[int(self._last / self.bin_seconds)] += 1

    def _widen(self) -> None:
        pairs = zip(self._counts[::2], self._counts[1::2], strict=True)
        self._counts = [one + other for one, other in pairs] + [0] * (_NUM_BINS // 2)
        self.bin_seconds *= 2.0

    @property
    def counts(self) -> list[int]:
        """Arrivals in each bin, up to the bin of the last one; empty if there were none."""
        if self._first is None:
            return []
        return self._counts[: int(self._last / self.bin_seconds) + 1]
