"""The Lagrangian dual of one knapsack with at most five budgets.

Over members with values v and weights w (rows scaled to budgets of 1), every λ ≥ 0 gives the bound

    L(λ) = Σ_k λ_k + Σ_i max(0, v_i − λ·w_i)

on what fits the budgets, and its minimum is the optimum of the linear relaxation. The kinks of the
sum are smoothed over a band of width ε on either side, Newton's method minimises the smooth
function, and ε shrinks from step to step. Any λ on the way is valid, so the best is kept.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgebatch.problem.checks import FloatArray
from edgebatch.solvers.exact.compiled import compiled

BoolArray = npt.NDArray[np.bool_]

ROWS = 5
_MOST_STEPS = 24
_BLIND_BAND = 0.5
_FIRST_BAND = 0.1
_SHRINKAGE = 0.4
_FINEST_BAND = 1e-4


@compiled
def bound_at(value: FloatArray, weight: FloatArray, size: int, multiplier: FloatArray) -> float:
    """Return L(λ) over the first ``size`` members; ``weight`` has shape (ROWS, ≥ size)."""
    total: float = multiplier.sum()
    for i in range(size):
        surplus = value[i]
        for k in range(ROWS):
            surplus -= multiplier[k] * weight[k, i]
        if surplus > 0.0:
            total += surplus
    return total


@compiled
def minimise_dual(
    value: FloatArray, weight: FloatArray, size: int, multiplier: FloatArray, enough: float
) -> float:
    """Lower L(λ) from the given λ, in place; return the lowest value found.

    The first ``size`` members count. ``multiplier``, shape (ROWS,), says where to begin, all zeros
    if nothing is known. Stops as soon as the bound is below ``enough``.
    """
    total_value, free = _totals(value, weight, size)
    mean_value = total_value / max(size, 1)
    if not free.any() or size == 0:
        multiplier[:] = 0.0
        return total_value
    band = mean_value * _FIRST_BAND
    if not (multiplier * free).any():
        _guess(value, weight, size, free, multiplier)
        band = mean_value * _BLIND_BAND
    point, trial = multiplier * free, multiplier * free
    gradient, curvature = np.empty(ROWS), np.empty((ROWS, ROWS))
    best, reference = np.inf, np.inf
    finest = mean_value * max(_FINEST_BAND, 0.5 / size)
    for _ in range(_MOST_STEPS):
        bound, smooth = _expand(value, weight, size, trial, band, gradient, curvature)
        if bound < best:
            best = bound
            multiplier[:] = trial
            if best < enough:
                break
        if smooth > reference and np.abs(trial - point).sum() > 1e-9 * point.sum():
            trial[:] = 0.5 * (point + trial)
            continue
        point[:], reference = trial, smooth
        moved, whole = _newton_step(trial, gradient, curvature, free)
        if moved < 1e-6 and band <= finest:
            break
        if whole:
            band = max(band * _SHRINKAGE, finest)
    return min(best, total_value)


@compiled
def _totals(value: FloatArray, weight: FloatArray, size: int) -> tuple[float, FloatArray]:
    """Return Σ v, and 1.0 for each row that all members together would exceed, else 0.0."""
    total_value = 0.0
    use = np.zeros(ROWS)
    for i in range(size):
        total_value += value[i]
        for k in range(ROWS):
            use[k] += weight[k, i]
    return total_value, (use > 1.0).astype(np.float64)


@compiled
def _guess(
    value: FloatArray, weight: FloatArray, size: int, free: FloatArray, multiplier: FloatArray
) -> None:
    """Begin where the mean member is about worth its place, rows in proportion to their use."""
    use = np.zeros(ROWS)
    total_value = 0.0
    for i in range(size):
        total_value += value[i]
        for k in range(ROWS):
            use[k] += free[k] * weight[k, i]
    squares = (use * use).sum()
    for k in range(ROWS):
        multiplier[k] = total_value * use[k] / squares


@compiled
def _expand(
    value: FloatArray,
    weight: FloatArray,
    size: int,
    point: FloatArray,
    band: float,
    gradient: FloatArray,
    curvature: FloatArray,
) -> tuple[float, float]:
    """Return L and smoothed L at ``point``; write the latter's gradient and Hessian."""
    gradient[:] = 1.0
    curvature[:] = 0.0
    total = smooth = point.sum()
    for i in range(size):
        surplus = value[i]
        for k in range(ROWS):
            surplus -= point[k] * weight[k, i]
        if surplus > 0.0:
            total += surplus
        if surplus >= band:
            smooth += surplus
            for k in range(ROWS):
                gradient[k] -= weight[k, i]
        elif surplus > -band:
            smooth += (surplus + band) ** 2 / (4.0 * band)
            slope = (surplus + band) / (2.0 * band)
            for k in range(ROWS):
                gradient[k] -= slope * weight[k, i]
                for j in range(k + 1):
                    curvature[k, j] += weight[k, i] * weight[j, i] / (2.0 * band)
    return total, smooth


