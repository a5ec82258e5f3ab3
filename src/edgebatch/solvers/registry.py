"""Solvers by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from edgebatch.errors import InputError
from edgebatch.registry import lookup
from edgebatch.solvers.base import Solver
from edgebatch.solvers.brute_force import BruteForce
from edgebatch.solvers.cp_sat import CpSatSolver
from edgebatch.solvers.dftsp import Dftsp
from edgebatch.solvers.exact import Exact
from edgebatch.solvers.lists import Edf, Fcfs, Greedy, NoBatching, Sjf, StaticBatching
from edgebatch.solvers.milp import MilpSolver

SOLVERS: dict[str, Callable[..., Solver]] = {
    solver.name: solver
    for solver in (
        Exact,
        Dftsp,
        BruteForce,
        StaticBatching,
        NoBatching,
        Fcfs,
        Edf,
        Sjf,
        Greedy,
        CpSatSolver,
        MilpSolver,
    )
}


def solver_names() -> list[str]:
    """Return the names of all solvers."""
    return list(SOLVERS)


def make_solver(name: str, *, path: str = "solver", **knobs: object) -> Solver:
    """Return the solver called ``name`` with its knobs set.

    Args:
        name: one of :func:`solver_names`.
        path: where the name was given, for errors.
        knobs: such as ``batch_cap``; one whose value is None is left at its default.

    Raises:
        UnknownNameError: no such solver.
        InputError: the solver has no such knob, or not such a value.
    """
    kind = lookup(SOLVERS, name, path)
    given = {knob: value for knob, value in knobs.items() if value is not None}
    known = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for knob in given:
        if knob not in known:
            raise InputError(path, f"solver {name!r} has no knob {knob!r}")
    return kind(**given)
