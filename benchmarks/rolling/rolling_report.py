"""Tables and plots of what ``run.py`` has left behind.

    python benchmarks/rolling/rolling_report.py --results docs/assets/rolling

prints the tables of ``docs/rolling.md`` and writes ``summary.json``, ``in-time.svg`` and
``reality.svg`` beside the CSV files. Intervals are 95 % t-intervals of the mean over the seeds.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rolling_workloads import LOADS, WORKLOADS
from scipy import stats

from edgebatch.reporting.plots.style import drawing, looks, save

Row = dict[str, str]
Shares = dict[tuple[str, float], dict[str, list[float]]]
"""By workload and load, of each policy: the part of requests in time, seed by seed."""


def read(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return sorted(csv.DictReader(file), key=lambda row: int(row["seed"]))


def half_width(values: Sequence[float]) -> float:
    """Return half the 95 % t-interval of the mean."""
    spread = float(np.std(values, ddof=1)) / len(values) ** 0.5
    return float(stats.t.ppf(0.975, len(values) - 1)) * spread


def written(values: Sequence[float]) -> str:
    return f"{100.0 * np.mean(values):.1f} ± {100.0 * half_width(values):.1f}"


def shares_of(policies: list[Row]) -> Shares:
    shares: Shares = defaultdict(lambda: defaultdict(list))
    for row in policies:
        share = int(row["in_time"]) / int(row["requests"])
        shares[row["workload"], float(row["load"])][row["policy"]].append(share)
    return shares


def bounds_of(bounds: list[Row], policies: list[Row]) -> dict[tuple[str, float], list[float]]:
    """Return ``rolling`` as a part of the bound, seed by seed."""
    served = {
        (row["workload"], row["load"], row["seed"]): int(row["in_time"])
        for row in policies
        if row["policy"] == "rolling"
    }
    parts = defaultdict(list)
    for row in bounds:
        place = row["workload"], row["load"], row["seed"]
        # at most a whole number of requests of value 1 can be served
        bound = np.floor(float(row["bound"]) + 1e-6)
        parts[row["workload"], float(row["load"])].append(served[place] / bound)
    return parts


def point_summary(shares: dict[str, list[float]], parts: list[float] | None) -> dict[str, Any]:
    """Return the figures of a workload at a load."""
    rolling = shares["rolling"]
    baselines = {name: values for name, values in shares.items() if name != "rolling"}
    best = max(baselines, key=lambda name: float(np.mean(baselines[name])))
    ahead = np.subtract(rolling, baselines[best])
    fcfs = max(float(np.mean(baselines[name])) for name in ("fcfs", "continuous"))
    return {
        "rolling": [float(np.mean(rolling)), half_width(rolling)],
        "best_baseline": best,
        "best": [float(np.mean(baselines[best])), half_width(baselines[best])],
        "ahead": [float(ahead.mean()), half_width(ahead.tolist())],
        "ratio_to_best": float(np.mean(rolling) / np.mean(baselines[best])),
        "ratio_to_fcfs": float(np.mean(rolling) / fcfs),
        "ratio_to_each": {
            name: float(np.mean(rolling) / np.mean(values)) for name, values in baselines.items()
        },
        "of_bound": [float(np.mean(parts)), half_width(parts)] if parts else None,
    }


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    print("| " + " | ".join(header) + " |")
    print("|---" * len(header) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def print_points(summary: dict[str, dict[str, Any]]) -> None:
    for workload in WORKLOADS:
        print(f"**{workload}**\n")
        print_table(
            ("load", "rolling", "best baseline", "ahead by", "× best", "× FCFS", "% of bound"),
            (
                (
                    f"{load:g}",
                    in_per_cent(point["rolling"]),
                    f"{in_per_cent(point['best'])} `{point['best_baseline']}`",
                    in_per_cent(point["ahead"]),
                    f"{point['ratio_to_best']:.2f}",
                    f"{point['ratio_to_fcfs']:.2f}",
                    in_per_cent(point["of_bound"]) if point["of_bound"] else "",
                )
                for load in LOADS
                if (point := summary.get(f"{workload} {load:g}"))
            ),
        )


def in_per_cent(mean_and_half_width: Sequence[float]) -> str:
    mean, half = mean_and_half_width
    return f"{100.0 * mean:.1f} ± {100.0 * half:.1f}"


def print_every_policy(shares: Shares) -> None:
    for workload in WORKLOADS:
        names = list(shares[workload, LOADS[0]])
        print(f"**{workload}**\n")
        print_table(
            ("load", *names),
            (
                (f"{load:g}", *(f"{100.0 * np.mean(shares[workload, load][each]):.1f}" for each in names))
                for load in LOADS
            ),
        )


def reality_parts(rows: list[Row]) -> dict[tuple[str, str, str, float], list[float]]:
    """Return observing over informed, by time factor, noise, workload and load."""
    parts = defaultdict(list)
    for row in rows:
        place = row["time_factor"], row["noise"], row["workload"], float(row["load"])
        parts[place].append(int(row["observing"]) / int(row["informed"]))
    return parts


def print_reality(rows: list[Row]) -> None:
    parts = reality_parts(rows)
    late: dict[tuple[str, str], int] = defaultdict(int)
    for row in rows:
        late[row["time_factor"], row["noise"]] += int(row["observing_late"])
    print_table(
        ("time × noise", *WORKLOADS, "worst", "late"),
        (
            (
                f"{factor} × {noise}",
                *(
                    f"{100.0 * np.mean([np.mean(parts[factor, noise, each, load]) for load in LOADS]):.1f}"
                    for each in WORKLOADS
                ),
                f"{100.0 * min(np.mean(values) for place, values in parts.items() if place[:2] == (factor, noise)):.1f}",
                str(late[factor, noise]),
            )
            for factor, noise in late
        ),
    )


def draw_in_time(
    shares: Shares, bounds: dict[tuple[str, float], list[float]], path: Path
) -> None:
    with drawing(10.0, 7.5) as figure:
        panels = figure.subplots(2, 2).ravel()
        for axes, workload in zip(panels, WORKLOADS, strict=True):
            names = list(shares[workload, LOADS[0]])
            for name, look in looks(names).items():
                columns = [shares[workload, load][name] for load in LOADS]
                means = 100.0 * np.mean(columns, axis=1)
                widths = 100.0 * np.array([half_width(column) for column in columns])
                width = 2.6 if name == "rolling" else 1.2
                axes.plot(
                    LOADS, means, label=name, color=look.colour, marker=look.marker, linewidth=width
                )
                axes.fill_between(
                    LOADS, means - widths, means + widths, color=look.colour, alpha=0.15, linewidth=0
                )
            if bounds:
                rolling = [np.mean(shares[workload, load]["rolling"]) for load in LOADS]
                parts = [np.mean(bounds[workload, load]) for load in LOADS]
                axes.plot(
                    LOADS,
                    100.0 * np.divide(rolling, parts),
                    label="upper bound",
                    color="#000000",
                    linestyle="--",
                    linewidth=1.2,
                )
            axes.set_title(workload)
            axes.set_xscale("log")
            axes.set_xticks(LOADS, [f"{load:g}" for load in LOADS])
            axes.minorticks_off()
            axes.set_ylim(0.0, 102.0)
            axes.set_xlabel("load, multiples of the capacity")
            axes.set_ylabel("served in time, %")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=6)
        save(figure, path)
