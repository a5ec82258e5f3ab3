"""What the two optimisers share, and their proof against enumeration."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given

from edgebatch.cost import evaluate
from edgebatch.errors import CannotHostError, MissingExtraError, UnsupportedError
from edgebatch.problem import (
    Batching,
    Committed,
    InFlight,
    Model,
    Node,
    Precision,
    Problem,
    Request,
    Requests,
)
from edgebatch.solvers.base import Result, Solver, Status, Stop
from edgebatch.solvers.cp_sat import CpSatSolver
from edgebatch.solvers.milp import MilpSolver
from reference import best_worth
from strategies import problems

SOLVERS = (CpSatSolver(), MilpSolver())
both = pytest.mark.parametrize("solver", SOLVERS, ids=lambda solver: solver.name)

# A = 2 + 2 + 2 = 6 parameters, so that a prompt of one token takes 2·6 + 4 = 16 FLOP: one second
TINY_MODEL = Model(layers=1, hidden_size=1, ffn_size=1, heads=1)
TINY_NODE = Node(memory_bytes=1e6, flops=16.0)


def tiny(*requests: Request, node: Node = TINY_NODE) -> Problem:
    return Problem(
        node, TINY_MODEL, (Precision("w16", 2.0),), Requests.from_list(requests), Batching.RAGGED
    )


def one_second(name: str, deadline: float, value: float = 1.0, uplink: float = 0.0) -> Request:
    return Request(name, 1, 1, deadline, value=value, uplink_share=uplink)


def assert_proven(problem: Problem, result: Result) -> None:
    assert result.status is Status.OPTIMAL
    assert result.objective == pytest.approx(best_worth(problem), rel=1e-9)
    assert_feasible(problem, result)


def assert_feasible(problem: Problem, result: Result) -> None:
    if result.precision is None:
        assert result.selected == ()
    else:
        evaluation = evaluate(problem, result.selected, result.precision)
        assert evaluation.feasible
        assert evaluation.objective == result.objective


@both
@pytest.mark.parametrize("batching", Batching)
def test_the_optimum_is_that_of_enumeration(solver: Solver, batching: Batching) -> None:
    @given(problems(max_requests=7, batching=batching))
    def check(problem: Problem) -> None:
        assert_proven(problem, solver.solve(problem))

    check()


@both
@given(problem=problems(max_requests=6))
def test_a_limit_leaves_a_feasible_batch_and_a_true_bound(solver: Solver, problem: Problem) -> None:
    result = solver.solve(problem, Stop(node_limit=1))
    assert_feasible(problem, result)
    assert result.objective <= best_worth(problem) * (1 + 1e-9)
    assert result.bound >= best_worth(problem) * (1 - 1e-9)


@both
@pytest.mark.parametrize("stop", [Stop(time_limit_seconds=0.0), Stop(node_limit=0)])
def test_no_time_and_no_nodes_leave_nothing_but_the_bound(solver: Solver, stop: Stop) -> None:
    # in two seconds two of one second fit, whatever the third
    problem = tiny(*(one_second(name, 2.0) for name in "abc"))
    result = solver.solve(problem, stop)
    assert (result.status, result.selected, result.nodes) == (Status.FEASIBLE, (), 0)
    assert 2.0 <= result.bound <= 3.0


@both
def test_a_budget_that_is_met_exactly_is_met(solver: Solver) -> None:
    # 3 · 1 s = 3 s, the deadline of all four
    problem = tiny(*(one_second(name, 3.0) for name in "abcd"))
    assert solver.solve(problem).objective == 3.0


@both
def test_large_coefficients_lose_no_optimum(solver: Solver) -> None:
    # 0.1 + 0.1 + 0 + 0.25 + 0.25 + 0.25 = 0.95: all but the third of the downlink; CP-SAT's
    # presolve makes 5 of it when the downlink is cut into 2**40 units
    shares = (0.25, 0.1, 0.25, 0.25, 0.0, 1 / 3, 0.1)
    problem = Problem(
        Node(memory_bytes=8192.0, flops=414400.0, downlink_seconds=0.125),
        Model(layers=2, hidden_size=8, ffn_size=32, heads=2),
        (Precision("w16", 2.0),),
        Requests.from_list(
            Request(str(i), 4, 4, 0.5, downlink_share=share) for i, share in enumerate(shares)
        ),
        Batching.RAGGED,
    )
    assert solver.solve(problem).objective == 6.0


@both
def test_one_of_great_value_may_keep_out_many_of_later_deadlines(solver: Solver) -> None:
    # a alone is worth 5; with its deadline of 1 s nobody can join it, the others are worth 3
    problem = tiny(one_second("a", 1.0, 5.0), *(one_second(name, 3.0) for name in "bcd"))
    assert solver.solve(problem).selected == (0,)
    problem = problem.replace(
        requests=tiny(
            one_second("a", 1.0, 2.5), *(one_second(name, 3.0) for name in "bcd")
        ).requests
    )
    assert solver.solve(problem).selected == (1, 2, 3)


@both
@pytest.mark.parametrize(("excess", "expected"), [(0.5e-9, 10.0), (1.5e-9, 9.0)])
def test_the_evaluator_decides_what_is_within_the_tolerance(
    solver: Solver, excess: float, expected: float
) -> None:
    # ten tenths of the uplink, half or one and a half tolerances too much; C(30, 10) such batches
    share = 0.1 * (1.0 + excess)
    node = TINY_NODE.replace(uplink_seconds=1.0)
    problem = tiny(*(one_second(str(i), 99.0, uplink=share) for i in range(30)), node=node)
    result = solver.solve(problem)
    assert (result.status, result.objective) == (Status.OPTIMAL, expected)
    assert_feasible(problem, result)


@both
def test_values_may_span_many_orders_of_magnitude(solver: Solver) -> None:
    # in two seconds: the two best, 1e6 + 3.7
    values = (1e-6, 3.7, 1e6, 1e-3, 0.2)
    problem = tiny(*(one_second(str(i), 2.0, value) for i, value in enumerate(values)))
    result = solver.solve(problem)
    assert (result.status, result.selected) == (Status.OPTIMAL, (1, 2))


@both
def test_whole_values_of_one_precision_do_not_round_up_the_best_of_another(solver: Solver) -> None:
    # w8 needs 2.5 s a unit, too long for d and e; of a, b, c each two collide in one of 10 s, the
    # uplink and the downlink, so that it serves one of 2.5 but seems to serve two and comes first;
    # w4 is for d and e only, worth 1 + 2 = 3 in 2 s + 2 s of radio
    precisions = (
        Precision("w8", 1.0, prefill_factor=2.5, quality=0.9),
        Precision("w4", 0.5, quality=0.5),
    )
    long, short = 2, 1  # tokens: 2·2·6 + 4·2² = 40 FLOP, 2.5 units, and 16 FLOP, one unit
    requests = Requests.from_list(
        [
            Request("a", long, 1, 12.0, 0.9, 2.5, uplink_share=0.6, downlink_share=0.3),
            Request("b", short, 1, 12.0, 0.9, 2.5, uplink_share=0.6, downlink_share=0.6),
            Request("c", long, 1, 12.0, 0.9, 2.5, uplink_share=0.3, downlink_share=0.6),
            Request("d", short, 1, 4.0, 0.0, 1.0),
            Request("e", short, 1, 4.0, 0.0, 2.0),
        ]
    )
    node = TINY_NODE.replace(uplink_seconds=1.0, downlink_seconds=1.0)
    result = solver.solve(Problem(node, TINY_MODEL, precisions, requests, Batching.RAGGED))
    assert (result.objective, result.selected, result.precision) == (3.0, (3, 4), "w4")


@both
def test_an_interrupted_optimiser_leaves_its_bound(solver: Solver) -> None:
    generator = np.random.default_rng(1)
    shares = generator.uniform(0.02, 0.2, size=(2, 40))
    node = TINY_NODE.replace(uplink_seconds=1.0, downlink_seconds=1.0)
    problem = tiny(
        *(
            Request(str(i), 1, 1, 99.0, value=up + down, uplink_share=up, downlink_share=down)
            for i, (up, down) in enumerate(shares.T.tolist())
        ),
        node=node,
    )
    result = solver.solve(problem, Stop(node_limit=5))
    assert_feasible(problem, result)
    # the spectrum of both phases together is 2, and a value is its part of that
    assert result.status is Status.FEASIBLE
    assert 1.9 < result.objective < result.bound <= 2.0 * (1 + 1e-5)


@both
@given(problem=problems(max_requests=6))
def test_the_same_problem_gets_the_same_answer(solver: Solver, problem: Problem) -> None:
    first, second = solver.solve(problem), solver.solve(problem)
    assert (first.selected, first.precision, first.nodes) == (
        second.selected,
        second.precision,
        second.nodes,
    )


@both
def test_an_empty_queue_is_served_optimally(solver: Solver) -> None:
    result = solver.solve(tiny())
    assert (result.status, result.objective, result.precision) == (Status.OPTIMAL, 0.0, None)


@both
def test_a_request_without_a_deadline_can_be_served(solver: Solver) -> None:
    problem = tiny(one_second("a", float("inf")), one_second("b", 2.0), one_second("c", 2.0))
    assert solver.solve(problem).objective == 2.0


@both
def test_work_in_flight_is_not_taken(solver: Solver) -> None:
    problem = tiny(one_second("a", 3.0)).replace(in_flight=InFlight("w16", (Committed(1, 1, 9.0),)))
    with pytest.raises(UnsupportedError, match=solver.name):
        solver.solve(problem)


@both
def test_weights_that_do_not_fit_are_refused(solver: Solver) -> None:
    # 6 parameters of 2 bytes
    with pytest.raises(CannotHostError):
        solver.solve(tiny(one_second("a", 3.0), node=TINY_NODE.replace(memory_bytes=11.0)))


@pytest.mark.parametrize(
    ("solver", "library"),
    [(MilpSolver(), "highspy"), (CpSatSolver(), "ortools.sat.python.cp_model")],
    ids=["milp", "cp-sat"],
)
def test_a_missing_library_says_what_to_install(
    solver: Solver, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'edgebatch\[solvers\]'"):
        solver.solve(tiny(one_second("a", 3.0)))
