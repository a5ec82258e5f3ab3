"""Measured numbers as a distribution."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgebatch.errors import InputError
from edgebatch.problem.checks import FloatArray, frozen_array
from edgebatch.workload.columns import read_number_column


@dataclass(frozen=True, slots=True, eq=False)
class Empirical:
    """Numbers that were measured, drawn with replacement.

    Attributes:
        values: float64, shape (measured,), read-only; at least one.
    """

    values: FloatArray

    def __post_init__(self) -> None:
        values = frozen_array(self.values, np.float64)
        if values.ndim != 1 or not values.size:
            raise InputError("values", "must hold at least one number")
        if not np.isfinite(values).all():
            raise InputError("values", "must all be finite")
        object.__setattr__(self, "values", values)

    @classmethod
    def from_file(cls, path: str | Path, column: str) -> Empirical:
        """Return the numbers of one column of a CSV file, plain or gzip.

        Raises:
            InputError: the file cannot be read, has no such column, or has an entry in it that is
                not a finite number; the path names file, line and column.
        """
        return cls(read_number_column(Path(path), column))

    @property
    def mean(self) -> float:
        """Mean of the measured numbers."""
        return float(self.values.mean())

    @property
    def support(self) -> tuple[float, float]:
        """Least and greatest measured number."""
        return float(self.values.min()), float(self.values.max())

    def sample(self, generator: np.random.Generator, size: int, /) -> FloatArray:
        """Return ``size`` draws: float64, shape (size,)."""
        return self.values[generator.integers(self.values.size, size=size)]
