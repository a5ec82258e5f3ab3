"""Checks that the immutable parts of a problem make of their own fields."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebatch.errors import InputError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def require_number(
    path: str, value: float, *, minimum: float = 0.0, exclusive: bool = False
) -> None:
    """Raise InputError unless ``value`` is finite and at least (or above) ``minimum``."""
    wanted = f"a finite number {'above' if exclusive else 'of at least'} {minimum:g}"
    if not math.isfinite(value) or value < minimum or (exclusive and value == minimum):
        raise InputError(path, f"must be {wanted}, got {value!r}")


def require_share(path: str, value: float) -> None:
    """Raise InputError unless ``value`` lies in [0, 1]."""
    if not 0.0 <= value <= 1.0:
        raise InputError(path, f"must lie between 0 and 1, got {value!r}")


def require_count(path: str, value: float) -> None:
    """Raise InputError unless ``value`` is an integer of at least 1."""
    is_whole = isinstance(value, int) or (math.isfinite(value) and int(value) == value)
    if isinstance(value, bool) or not is_whole or value < 1:
        raise InputError(path, f"must be a whole number of at least 1, got {value!r}")


def frozen_array(values: Any, dtype: type) -> npt.NDArray[Any]:
    """Return a read-only one-dimensional array of ``values``; shares memory where it can."""
    array: npt.NDArray[Any] = np.asarray(values, dtype=dtype).view()
    array.flags.writeable = False
    return array


def require_column(
    path: str,
    field: str,
    column: npt.NDArray[Any],
    *,
    minimum: float,
    exclusive: bool = False,
    maximum: float = math.inf,
) -> None:
    """Raise InputError naming the first entry of ``column`` that is not a number in the range.

    Infinity is allowed only where ``maximum`` is infinite and the caller means it (deadlines).
    """
    bad = ~((column > minimum) if exclusive else (column >= minimum)) | ~(column <= maximum)
    if bad.any():
        index = int(np.argmax(bad))
        wanted = f"{'above' if exclusive else 'at least'} {minimum:g}"
        if math.isfinite(maximum):
            wanted += f" and at most {maximum:g}"
        raise InputError(
            f"{path}[{index}].{field}", f"must be {wanted}, got {column[index].item()!r}"
        )
