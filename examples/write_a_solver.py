"""Write a policy of your own and run it beside the ones that come with the package.

This one takes the longest answers first and passes over what does not fit, so that it serves
fewer requests of each batch than could be served, but more tokens. Run with
``python examples/write_a_solver.py``.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

import edgebatch as eb
from edgebatch.cost import batch_costs
from edgebatch.solvers import Filling, Result, Stop
from edgebatch.solvers.base import Effort, make_result, servable_alone, trivial_bound


@dataclass(frozen=True)
class LongestFirst:
    """Fills the batch with the longest answers; its fields are its knobs."""

    name: ClassVar[str] = "longest-first"

    batch_cap: int | None = None

    def solve(self, problem: eb.Problem, stop: Stop = Stop()) -> Result:
        """Return the fullest batch over all precisions."""
        effort = Effort(stop)
        best: list[int] = []
        precision = None
        for cost in batch_costs(problem):
            batch = Filling(problem, cost)
            candidates = np.flatnonzero(servable_alone(problem, cost))
            by_length = np.argsort(-problem.requests.output_tokens[candidates], kind="stable")
            for index in candidates[by_length].tolist():
                if self.batch_cap is not None and len(batch.members) >= self.batch_cap:
                    break
                if batch.refusal(index) is None:
                    batch.add(index)
            if len(batch.members) > len(best):
                best, precision = batch.members, cost.precision.name
        return make_result(
            problem,
            self.name,
            effort,
            selected=best,
            precision=precision,
            bound=trivial_bound(problem),
        )


eb.SOLVERS[LongestFirst.name] = LongestFirst

scenario = eb.Scenario.load("edge-cell", ["workload.duration_seconds=30"])
print("policy                     in time   expired  batch size  tokens/s")
for text in ("longest-first", "longest-first:batch_cap=2", "fcfs", "dftsp"):
    summary = eb.summarise(scenario.run(eb.parse_policy(text)))
    mean_size = summary.batch_size["mean"] if summary.batch_size else 0.0
    print(
        f"{text:25} {summary.in_time:8} {summary.expired:9} {mean_size:11.2f}"
        f" {summary.goodput_tokens_per_second:9.0f}"
    )
