"""Knapsacks closed by branching, held to all subsets and to the search that does not branch."""

from __future__ import annotations

import numpy as np
import pytest

from edgebatch.problem.checks import FloatArray
from edgebatch.solvers.exact.branching import GIVEN_UP, NONE, search_branches
from edgebatch.solvers.exact.dual import ROWS, bound_at, minimise_dual
from edgebatch.solvers.exact.knapsack import LIMIT, search_flips

Knapsack = tuple[FloatArray, FloatArray]


def with_heavy_members(seed: int, light: int, heavy: int) -> Knapsack:
    """A third of the light fit; of the heavy one, though the relaxation takes parts of several."""
    rng = np.random.default_rng(seed)
    weight = np.zeros((ROWS, light + heavy))
    weight[0] = rng.uniform(0.5, 1.5, light + heavy) * 3.0 / light
    weight[1, :light] = rng.uniform(0.5, 1.5, light) * 3.0 / light
    weight[3, light:] = rng.uniform(0.5, 0.9, heavy)
    return rng.integers(1, 4, light + heavy).astype(float), weight


def optimum(value: FloatArray, weight: FloatArray) -> float:
    subsets = (np.arange(2 ** len(value))[:, None] >> np.arange(len(value))) & 1
    fits = (subsets @ weight.T <= LIMIT).all(axis=1)
    return float((subsets[fits] @ value).max())


def search(knapsack: Knapsack, need: float, most_nodes: int = 10**9) -> tuple[float, int, float]:
    """Return worth, nodes, and the worth of what is written down after checking that it fits."""
    value, weight = knapsack
    taken = np.zeros(len(value), dtype=np.bool_)
    start = np.zeros(ROWS)
    worth, nodes = search_branches(value, weight, len(value), start, need, taken, most_nodes)
    assert (weight[:, taken].sum(axis=1) <= LIMIT).all()
    return worth, nodes, float(value[taken].sum())


@pytest.mark.parametrize("seed", range(20))
def test_the_best_of_all_subsets_is_found_and_nothing_better(seed: int) -> None:
    knapsack = with_heavy_members(seed, light=9, heavy=6)
    best = optimum(*knapsack)
    worth, _, written = search(knapsack, need=best)
    assert worth == written == best
    assert search(knapsack, need=best + 1.0)[0] == NONE


def test_deciding_on_heavy_members_first_saves_most_of_the_search() -> None:
    value, weight = knapsack = with_heavy_members(1, light=60, heavy=12)
    need = 0.0
    while (found := search(knapsack, need)[0]) != NONE:
        need = found + 1.0
    multiplier, size = np.zeros(ROWS), len(value)
    minimise_dual(value, weight, size, multiplier, 0.0)
    surplus = value - multiplier @ weight
    bound = bound_at(value, weight, size, multiplier)
    taken = np.zeros(size, dtype=np.bool_)
    alone, without = search_flips(
        value, weight, size, multiplier, surplus, bound, need, taken, 10**7
    )
    assert alone < 0.0
    assert 3 * search(knapsack, need)[1] < without


def test_it_gives_up_after_as_many_nodes_as_it_is_told() -> None:
    knapsack = with_heavy_members(1, light=60, heavy=12)
    need = 0.0
    while (found := search(knapsack, need)[0]) != NONE:
        need = found + 1.0
    worth, nodes, _ = search(knapsack, need, most_nodes=100)
    assert worth == GIVEN_UP
    assert nodes <= 100 + 1 + len(knapsack[0])
