"""Shows what `exact` is worth: equality, speed, large instances, tails, nodes. See docs/exact.md.

One process, single-threaded competitors, everything compiled beforehand. Each part appends to a
CSV file as it goes and skips what is there, so that it can be interrupted:

    python benchmarks/solvers/run.py equality --seeds 290
    python benchmarks/solvers/run.py report
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import monolithic
from instances import HARDER, REGIMES, draw
from report import print_report

from edgebatch.problem import Problem
from edgebatch.solvers.base import Result, Stop
from edgebatch.solvers.exact import warm_up
from edgebatch.solvers.registry import make_solver

RESULTS = Path(__file__).resolve().parents[2] / "docs/assets/exact"
COMPETITORS = ("cp-sat", "milp")
FIELDS = (
    "regime",
    "num_requests",
    "seed",
    "solver",
    "seconds",
    "status",
    "objective",
    "bound",
    "nodes",
    "load",
)
Row = dict[str, object]


def measure(solver: str, problem: Problem, limit_seconds: float, runs: int) -> Row:
    """Return the last result and the median time of several runs."""
    seconds, result = [], None
    for _ in range(runs):
        started = time.perf_counter()
        result = make_solver(solver).solve(problem, Stop(time_limit_seconds=limit_seconds))
        seconds.append(time.perf_counter() - started)
    assert isinstance(result, Result)
    return {
        "solver": solver,
        "seconds": f"{statistics.median(seconds):.6g}",
        "status": result.status.value,
        "objective": result.objective,
        "bound": result.bound,
        "nodes": result.nodes,
        "load": f"{os.getloadavg()[0]:.1f}",
    }


def equality(regime: str, seed: int) -> Iterator[Row]:
    yield from _compare(regime, 20, seed, limit_seconds=5.0, runs=1)


def speed(regime: str, seed: int) -> Iterator[Row]:
    for num_requests in (200, 1000):
        yield from _compare(regime, num_requests, seed, limit_seconds=2.0, runs=7)


def plain(regime: str, seed: int) -> Iterator[Row]:
    """The formulation of :mod:`monolithic` instead of the package's own decomposition."""
    for num_requests in (200, 1000):
        problem = draw(REGIMES[regime], num_requests, seed)
        place = {"regime": regime, "num_requests": num_requests, "seed": seed}
        yield place | measure("exact", problem, 2.0, 7)
        for library in ("highs", "cp-sat"):
            answer = monolithic.solve(problem, library, 3.0)
            yield place | {
                "solver": f"{library}-plain",
                "seconds": f"{answer.seconds:.6g}",
                "status": "optimal" if answer.proven else "feasible",
                "objective": round(answer.worth, 6),
                "load": f"{os.getloadavg()[0]:.1f}",
            }


def _compare(
    regime: str, num_requests: int, seed: int, limit_seconds: float, runs: int
) -> Iterator[Row]:
    problem = draw(REGIMES[regime], num_requests, seed)
    place = {"regime": regime, "num_requests": num_requests, "seed": seed}
    yield place | measure("exact", problem, limit_seconds, runs)
    for solver in COMPETITORS:
        yield place | measure(solver, problem, limit_seconds, 1)


def scale(regime: str, seed: int) -> Iterator[Row]:
    limits = {20: 0.05, 200: 0.05, 1000: 0.05, 10_000: 0.05, 100_000: 0.5}
    for num_requests, limit_seconds in limits.items():
        if num_requests == 100_000 and seed >= 2:
            continue
        problem = draw({**REGIMES, **HARDER}[regime], num_requests, seed)
        place = {"regime": regime, "num_requests": num_requests, "seed": seed}
        yield place | measure("exact", problem, limit_seconds, 3)


def tails(regime: str, seed: int) -> Iterator[Row]:
    """Many instances of the size a server meets, for the slowest among them."""
    place = {"regime": regime, "num_requests": 200, "seed": seed}
    yield place | measure("exact", draw(REGIMES[regime], 200, seed), 1.0, 1)


def nodes(regime: str, seed: int) -> Iterator[Row]:
    problem = draw(REGIMES[regime], 20, seed)
    place = {"regime": regime, "num_requests": 20, "seed": seed}
    for solver in ("exact", "dftsp", "brute-force"):
        yield place | measure(solver, problem, 2.0, 1)


PARTS: dict[str, Callable[[str, int], Iterator[Row]]] = {
    "equality": equality,
    "speed": speed,
    "plain": plain,
    "scale": scale,
    "tails": tails,
    "nodes": nodes,
}


def run(part: str, seeds: int) -> None:
    """Append the rows of a part to its file, except for what is there."""
    path = RESULTS / f"{part}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_text(",".join(FIELDS) + "\n", encoding="utf-8")
    with path.open(encoding="utf-8") as file:
        done = {(row["regime"], int(row["seed"])) for row in csv.DictReader(file)}
    regimes = [*REGIMES, *HARDER] if part == "scale" else list(REGIMES)
    for seed in range(seeds):
        for regime in regimes:
            if (regime, seed) in done:
                continue
            rows = list(PARTS[part](regime, seed))
            with path.open("a", encoding="utf-8", newline="") as file:
                csv.DictWriter(file, FIELDS, lineterminator="\n").writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("part", choices=[*PARTS, "report"])
    parser.add_argument("--seeds", type=int, default=5, help="instances for each row")
    arguments = parser.parse_args()
    if arguments.part == "report":
        print_report(RESULTS)
        return
    warm_up()
    run(arguments.part, arguments.seeds)


if __name__ == "__main__":
    main()
