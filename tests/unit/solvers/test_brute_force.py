"""``brute-force`` by example: every leaf is visited, and the best one is kept."""

from __future__ import annotations

import pytest

from edgebatch.errors import UnsupportedError
from edgebatch.problem import (
    Batching,
    InFlight,
    Model,
    Node,
    Precision,
    Problem,
    Request,
    Requests,
)
from edgebatch.solvers import BruteForce, Status, Stop

# a prompt of one token takes 2·6 + 4 = 16 FLOP: one second
TINY_MODEL = Model(layers=1, hidden_size=1, ffn_size=1, heads=1)
TINY_NODE = Node(memory_bytes=1e6, flops=16.0)


def tiny(*requests: Request, batching: Batching = Batching.PADDED) -> Problem:
    return Problem(
        TINY_NODE, TINY_MODEL, (Precision("w16", 2.0),), Requests.from_list(requests), batching
    )


def test_a_class_of_equal_requests_is_counted_not_permuted() -> None:
    problem = tiny(*(Request(name, 1, 1, 2.0) for name in "abc"))
    result = BruteForce().solve(problem)
    assert result.objective == 2.0
    # the root and one leaf for each of 0, 1, 2, 3 taken
    assert result.nodes == 1 + 4


def test_two_classes_multiply() -> None:
    problem = tiny(Request("a", 1, 1, 9.0), Request("b", 1, 1, 9.0), Request("c", 1, 2, 9.0))
    # root, then 0 or 1 of the longer class, then 0, 1 or 2 of the shorter: 1 + 2 + 6
    assert BruteForce().solve(problem).nodes == 9


def test_worth_decides_over_number() -> None:
    dear = Request("dear", 2, 1, 3.0, value=3.0)  # 2·(12 + 8)/16 = 2.5 s
    cheap = [Request(name, 1, 1, 3.0) for name in "ab"]
    result = BruteForce().solve(tiny(*cheap, dear, batching=Batching.RAGGED))
    assert (result.selected, result.objective) == ((2,), 3.0)


def test_of_equal_worth_the_quicker_batch_is_chosen() -> None:
    slow, quick = Request("slow", 2, 1, 2.6), Request("quick", 1, 1, 2.6)
    assert BruteForce().solve(tiny(slow, quick, batching=Batching.RAGGED)).selected == (1,)


def test_at_the_limit_the_bound_is_what_could_be_served_alone() -> None:
    problem = tiny(*(Request(name, 1, 1, 2.0) for name in "abc"), Request("late", 1, 1, 0.5))
    result = BruteForce().solve(problem, Stop(node_limit=3))
    # the root, none taken, one taken
    assert (result.nodes, result.objective, result.bound) == (3, 1.0, 3.0)
    assert result.status is Status.FEASIBLE


def test_work_in_flight_is_not_taken() -> None:
    problem = tiny(Request("a", 1, 1, 2.0), batching=Batching.RAGGED)
    with pytest.raises(UnsupportedError, match="brute-force"):
        BruteForce().solve(problem.replace(in_flight=InFlight("w16", ())))
