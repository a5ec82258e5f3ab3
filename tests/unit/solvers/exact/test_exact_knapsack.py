"""Knapsacks solved by flips, against enumeration."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebatch.solvers.exact.dual import ROWS, bound_at, minimise_dual
from edgebatch.solvers.exact.knapsack import LIMIT, exchange, round_down, search_flips

SEEDS = st.integers(0, 100_000)


class Case:
    """A small knapsack, its multipliers and its optimum."""

    def __init__(self, seed: int, size: int, greatest_value: int) -> None:
        rng = np.random.default_rng(seed)
        self.size = size
        self.value = rng.integers(1, greatest_value + 1, size).astype(float)
        self.weight = rng.uniform(0.0, rng.uniform(0.2, 1.0, (ROWS, 1)), (ROWS, size))
        self.multiplier = np.zeros(ROWS)
        minimise_dual(self.value, self.weight, size, self.multiplier, 0.0)
        self.bound = bound_at(self.value, self.weight, size, self.multiplier)
        self.surplus = self.value - self.multiplier @ self.weight
        self.taken = np.zeros(size, dtype=np.bool_)

    def best(self) -> float:
        choices = np.array(list(product([0.0, 1.0], repeat=self.size)))
        fits = (choices @ self.weight.T <= LIMIT).all(axis=1)
        return float((choices[fits] @ self.value).max())

    def search(self, need: float, most_nodes: int = 10**6) -> tuple[float, int]:
        return search_flips(
            self.value,
            self.weight,
            self.size,
            self.multiplier,
            self.surplus,
            self.bound,
            need,
            self.taken,
            most_nodes,
        )

    def taken_fit(self) -> bool:
        return bool((self.weight @ self.taken <= LIMIT).all())


@given(seed=SEEDS, size=st.integers(1, 10), greatest_value=st.sampled_from([1, 5]))
def test_the_search_finds_the_optimum_and_nothing_above_it(
    seed: int, size: int, greatest_value: int
) -> None:
    case = Case(seed, size, greatest_value)
    best = case.best()
    assert case.search(best + 1.0 - 1e-6)[0] == -1.0
    if best > 0.0:
        worth, _ = case.search(best - 1e-6)
        assert worth == best == case.value @ case.taken
        assert case.taken_fit()


@given(seed=SEEDS, size=st.integers(1, 12))
def test_every_selection_is_worth_the_bound_less_slack_and_flips(seed: int, size: int) -> None:
    case = Case(seed, size, 5)
    chosen = np.random.default_rng(seed + 1).random(size) < 0.5
    slack = 1.0 - case.weight @ chosen
    flipped = chosen != (case.surplus > 0.0)
    worth = case.bound - case.multiplier @ slack - np.abs(case.surplus[flipped]).sum()
    assert worth == pytest.approx(case.value @ chosen, abs=1e-9)


@given(seed=SEEDS, size=st.integers(1, 40))
def test_rounding_and_exchanges_keep_to_the_budgets_and_say_what_is_taken(
    seed: int, size: int
) -> None:
    case = Case(seed, size, 5)
    rounded = round_down(case.value, case.weight, size, case.surplus, case.taken)
    assert rounded == case.value @ case.taken
    assert case.taken_fit()
    improved = exchange(
        case.value, case.weight, size, case.surplus, case.taken, rounded, case.bound
    )
    assert rounded <= improved == case.value @ case.taken
    assert case.taken_fit()


def test_the_search_gives_up_at_its_limit() -> None:
    case = Case(5, 10, 5)
    assert case.search(case.best() + 0.5, most_nodes=1) == (-2.0, 1)


def test_a_selection_that_fills_its_budget_is_found_however_large_the_values() -> None:
    # λ = 1e7: the first has a surplus of 6e6 − λ/2 = 1e6, the second lacks 1e-5, and together they
    # fill the budget; so they are worth L = 1.1e7 less 1e-5, and L − need is 1.1e-5
    value, weight = np.array([6e6, 5e6 - 1e-5]), np.zeros((ROWS, 2))
    weight[0] = 0.5
    multiplier = np.eye(ROWS)[0] * 1e7
    surplus, taken = value - multiplier @ weight, np.zeros(2, dtype=np.bool_)
    worth = 6e6 + (5e6 - 1e-5)
    found, _ = search_flips(
        value, weight, 2, multiplier, surplus, 1.1e7, worth - 1e-6, taken, 10**6
    )
    assert found == worth
    assert taken.all()
