"""``exact``: the proven optimum for any values, at a cost that a serving loop can bear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edgebatch.cost import require_hostable
from edgebatch.problem import Batching, Model, Node, Precision, Problem, Request, Requests
from edgebatch.solvers.base import (
    Effort,
    Result,
    Stop,
    make_result,
    require_own_batch,
    trivial_bound,
)


@dataclass(frozen=True, slots=True)
class Exact:
    """Best-first search over longest prompts and outputs, with knapsacks closed at the leaves.

    Optimal for unit and for arbitrary positive values, in all batching modes; any-time: with a
    limit it returns its best and a true bound. Compiled to machine code; the first call after an
    installation compiles, :func:`edgebatch.solvers.exact.warm_up` gets that over with.
    """

    name: ClassVar[str] = "exact"

    def solve(self, problem: Problem, stop: Stop = Stop()) -> Result:
        """Return the best batch; see :class:`edgebatch.solvers.base.Solver`.

        Raises:
            MissingExtraError: Numba is not installed.
        """
        from edgebatch.solvers.exact.search import Search

        require_own_batch(problem, self.name)
        require_hostable(problem.node, problem.model, problem.precisions)
        search = Search(problem, Effort(stop))
        bound = search.run()
        if not search.finished:
            bound = min(bound, trivial_bound(problem))
        return make_result(
            problem,
            self.name,
            search.effort,
            selected=search.selected(),
            precision=search.precision_name(),
            bound=bound,
        )


def warm_up() -> None:
    """Compile everything, or load it from the cache, so that no later call has to.

    Takes a minute after an installation and a second afterwards.

    Raises:
        MissingExtraError: Numba is not installed.
    """
    model = Model(layers=1, hidden_size=1, ffn_size=1, heads=1)
    node = Node(memory_bytes=100.0, flops=100.0, memory_bandwidth=100.0, uplink_seconds=0.1)
    requests = Requests.from_list(
        Request(str(i), 1 + i % 3, 1 + i % 2, 2.0 + i % 4, value=1.0 + i % 2, uplink_share=0.3)
        for i in range(8)
    )
    for batching in Batching:
        problem = Problem(node, model, (Precision("q", 1.0),), requests, batching)
        for stop in (Stop(), Stop(node_limit=0)):
            Exact().solve(problem, stop)