@compiled
def _newton_step(
    point: FloatArray, gradient: FloatArray, curvature: FloatArray, free: FloatArray
) -> tuple[float, bool]:
    """Move ``point`` along a Newton step, up to where a multiplier gets 0.

    Returns how far, relative to the size of the point, and whether it was the whole step. A
    multiplier at 0 that the step would make negative is left out, so that what remains is a
    direction of descent.
    """
    largest = 0.0
    active = np.empty(ROWS, dtype=np.bool_)
    for k in range(ROWS):
        largest = max(largest, curvature[k, k])
        active[k] = free[k] > 0.0 and not (point[k] <= 0.0 and gradient[k] >= 0.0)
    ridge = 1e-9 * largest + 1e-300
    step = _solve(curvature, gradient, active, ridge)
    for _ in range(ROWS):
        blocked = False
        for k in range(ROWS):
            if active[k] and point[k] <= 0.0 and step[k] > 0.0:
                active[k] = False
                blocked = True
        if not blocked:
            break
        step = _solve(curvature, gradient, active, ridge)
    size = point.sum()
    furthest = np.abs(step).max()
    if furthest == 0.0:
        return 0.0, True
    length = min(1.0, 0.5 * size / furthest)
    for k in range(ROWS):
        if step[k] > 0.0:
            length = min(length, point[k] / step[k])
    for k in range(ROWS):
        point[k] = max(point[k] - length * step[k], 0.0)
        if point[k] < 1e-12 * size:
            point[k] = 0.0
    return length * furthest / size, length == 1.0


@compiled
def _solve(
    curvature: FloatArray, gradient: FloatArray, active: BoolArray, ridge: float
) -> FloatArray:
    """Return (H + ridge)⁻¹·g over the active rows by Cholesky; zeros elsewhere."""
    factor = np.zeros((ROWS, ROWS))
    step = np.zeros(ROWS)
    for k in range(ROWS):
        if not active[k]:
            factor[k, k] = 1.0
            continue
        for j in range(k + 1):
            if not active[j]:
                continue
            entry = curvature[k, j] + (ridge if k == j else 0.0)
            for i in range(j):
                entry -= factor[k, i] * factor[j, i]
            if k == j:
                factor[k, k] = np.sqrt(max(entry, ridge))
            else:
                factor[k, j] = entry / factor[j, j]
        step[k] = gradient[k]
    for k in range(ROWS):
        for i in range(k):
            step[k] -= factor[k, i] * step[i]
        step[k] /= factor[k, k]
    for k in range(ROWS - 1, -1, -1):
        for i in range(k + 1, ROWS):
            step[k] -= factor[i, k] * step[i]
        step[k] /= factor[k, k]
        if not active[k]:
            step[k] = 0.0
    return step
