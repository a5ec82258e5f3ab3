"""Sweeps against what they say: the bound of every deadline and longest output, one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from edgebatch.problem import Batching, Problem
from edgebatch.solvers.exact.candidates import Box, Candidates, Knapsack, gather
from edgebatch.solvers.exact.dual import ROWS, bound_at
from edgebatch.solvers.exact.pools import make_pools
from edgebatch.solvers.exact.sweeps import sweep
from strategies import problems


def cell_bound(
    candidates: Candidates, box: Box, group: int, multiplier: np.ndarray
) -> tuple[float, float]:
    """Return L(λ) of one cell over those who fit it alone, and what the others could add."""
    size = candidates.table.shape[1]
    room = Knapsack(
        np.empty(size), np.empty((ROWS, size)), np.empty(size), np.empty(size, np.int64),
        np.empty(size, np.bool_),
    )  # fmt: skip
    count, budget = gather(candidates, box, group, room)
    scaled = multiplier.copy()
    scaled[0] *= budget
    return bound_at(room.value, room.weight, count, scaled), float(count)


@given(problem=problems(max_requests=8), seed=st.integers(0, 1000))
def test_a_sweep_is_never_below_the_bound_of_any_cell(problem: Problem, seed: int) -> None:
    assume(problem.batching is not Batching.PADDED)
    pool = make_pools(problem)[0]
    assume(len(pool.indices) > 0)
    multiplier = np.random.default_rng(seed).exponential(1.0, ROWS)
    prompt = float(pool.prompts[-1])
    whole = Box(prompt, prompt, float(pool.outputs[0]), float(pool.outputs[-1]))
    bounds = np.full(len(pool.candidates.ends), np.inf)
    greatest = sweep(pool.candidates, whole, multiplier, bounds)
    assert greatest == bounds.max()
    for group in range(len(bounds)):
        for output in pool.outputs:
            cell = Box(prompt, prompt, float(output), float(output))
            bound, count = cell_bound(pool.candidates, cell, group, multiplier)
            if count:
                assert bounds[group] >= bound * (1.0 - 1e-12)


@given(problem=problems(max_requests=8), seed=st.integers(0, 1000))
def test_a_second_sweep_only_lowers_bounds(problem: Problem, seed: int) -> None:
    pool = make_pools(problem)[0]
    assume(len(pool.indices) > 0)
    rng = np.random.default_rng(seed)
    box = Box(
        float(pool.prompts[0]), float(pool.prompts[-1]),
        float(pool.outputs[0]), float(pool.outputs[-1]),
    )  # fmt: skip
    bounds = np.full(len(pool.candidates.ends), np.inf)
    sweep(pool.candidates, box, rng.exponential(1.0, ROWS), bounds)
    before = bounds.copy()
    sweep(pool.candidates, box, rng.exponential(1.0, ROWS), bounds)
    assert (bounds <= before).all()
