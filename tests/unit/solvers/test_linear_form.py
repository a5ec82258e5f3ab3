from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebatch.cost import BatchCost, batch_costs, evaluate
from edgebatch.problem import Problem
from edgebatch.solvers.linear_form import Cell, CellSpace, Knapsack, relaxation_bound
from strategies import problems


def knapsack(weights: list[list[float]]) -> Knapsack:
    table = np.array(weights)
    count = table.shape[1]
    return Knapsack(np.arange(count), np.ones(count), table, True, float(count))


def key_of(problem: Problem, space: CellSpace, subset: list[int]) -> tuple[int, int, int]:
    requests = problem.requests
    longest = (requests.prompt_tokens[subset].max(), requests.output_tokens[subset].max())
    prompt, output = (
        # a length without influence has one level
        min(int(np.searchsorted(levels, length)), len(levels) - 1)
        for levels, length in zip(space.levels[:2], longest, strict=True)
    )
    earliest = requests.deadline_seconds[subset].min()
    return prompt, output, int(np.searchsorted(space.levels[2], earliest))


def contains(cell: Cell, key: tuple[int, int, int]) -> bool:
    return all(first <= at <= last for (first, last), at in zip(cell, key, strict=True))


def path_to(space: CellSpace, key: tuple[int, int, int]) -> list[Cell]:
    cells = [space.root]
    while (last := cells[-1]) is not None and (halves := space.split(last)) is not None:
        inside = [half for half in halves if contains(half, key)]
        assert len(inside) == 1
        cells += inside
    return [cell for cell in cells if cell is not None]


def subset_of(problem: Problem, cost: BatchCost, order: list[int]) -> list[int]:
    """Fill a batch in the given order, leaving out who does not fit."""
    chosen: list[int] = []
    for index in order:
        if evaluate(problem, [*chosen, index], cost.precision.name).feasible:
            chosen.append(index)
    return chosen


@given(st.data())
def test_a_feasible_batch_fits_every_knapsack_on_the_way_to_its_key(data: st.DataObject) -> None:
    problem = data.draw(problems())
    cost = data.draw(st.sampled_from(batch_costs(problem)))
    order = data.draw(st.permutations(range(len(problem.requests))))
    subset = subset_of(problem, cost, order)
    if not subset:
        return
    space = CellSpace(problem, cost)
    worth = evaluate(problem, subset, cost.precision.name).objective
    for cell in path_to(space, key_of(problem, space, subset)):
        relaxed = space.knapsack(cell)
        assert set(subset) <= set(relaxed.members.tolist())
        chosen = np.isin(relaxed.members, subset)
        assert (relaxed.weights[:, chosen].sum(axis=1) <= 1.0 + 1e-12).all()
        assert relaxed.bound >= worth


@given(st.data())
def test_whatever_fits_the_knapsack_of_one_key_is_feasible(data: st.DataObject) -> None:
    problem = data.draw(problems())
    cost = data.draw(st.sampled_from(batch_costs(problem)))
    space = CellSpace(problem, cost)
    if space.root is None:
        return
    cell = space.root
    while (halves := space.split(cell)) is not None:
        cell = data.draw(st.sampled_from(halves))
    exact = space.knapsack(cell)
    room = np.ones(len(exact.weights))
    chosen = []
    for position in data.draw(st.permutations(range(len(exact.members)))):
        # a hair below the budget: at the edge of the tolerance the evaluator has the last word
        if (exact.weights[:, position] <= room - 1e-9).all():
            room -= exact.weights[:, position]
            chosen.append(int(exact.members[position]))
    assert evaluate(problem, chosen, cost.precision.name).feasible


def test_the_bound_is_exact_where_all_weigh_the_same() -> None:
    # of five that weigh 0.3 three fit: 9 + 7 + 4, not 20 + 1/3·2
    value = np.array([2.0, 9.0, 4.0, 7.0, 1.0])
    assert relaxation_bound(value, np.full((1, 5), 0.3)) == pytest.approx(20.0, rel=1e-11)


def test_a_cover_cut_bars_the_refused_and_whoever_is_no_lighter() -> None:
    # 0 and 1 were refused: of them and of 2, which is as heavy in both rows, one may be taken;
    # 3 is lighter in the second row and stays free
    cut = knapsack([[0.5, 0.5, 0.6, 0.9], [0.2, 0.3, 0.3, 0.1]]).without(np.array([0, 1]))
    assert cut.weights[-1].tolist() == [1.0, 1.0, 1.0, 0.0]


def test_a_cover_cut_of_a_single_member_bars_it() -> None:
    assert knapsack([[1.0, 0.4]]).without(np.array([0])).weights[-1].tolist() == [2.0, 0.0]
