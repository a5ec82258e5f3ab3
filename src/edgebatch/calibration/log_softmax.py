"""Logits to logarithms of probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgebatch.problem.checks import FloatArray


def log_softmax(logits: npt.NDArray[Any]) -> FloatArray:
    """Return the natural logarithms of softmax over the last axis, in double precision."""
    # engines hand out 16- and 32-bit numbers, and divergences of 1e-5 drown in their rounding
    exact = np.asarray(logits, dtype=np.float64)
    shifted = exact - exact.max(axis=-1, keepdims=True)
    normalised: FloatArray = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return normalised
