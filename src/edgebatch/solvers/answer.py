"""A solver's result as the answer object of formulation §7."""

from __future__ import annotations

from edgebatch.cost import evaluate, spectrum_shares
from edgebatch.problem import Problem
from edgebatch.solvers.base import Result


def answer(problem: Problem, result: Result) -> dict[str, object]:
    """Return what ``edgebatch solve`` prints, ready for JSON; times in seconds, memory in bytes.

    Latency is T(S, q) without the radio phases; shares deal out the whole band of each phase that
    exists. Where nothing is selected the precision is None, and memory is that of the weights.
    """
    selected = result.selected
    evaluation = evaluate(problem, selected, result.precision or _any_precision(problem))
    ids = [problem.requests.ids[index] for index in selected]
    uplink, downlink = spectrum_shares(problem, selected)
    return {
        "status": result.status.value,
        "objective": result.objective,
        "bound": result.bound,
        "precision": result.precision,
        "selected": ids,
        "latency_seconds": evaluation.latency_seconds,
        "memory_bytes": evaluation.memory_bytes,
        "uplink_shares": dict(zip(ids, uplink, strict=False)),
        "downlink_shares": dict(zip(ids, downlink, strict=False)),
        "solver": result.solver,
        "nodes": result.nodes,
        "runtime_seconds": result.runtime_seconds,
    }


def _any_precision(problem: Problem) -> str:
    running = problem.in_flight
    return problem.precisions[0].name if running is None else running.precision
