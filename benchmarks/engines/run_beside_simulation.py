"""Policies on a real engine in real time, and the same requests in the simulation.

    python benchmarks/engines/run_beside_simulation.py --profile profile.toml

For every load and policy the workload of a scenario is replayed against the engine, and simulated
with the profile that the scheduler believes: once as it stands, and once with all its times as much
longer or shorter as the engine's were in that run (its *pace*). The first tells how far profile and
simulation together are from reality, the second how far the simulation is. One line a run is
printed and appended to a CSV file; runs that are there already are not done again. The table at
the end says by how many percentage points served-in-time differs.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import sys
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from edgebatch.calibration.profile import Profile
from edgebatch.cost import paced
from edgebatch.engines.registry import EngineSpec, make_engine, parse_engine
from edgebatch.local_models import heldout_text
from edgebatch.scenario import (
    Scenario,
    estimated_capacity,
    overridden,
    parse_policy,
    read_document,
)
from edgebatch.scenario.real_run import run_on_engine
from edgebatch.simulation import Summary, summarise

POLICIES = ("static", "none", "continuous", "dftsp", "rolling")
LOADS = (0.5, 1.0, 2.0, 4.0)
COUNTS = ("requests", "in_time", "late", "rejected", "expired", "failed")
FIELDS = ("load", "policy", "kind", *COUNTS, "p50_seconds", "p95_seconds", "pace")


def main() -> None:
    arguments = _arguments()
    capacity = estimated_capacity(Scenario(_document(arguments)))
    print(f"capacity by the cost model: {capacity:.3g} requests/s", flush=True)
    rows = _read(arguments.output)
    for load in arguments.loads:
        scaled = _at_rate(arguments, load * capacity)
        for policy in arguments.policies:
            if any((row["load"], row["policy"]) == (f"{load:g}", policy) for row in rows):
                continue
            done = _run(scaled, policy, load, arguments)
            rows += done
            _append(arguments.output, done)
    _show(rows)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--profile", required=True)
    parser.add_argument("--engine", default="openvino")
    parser.add_argument("--model", default="edgebatch-tiny")
    parser.add_argument("--precisions", nargs="*", default=[])
    parser.add_argument("--scenario", default="tiny-chat")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE")
    parser.add_argument("--seconds", type=float, default=60.0, help="of arrivals in each run")
    parser.add_argument("--policies", nargs="+", default=list(POLICIES))
    parser.add_argument("--loads", nargs="+", type=float, default=list(LOADS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("run_beside_simulation.csv"))
    return parser.parse_args()


def _document(arguments: argparse.Namespace) -> dict[str, Any]:
    document = overridden(
        read_document(arguments.scenario), [f"profile={arguments.profile}", *arguments.set]
    )
    document["seed"] = arguments.seed
    if arguments.precisions:
        document["precisions"] = {"hosted": arguments.precisions}
    return document


def _at_rate(arguments: argparse.Namespace, rate_per_second: float) -> Scenario:
    document = _document(arguments)
    workload = document["workload"]
    workload.pop("num_requests", None)
    workload |= {"rate_per_second": rate_per_second, "duration_seconds": arguments.seconds}
    return Scenario(document)


def _run(
    scenario: Scenario, policy: str, load: float, arguments: argparse.Namespace
) -> list[dict[str, Any]]:
    hosting, chosen = scenario.hosting, parse_policy(policy)
    name, settings = parse_engine(arguments.engine)
    spec = EngineSpec(
        name=name,
        settings=settings,
        model=arguments.model,
        precisions=tuple(precision.name for precision in hosting.precisions),
        costs=scenario.step_costs(chosen),
    )
    real = asyncio.run(run_on_engine(scenario, chosen, make_engine(spec), heldout_text()))
    if real.error is not None:
        sys.exit(f"{policy} at {load:g}x: {real.error}")
    at_pace = _paced(scenario, real.pace)
    rows = [
        _row(load, policy, "measured", summarise(real.log), real.pace),
        _row(load, policy, "simulated", summarise(scenario.run(chosen)), 1.0),
        _row(load, policy, "at pace", summarise(at_pace.run(chosen)), real.pace),
    ]
    for row in rows:
        print(", ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    return rows


def _paced(scenario: Scenario, pace: float) -> Scenario:
    """Return the scenario with a profile of which every time is ``pace`` times as long."""
    profile = Profile.load(scenario.document["profile"])
    node, precisions = paced(profile.node, profile.precisions, pace)
    with NamedTemporaryFile(suffix=".toml") as file:
        profile.replace(node=node, precisions=precisions).save(file.name)
        changed = Scenario({**scenario.document, "profile": file.name})
        assert changed.hosting  # read while the file is there
        return changed


def _row(load: float, policy: str, kind: str, summary: Summary, pace: float) -> dict[str, Any]:
    e2e = summary.latencies.e2e_seconds or {}
    counts = {name: getattr(summary, name) for name in COUNTS}
    times = {f"{key}_seconds": f"{e2e.get(key, float('nan')):.4g}" for key in ("p50", "p95")}
    head = {"load": f"{load:g}", "policy": policy, "kind": kind}
    return {**head, **counts, **times, "pace": f"{pace:.4g}"}


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _append(path: Path, rows: list[dict[str, Any]]) -> None:
    is_new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, FIELDS)
        if is_new:
            writer.writeheader()
        writer.writerows(rows)


def _show(rows: list[dict[str, Any]]) -> None:
    """Print shares in time, measured, and by how many points simulations differ from that."""
    loads = sorted({row["load"] for row in rows}, key=float)
    policies = list(dict.fromkeys(row["policy"] for row in rows))
    shares: dict[tuple[str, str, str], float] = {
        (row["load"], row["policy"], row["kind"]): 100.0
        * int(row["in_time"])
        / max(1, int(row["requests"]))
        for row in rows
    }
    width = max(map(len, policies))
    print("\nper cent in time on the engine (points that the simulation has more; at its pace)")
    print(" " * width, *(f"{load + 'x':>20}" for load in loads))
    for policy in policies:
        cells = []
        for load in loads:
            real, model, paced = (
                shares.get((load, policy, kind), float("nan"))
                for kind in ("measured", "simulated", "at pace")
            )
            cells.append(f"{real:5.1f} ({model - real:+5.1f};{paced - real:+5.1f})")
        print(f"{policy:{width}}", *(f"{cell:>20}" for cell in cells))


if __name__ == "__main__":
    main()
