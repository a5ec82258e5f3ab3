"""Tables and the plot from what the benchmark has measured."""

from __future__ import annotations

import csv
import math
import statistics
from collections import defaultdict
from pathlib import Path

import numpy as np
from instances import HARDER

Rows = list[dict[str, str]]
Instance = tuple[str, int, int]


def print_report(folder: Path) -> None:
    """Print every table that there are measurements for; draw the plot."""
    parts = {
        "equality": _equality,
        "speed": _speed,
        "plain": _speed,
        "scale": _scale,
        "nodes": _nodes,
    }
    for part, table in parts.items():
        path = folder / f"{part}.csv"
        if path.exists():
            with path.open(encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            print(f"\n{part}\n")
            table(rows)
            if part == "scale":
                _plot(rows, folder / "growth.png")


def _by_instance(rows: Rows) -> dict[Instance, dict[str, dict[str, str]]]:
    instances: dict[Instance, dict[str, dict[str, str]]] = defaultdict(dict)
    for row in rows:
        key = row["regime"], int(row["num_requests"]), int(row["seed"])
        instances[key][row["solver"]] = row
    return instances


def _equality(rows: Rows) -> None:
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for (regime, _, _), solvers in _by_instance(rows).items():
        own = float(solvers["exact"]["objective"])
        others = [row for name, row in solvers.items() if name != "exact"]
        proven = [float(row["objective"]) for row in others if row["status"] == "optimal"]
        counts[regime][0] += 1
        counts[regime][1] += bool(proven)
        counts[regime][2] += any(abs(worth - own) > 1e-9 * own for worth in proven)
    print(
        "| regime | instances | proven by CP-SAT or HiGHS | of those different |\n|---|--:|--:|--:|"
    )
    for regime, numbers in counts.items():
        print(f"| {regime} | {' | '.join(map(str, numbers))} |")
    total = [sum(column) for column in zip(*counts.values(), strict=True)]
    print(f"| all | {' | '.join(map(str, total))} |")


def _speed(rows: Rows) -> None:
    ratios: dict[tuple[int, str], list[float]] = defaultdict(list)
    own_seconds: dict[tuple[int, str], list[float]] = defaultdict(list)
    for (regime, num_requests, _), solvers in _by_instance(rows).items():
        own = float(solvers["exact"]["seconds"])
        fastest = min(float(row["seconds"]) for name, row in solvers.items() if name != "exact")
        for key in ((num_requests, regime), (num_requests, "all")):
            ratios[key].append(fastest / own)
            own_seconds[key].append(own)
    print("| N | regime | instances | median ms | geometric mean ratio | least ratio |")
    print("|--:|---|--:|--:|--:|--:|")
    for key in sorted(ratios):
        mean = math.exp(statistics.fmean(map(math.log, ratios[key])))
        median = 1e3 * statistics.median(own_seconds[key])
        print(
            f"| {key[0]:,} | {key[1]} | {len(ratios[key])} | {median:.2f} | {mean:,.0f} "
            f"| {min(ratios[key]):,.1f} |"
        )
    _equality(rows)


def _scale(rows: Rows) -> None:
    groups: dict[tuple[int, str], Rows] = defaultdict(list)
    for row in rows:
        groups[int(row["num_requests"]), row["regime"]].append(row)
    print("| N | regime | instances | proven | median ms | slowest ms | greatest gap % |")
    print("|--:|---|--:|--:|--:|--:|--:|")
    for (num_requests, regime), group in sorted(groups.items()):
        seconds = [float(row["seconds"]) for row in group]
        gap = max(1.0 - float(row["objective"]) / float(row["bound"]) for row in group)
        proven = sum(row["status"] == "optimal" for row in group)
        print(
            f"| {num_requests:,} | {regime} | {len(group)} | {proven} "
            f"| {1e3 * statistics.median(seconds):.2f} | {1e3 * max(seconds):.2f} "
            f"| {100 * gap:.3f} |"
        )


def _nodes(rows: Rows) -> None:
    nodes: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        nodes[row["regime"]][row["solver"]].append(int(row["nodes"]))
    print("| regime | exact | dftsp | brute-force |\n|---|--:|--:|--:|")
    for regime, solvers in nodes.items():
        medians = [f"{statistics.median(solvers[name]):,.0f}" for name in solvers]
        print(f"| {regime} | {' | '.join(medians)} |")


def _plot(rows: Rows, path: Path) -> None:
    from edgebatch.reporting.plots.style import drawing, looks, save

    points: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row["regime"] in HARDER:
            continue  # at the limit nearly everywhere
        points[row["regime"]][int(row["num_requests"])].append(float(row["seconds"]))
    with drawing(8.0, 5.0) as figure:
        axes = figure.subplots()
        for regime, look in looks(list(points)).items():
            sizes = np.array(sorted(points[regime]))
            medians = np.array([statistics.median(points[regime][size]) for size in sizes])
            large = sizes >= 200
            exponent = np.polyfit(np.log(sizes[large]), np.log(medians[large]), 1)[0]
            label = f"{regime}, N^{exponent:.2f}"
            axes.loglog(sizes, medians, color=look.colour, marker=look.marker, label=label)
        axes.set_xlabel("requests waiting")
        axes.set_ylabel("median time, s")
        axes.set_title("Time to the proven optimum, or to the limit")
        axes.legend(fontsize=8)
        save(figure, path)
