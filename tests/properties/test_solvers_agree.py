"""Every solver against every other, and all of them against the evaluator."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebatch.cost import batch_costs, evaluate
from edgebatch.problem import Batching, Problem
from edgebatch.solvers import BruteForce, Dftsp, Edf, Greedy, Result, Sjf, Solver, Status, Stop
from edgebatch.solvers.base import servable_alone
from edgebatch.solvers.registry import SOLVERS, make_solver
from reference import best_worth
from strategies import problems

EXACT_FOR_ALL_VALUES = ("exact", "brute-force", "cp-sat", "milp")
EXACT_FOR_UNIT_VALUES = ("dftsp", *EXACT_FOR_ALL_VALUES)
in_each_mode = pytest.mark.parametrize("batching", Batching)
with_each_solver = pytest.mark.parametrize("name", SOLVERS)


def assert_sound(problem: Problem, result: Result, optimum: float) -> None:
    """Check all that a result promises, whichever solver it comes from."""
    if result.precision is None:
        assert result.selected == ()
        assert result.objective == 0.0
    else:
        evaluation = evaluate(problem, result.selected, result.precision)
        assert evaluation.feasible, evaluation.violations
        assert result.objective == pytest.approx(evaluation.objective, rel=1e-12)
    assert list(result.selected) == sorted(result.selected)
    assert result.objective <= optimum * (1.0 + 1e-9)
    assert result.bound >= optimum * (1.0 - 1e-9)
    if result.status is Status.OPTIMAL:
        assert result.objective == result.bound == pytest.approx(optimum, rel=1e-9)


@in_each_mode
@given(data=st.data())
def test_exact_solvers_serve_as_many_as_the_best_of_all_subsets(
    batching: Batching, data: st.DataObject
) -> None:
    problem = data.draw(problems(max_requests=7, unit_values=True, batching=batching))
    optimum = best_worth(problem)
    for name in EXACT_FOR_UNIT_VALUES:
        result = make_solver(name).solve(problem)
        assert result.status is Status.OPTIMAL, name
        assert_sound(problem, result, optimum)


@in_each_mode
@given(data=st.data())
def test_exact_solvers_reach_the_worth_of_the_best_of_all_subsets(
    batching: Batching, data: st.DataObject
) -> None:
    problem = data.draw(problems(max_requests=7, batching=batching))
    optimum = best_worth(problem)
    for name in EXACT_FOR_ALL_VALUES:
        result = make_solver(name).solve(problem)
        assert result.status is Status.OPTIMAL, name
        assert_sound(problem, result, optimum)


@in_each_mode
@given(data=st.data())
def test_exact_solvers_agree_where_some_have_no_deadline(
    batching: Batching, data: st.DataObject
) -> None:
    problem = data.draw(problems(max_requests=6, unit_values=True, batching=batching))
    fewest_patient = data.draw(st.integers(0, len(problem.requests)))
    deadlines = problem.requests.deadline_seconds.copy()
    deadlines[fewest_patient:] = math.inf
    problem = problem.replace(requests=replace(problem.requests, deadline_seconds=deadlines))
    optimum = best_worth(problem)
    for name in SOLVERS:
        result = make_solver(name).solve(problem)
        assert_sound(problem, result, optimum)
        if name in EXACT_FOR_UNIT_VALUES:
            assert result.status is Status.OPTIMAL, name


@in_each_mode
@given(data=st.data())
def test_dftsp_serves_as_many_as_brute_force_where_there_are_more(
    batching: Batching, data: st.DataObject
) -> None:
    problem = data.draw(problems(max_requests=11, unit_values=True, batching=batching))
    fast = Dftsp().solve(problem)
    slow = BruteForce().solve(problem)
    assert fast.objective == slow.objective
    assert fast.status is slow.status is Status.OPTIMAL
    assert_sound(problem, fast, slow.objective)


@with_each_solver
@given(problem=problems(max_requests=6))
def test_no_solver_claims_more_than_there_is(name: str, problem: Problem) -> None:
    assert_sound(problem, make_solver(name).solve(problem), best_worth(problem))


@pytest.mark.parametrize("cap", [1, 2])
@pytest.mark.parametrize("name", ["static", "fcfs", "edf", "sjf", "greedy"])
@given(problem=problems(max_requests=6))
def test_capped_batches_are_feasible_and_keep_to_the_cap(
    name: str, cap: int, problem: Problem
) -> None:
    result = make_solver(name, batch_cap=cap).solve(problem)
    assert len(result.selected) <= cap
    assert_sound(problem, result, best_worth(problem))


@with_each_solver
@given(problem=problems(max_requests=6), limit=st.integers(0, 12))
def test_a_node_limit_leaves_a_feasible_batch_and_a_true_bound(
    name: str, problem: Problem, limit: int
) -> None:
    result = make_solver(name).solve(problem, Stop(node_limit=limit))
    assert_sound(problem, result, best_worth(problem))


@given(problem=problems(max_requests=9, unit_values=True), data=st.data())
def test_dftsp_is_any_time_at_every_limit(problem: Problem, data: st.DataObject) -> None:
    whole = Dftsp().solve(problem)
    limit = data.draw(st.integers(0, whole.nodes))
    cut_short = Dftsp().solve(problem, Stop(node_limit=limit))
    assert cut_short.nodes <= limit
    assert_sound(problem, cut_short, whole.objective)
    if limit == whole.nodes:
        assert cut_short.objective == whole.objective


def without_clock(result: Result) -> tuple[object, ...]:
    return (
        result.status,
        result.objective,
        result.bound,
        result.precision,
        result.selected,
        result.nodes,
    )


@with_each_solver
@given(problem=problems(max_requests=6), limit=st.none() | st.integers(0, 6))
def test_the_same_problem_gives_the_same_answer(
    name: str, problem: Problem, limit: int | None
) -> None:
    solver: Solver = make_solver(name)
    stop = Stop(node_limit=limit)
    first = solver.solve(problem, stop)
    assert without_clock(solver.solve(problem, stop)) == without_clock(first)
    assert without_clock(make_solver(name).solve(problem, stop)) == without_clock(first)


@pytest.mark.parametrize("name", EXACT_FOR_UNIT_VALUES)
@given(problem=problems(max_requests=7, unit_values=True), data=st.data())
def test_the_order_of_the_requests_does_not_matter(
    name: str, problem: Problem, data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(len(problem.requests))))
    shuffled = problem.replace(requests=problem.requests.take(order))
    solver = make_solver(name)
    assert solver.solve(shuffled).objective == solver.solve(problem).objective


def without_ties(problem: Problem, kind: type[Edf | Sjf | Greedy]) -> Problem:
    """Leave out who has the key of an older request in any precision, until nobody has."""
    before = None
    while before is not problem.requests:
        before = problem.requests
        for cost in batch_costs(problem):
            candidates = np.flatnonzero(servable_alone(problem, cost))
            if len(candidates) == 0:
                continue
            keys = kind.order(problem, cost, candidates)
            oldest = candidates[np.unique(keys, return_index=True)[1]]
            if len(oldest) < len(candidates):
                others = np.setdiff1d(np.arange(len(problem.requests)), candidates)
                kept = np.sort(np.concatenate((oldest, others)))
                problem = problem.replace(requests=problem.requests.take(kept))
    return problem


@pytest.mark.parametrize("kind", [Edf, Sjf, Greedy])
@given(drawn=problems(max_requests=7), data=st.data())
def test_lists_ordered_by_distinct_keys_do_not_see_the_order(
    kind: type[Edf | Sjf | Greedy], drawn: Problem, data: st.DataObject
) -> None:
    problem = without_ties(drawn, kind)  # equal keys go to the older request
    order = data.draw(st.permutations(range(len(problem.requests))))
    shuffled = problem.replace(requests=problem.requests.take(order))
    found, expected = kind().solve(shuffled), kind().solve(problem)
    assert {shuffled.requests.ids[index] for index in found.selected} == {
        problem.requests.ids[index] for index in expected.selected
    }
