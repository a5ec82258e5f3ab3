"""Coefficients that make relative residuals least, none below 0, few outliers minded.

A 10 % error counts the same at a millisecond as at a minute. The loss is the soft L1 loss
2·(√(1 + (e/s)²) − 1), quadratic for errors well below s and linear above, so that single outliers
do not bend the fit. It is convex, and minimised by non-negative least squares with the weights
1/√(1 + (e/s)²), taken again until nothing changes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgebatch.errors import MissingExtraError
from edgebatch.problem.checks import FloatArray

_SCALE = 0.05
"""s: relative errors up to about this are taken for noise, larger ones for outliers."""
_MOST_ROUNDS = 100
_SETTLED = 1e-10


def require_solver() -> None:
    """Raise unless there is what fits: before minutes of measuring, not after.

    Raises:
        MissingExtraError: scipy is not installed.
    """
    try:
        import scipy.optimize  # noqa: F401  (only to see whether it is there)
    except ImportError as error:
        raise MissingExtraError("fitting a cost model", "calibrate") from error


def solve(
    design: FloatArray, seconds: Sequence[float], weights: Sequence[float] | None = None
) -> tuple[FloatArray, FloatArray]:
    """Return coefficients x ≥ 0 with design·x ≈ seconds, and their standard errors.

    Args:
        design: what each sample has of each term, at least 0, shape (n, k).
        seconds: measured times, above 0, n of them.
        weights: how much each sample counts, above 0; None counts all alike.

    Returns:
        Coefficients and standard errors, shape (k,). The latter come from the scatter of the
        residuals and are NaN for coefficients at 0, for terms that no sample has, and where there
        are no more samples than coefficients.

    Raises:
        MissingExtraError: scipy is not installed.
    """
    require_solver()
    from scipy.optimize import nnls

    given = np.ones(len(seconds)) if weights is None else np.array(weights, dtype=np.float64)
    relative = design / np.array(seconds)[:, None]
    size = np.linalg.norm(relative, axis=0)
    seen = size > 0.0
    scaled = relative[:, seen] / size[seen]
    values, robust = np.zeros(scaled.shape[1]), given
    for _ in range(_MOST_ROUNDS):
        before, root = values, np.sqrt(robust)
        values, _ = nnls(scaled * root[:, None], root, maxiter=100 * scaled.shape[1])
        robust = given / np.sqrt(1.0 + ((scaled @ values - 1.0) / _SCALE) ** 2)
        if np.abs(values - before).max() <= _SETTLED * np.abs(values).max():
            break
    coefficients, errors = np.zeros(len(size)), np.full(len(size), np.nan)
    coefficients[seen] = values / size[seen]
    errors[seen] = _standard_errors(scaled, values, robust) / size[seen]
    return coefficients, errors


def _standard_errors(design: FloatArray, values: FloatArray, weight: FloatArray) -> FloatArray:
    free = values > 0.0
    errors = np.full(len(values), np.nan)
    freedom = len(design) - int(free.sum())
    if freedom > 0:
        variance = float((weight * (design @ values - 1.0) ** 2).sum()) / freedom
        information = (design[:, free] * weight[:, None]).T @ design[:, free]
        errors[free] = np.sqrt(variance * np.clip(np.diag(np.linalg.pinv(information)), 0, None))
    return errors
