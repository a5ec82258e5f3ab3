"""What every solver takes and gives back (formulation §6)."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Protocol

import numpy as np

from edgebatch.cost import BatchCost, batch_costs, hosted_bytes
from edgebatch.errors import InputError, UnsupportedError
from edgebatch.problem import Problem
from edgebatch.problem.checks import FloatArray, IntArray
from edgebatch.units import RELATIVE_TOLERANCE


class Status(StrEnum):
    """How much is known about a selection."""

    OPTIMAL = "optimal"
    """Proven: no feasible selection is worth more."""
    FEASIBLE = "feasible"
    """It can be served as it stands; ``bound`` says how much more could at most be had."""


@dataclass(frozen=True, slots=True)
class Stop:
    """When to give up searching; the best found so far is returned.

    Attributes:
        time_limit_seconds: wall-clock limit; None for none.
        node_limit: limit on visited nodes, the same on every machine; None for none.
    """

    time_limit_seconds: float | None = None
    node_limit: int | None = None

    def __post_init__(self) -> None:
        for name in ("time_limit_seconds", "node_limit"):
            value = getattr(self, name)
            if value is not None and not (value >= 0 and math.isfinite(value)):
                raise InputError(name, f"must be a finite number of at least 0, got {value!r}")


class LimitReachedError(Exception):
    """Raised inside a search when its limit is hit; never leaves a solver."""


@dataclass(slots=True)
class Effort:
    """Counts the nodes and seconds of one search and ends it at its limit.

    Attributes:
        stop: the limits.
        nodes: nodes visited so far.
    """

    stop: Stop
    nodes: int = 0
    _started: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """Wall-clock seconds since the search began."""
        return time.perf_counter() - self._started

    def visit(self) -> None:
        """Count one node; raise LimitReachedError if that is one too many."""
        if self.stop.node_limit is not None and self.nodes >= self.stop.node_limit:
            raise LimitReachedError
        limit = self.stop.time_limit_seconds
        if limit is not None and self.seconds >= limit:
            raise LimitReachedError
        self.nodes += 1


@dataclass(frozen=True, slots=True)
class Result:
    """A solver's answer.

    Attributes:
        status: optimal or feasible.
        objective: Σ v_i over the selection.
        bound: no feasible selection is worth more than this; equals ``objective`` if optimal.
        precision: name of the precision; None where nothing is selected.
        selected: ascending indices into ``problem.requests``.
        solver: name of the solver.
        nodes: nodes visited, in the solver's own sense.
        runtime_seconds: wall-clock time.
    """

    status: Status
    objective: float
    bound: float
    precision: str | None
    selected: tuple[int, ...]
    solver: str
    nodes: int
    runtime_seconds: float


class Solver(Protocol):
    """Chooses a batch. Deterministic for a given problem, knobs and node limit."""

    name: ClassVar[str]

    def solve(self, problem: Problem, stop: Stop = Stop()) -> Result:
        """Return the best selection found within ``stop``.

        Raises:
            UnsupportedError: the problem is of a kind that this solver is not made for.
            CannotHostError: the weights alone do not fit.
        """
        ...


def make_result(
    problem: Problem,
    solver: str,
    effort: Effort,
    *,
    selected: Sequence[int],
    precision: str | None,
    bound: float,
) -> Result:
    """Return the answer for a selection, optimal if its worth reaches the bound."""
    chosen = np.sort(np.asarray(selected, dtype=np.int64))
    objective = math.fsum(problem.requests.value[chosen].tolist())
    proven = objective >= bound * (1.0 - RELATIVE_TOLERANCE)
    return Result(
        status=Status.OPTIMAL if proven else Status.FEASIBLE,
        objective=objective,
        bound=objective if proven else bound,
        precision=precision if len(chosen) else None,
        selected=tuple(chosen.tolist()),
        solver=solver,
        nodes=effort.nodes,
        runtime_seconds=effort.seconds,
    )


def require_own_batch(problem: Problem, solver: str) -> None:
    """Raise UnsupportedError if the problem has work in flight."""
    if problem.in_flight is not None:
        raise UnsupportedError(f"solver {solver!r} starts batches of its own, not work in flight")


def servable_alone(problem: Problem, cost: BatchCost) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which requests could be served alone in a precision: shape (N,), bool.

    Every feasible batch consists of such requests, in all batching modes: dropping a member never
    lengthens, widens or delays a batch.
    """
    requests, node = problem.requests, problem.node
    slack = 1.0 + RELATIVE_TOLERANCE
    prompt, output = requests.prompt_tokens.astype(float), requests.output_tokens.astype(float)
    seconds = cost.fixed_seconds(output) + cost.member_seconds(prompt, output)
    memory = hosted_bytes(node, problem.model, problem.precisions) + cost.kv_bytes(prompt, output)
    fits = requests.min_quality <= cost.precision.quality * slack
    fits &= node.uplink_seconds + seconds + node.downlink_seconds <= (
        requests.deadline_seconds * slack
    )
    fits &= memory <= node.memory_bytes * slack
    if node.uplink_seconds > 0.0:
        fits &= requests.uplink_share <= slack
    if node.downlink_seconds > 0.0:
        fits &= requests.downlink_share <= slack
    return fits


def trivial_bound(problem: Problem) -> float:
    """Return the most that any batch could be worth: all that one precision could serve alone."""
    return max(
        worth_at_most(problem, np.flatnonzero(servable_alone(problem, cost)))
        for cost in batch_costs(problem)
    )


def worth_at_most(problem: Problem, candidates: IntArray) -> float:
    """Return the worth of the candidates, or of the most valuable if a batch holds fewer."""
    values: FloatArray = problem.requests.value[candidates]
    if problem.max_batch is not None and problem.max_batch < len(values):
        values = np.sort(values)[-problem.max_batch :]
    return float(values.sum())
