"""What `exact` promises beyond agreeing with the other solvers."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebatch.cost import evaluate, paced
from edgebatch.problem import Batching, Model, Node, Precision, Problem, Request, Requests
from edgebatch.solvers import Sjf, Status, Stop
from edgebatch.solvers.exact import Exact, warm_up
from edgebatch.solvers.registry import make_solver
from reference import best_worth
from strategies import problems

MODEL = Model(layers=1, hidden_size=1, ffn_size=1, heads=1)  # A = 6: prefill of P takes 12·P + 4·P²
NODE = Node(memory_bytes=1e6, flops=16.0)  # one token of prompt, one of output: 16 FLOP, 1 second
W16 = Precision("w16", weight_bytes=2.0)


def alike(*deadlines: float) -> Requests:
    """Requests of one token each way: one second alone, k seconds for k of them."""
    return Requests.from_list(
        Request(str(index), 1, 1, deadline) for index, deadline in enumerate(deadlines)
    )


def random_problem(seed: int, num_requests: int, batching: Batching) -> Problem:
    """Time, memory and spectrum each hold about a third; values from 1 to 5."""
    rng = np.random.default_rng(seed)
    requests = Requests(
        ids=tuple(map(str, range(num_requests))),
        prompt_tokens=rng.choice([4, 8, 16], num_requests),
        output_tokens=rng.choice([4, 8, 16], num_requests),
        deadline_seconds=rng.uniform(1.0, 3.0, num_requests),
        min_quality=rng.choice([0.0, 0.95], num_requests),
        value=rng.integers(1, 6, num_requests).astype(float),
        uplink_share=rng.exponential(3.0 / num_requests, num_requests),
        downlink_share=rng.exponential(2.0 / num_requests, num_requests),
    )
    model = Model(layers=2, hidden_size=8, ffn_size=32, heads=2)
    precisions = (W16, Precision("w8", weight_bytes=1.0, decode_factor=0.6, quality=0.9))
    node = Node(
        memory_bytes=5e3 + 500.0 * num_requests,
        flops=1.5e4 * num_requests,
        memory_bandwidth=1e5 * num_requests,
        uplink_seconds=0.1,
        downlink_seconds=0.1,
    )
    return Problem(node, model, precisions, requests, batching)


@pytest.mark.parametrize("batching", Batching)
@pytest.mark.parametrize("num_requests", [30, 80])
@pytest.mark.parametrize("rival", ["cp-sat", "milp"])
def test_it_agrees_with_general_optimisers_on_larger_problems(
    rival: str, num_requests: int, batching: Batching
) -> None:
    problem = random_problem(num_requests, num_requests, batching)
    own = Exact().solve(problem)
    other = make_solver(rival).solve(problem, Stop(time_limit_seconds=20.0))
    assert own.status is Status.OPTIMAL
    assert other.objective <= own.objective * (1.0 + 1e-9)
    assert own.objective <= other.bound * (1.0 + 1e-9)


@pytest.mark.parametrize("batching", Batching)
def test_at_every_node_limit_it_has_a_batch_and_a_true_bound(batching: Batching) -> None:
    problem = random_problem(7, 40, batching)
    optimum = Exact().solve(problem).objective
    for limit in range(12):
        result = Exact().solve(problem, Stop(node_limit=limit))
        assert result.objective <= optimum <= result.bound * (1.0 + 1e-9)
        if result.precision is not None:
            assert evaluate(problem, result.selected, result.precision).feasible


@pytest.mark.parametrize("batching", Batching)
def test_without_time_it_returns_shortest_jobs_first_and_a_true_bound(batching: Batching) -> None:
    problem = random_problem(8, 200, batching)
    result = Exact().solve(problem, Stop(time_limit_seconds=0.0))
    assert result.status is Status.FEASIBLE
    assert result.selected == Sjf().solve(problem).selected
    assert result.bound >= Exact().solve(problem).objective


@given(problem=problems(max_requests=8))
def test_without_time_it_serves_what_shortest_jobs_first_is_worth(problem: Problem) -> None:
    result = Exact().solve(problem, Stop(time_limit_seconds=0.0))
    assert result.objective == pytest.approx(Sjf().solve(problem).objective)
    if result.precision is not None:
        assert evaluate(problem, result.selected, result.precision).feasible


@given(
    problem=problems(max_requests=6),
    worth=st.floats(-6.0, 6.0),
    pace=st.floats(-6.0, 6.0),
    spread=st.booleans(),
)
def test_the_units_of_value_and_time_do_not_matter(
    problem: Problem, worth: float, pace: float, spread: bool
) -> None:
    """Values and times over twelve orders of magnitude, and values that far from each other."""
    scale, slower = 10.0**worth, 10.0**pace
    requests = problem.requests
    factors = np.logspace(-6.0, 6.0, len(requests)) if spread else 1.0
    node, precisions = paced(problem.node, problem.precisions, slower)
    scaled = problem.replace(
        requests=replace(
            requests,
            value=requests.value * scale * factors,
            deadline_seconds=requests.deadline_seconds * slower,
        ),
        node=node.replace(
            uplink_seconds=node.uplink_seconds * slower,
            downlink_seconds=node.downlink_seconds * slower,
        ),
        precisions=precisions,
    )
    result = Exact().solve(scaled)
    assert result.status is Status.OPTIMAL
    assert result.objective == pytest.approx(best_worth(scaled), rel=1e-9)
    if result.precision is not None:
        assert evaluate(scaled, result.selected, result.precision).feasible


def test_a_deadline_that_is_met_to_the_last_bit_is_met() -> None:
    # three take 3 seconds together
    problem = Problem(NODE, MODEL, (W16,), alike(3.0, 3.0, 3.0, 2.0))
    result = Exact().solve(problem)
    assert result.selected == (0, 1, 2)
    late = problem.replace(requests=alike(*[3.0 * (1.0 - 3e-9)] * 3, 2.0))
    assert Exact().solve(late).objective == 2.0


def test_requests_without_deadline_wait_however_long_it_takes() -> None:
    # 16 FLOP a request at 1e-20 FLOP/s
    problem = Problem(NODE.replace(flops=1e-20), MODEL, (W16,), alike(math.inf, math.inf, 1e30))
    assert Exact().solve(problem).selected == (0, 1, 2)


def test_requests_without_deadline_wait_for_everyone() -> None:
    problem = Problem(NODE, MODEL, (W16,), alike(math.inf, math.inf, 2.5, 1.5))
    assert Exact().solve(problem).objective == 2.0  # with 2.5 s two; without, both patient ones
    patient = problem.replace(requests=alike(*[math.inf] * 5))
    assert Exact().solve(patient).selected == (0, 1, 2, 3, 4)


@pytest.mark.parametrize("batching", Batching)
def test_among_equals_the_older_are_served(batching: Batching) -> None:
    problem = Problem(NODE, MODEL, (W16,), alike(*[2.0] * 5), batching)
    assert Exact().solve(problem).selected == (0, 1)


def test_among_equally_good_batches_the_quicker_is_served() -> None:
    # prompts of 2, 1 and 1 tokens take 40/16 = 2.5, 1 and 1 seconds; any two but not all fit 4
    requests = Requests.from_list(
        [Request("long", 2, 1, 4.0), Request("short", 1, 1, 4.0), Request("too", 1, 1, 4.0)]
    )
    assert Exact().solve(Problem(NODE, MODEL, (W16,), requests)).selected == (1, 2)


def test_nobody_waiting_and_nobody_in_time_are_both_proven() -> None:
    problem = Problem(NODE, MODEL, (W16,), alike())
    for nobody in (problem, problem.replace(requests=alike(0.5, -1.0))):
        result = Exact().solve(nobody)
        assert (result.status, result.objective, result.selected) == (Status.OPTIMAL, 0.0, ())


def test_two_runs_take_the_same_way() -> None:
    problem = random_problem(11, 150, Batching.PROMPT_PADDED)
    first, second = (Exact().solve(problem) for _ in range(2))
    assert (first.selected, first.nodes) == (second.selected, second.nodes)


def test_warming_up_leaves_nothing_to_compile() -> None:
    from edgebatch.solvers.exact.boxes import examine
    from edgebatch.solvers.exact.quick import longest_prefix
    from edgebatch.solvers.exact.tie_break import prefer_quicker_then_older

    warm_up()
    kernels: list[Any] = [examine, prefer_quicker_then_older, longest_prefix]
    before = [len(kernel.signatures) for kernel in kernels]
    assert min(before) >= 1
    for batching in Batching:
        for stop in (Stop(), Stop(node_limit=0)):
            Exact().solve(random_problem(3, 20, batching), stop)
    assert [len(kernel.signatures) for kernel in kernels] == before


def test_without_the_compiler_it_says_what_to_install() -> None:
    code = (
        "import sys\n"
        "sys.modules['numba'] = None\n"
        "from edgebatch.solvers.exact import warm_up\n"
        "from edgebatch.errors import MissingExtraError\n"
        "try:\n    warm_up()\nexcept MissingExtraError as error:\n    print(error)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert "edgebatch[exact]" in result.stdout
