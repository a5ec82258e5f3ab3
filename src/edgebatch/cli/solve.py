"""``edgebatch solve``: one problem in, one answer out."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from edgebatch.cli.output import print_json
from edgebatch.errors import InputError

if TYPE_CHECKING:
    from edgebatch.problem import Problem
    from edgebatch.solvers.base import Stop

EXAMPLES = """\
  edgebatch solve problem.json
  edgebatch solve problem.toml --solver milp
  edgebatch solve problem.json --time-limit 0.1
  generate-problem | edgebatch solve - --solver edf --batch-cap 8
"""


def _solver_names() -> list[str]:
    from edgebatch.solvers.registry import solver_names

    return solver_names()


def command(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="Problem in JSON or TOML; - reads standard input.")
    ],
    solver: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Who decides.", autocompletion=_solver_names, show_default=True
        ),
    ] = "dftsp",
    time_limit: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Stop searching then; the best so far is printed."),
    ] = None,
    node_limit: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="The same after N nodes of the search, alike on every machine."
        ),
    ] = None,
    batch_cap: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Largest batch, for solvers with such a knob."),
    ] = None,
) -> None:
    """Choose the batch that serves the most requests in time.

    Prints one JSON object: the chosen requests and precision, latency, memory, shares of the
    radio, and how far from the best the choice could be ("bound").
    """
    from edgebatch.solvers.answer import answer
    from edgebatch.solvers.registry import make_solver

    stop = _stop(time_limit, node_limit)
    chosen = make_solver(solver, path="--solver", batch_cap=batch_cap)
    problem = _read_problem(file)
    print_json(answer(problem, chosen.solve(problem, stop)))


def _stop(time_limit: float | None, node_limit: int | None) -> Stop:
    from edgebatch.problem.checks import require_number
    from edgebatch.solvers.base import Stop

    for option, limit in (("--time-limit", time_limit), ("--node-limit", node_limit)):
        if limit is not None:
            require_number(option, limit)
    return Stop(time_limit_seconds=time_limit, node_limit=node_limit)


def _read_problem(file: str) -> Problem:
    from edgebatch.problem.files import load_problem, parse_problem

    if file != "-":
        return load_problem(file)
    try:
        return parse_problem(sys.stdin.buffer.read())
    except InputError as error:
        raise error.within("standard input") from error
