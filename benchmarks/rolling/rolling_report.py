"""Tables and plots of what ``run_rolling.py`` has left behind.

    python benchmarks/rolling/rolling_report.py --results docs/assets/rolling

prints the tables of ``docs/rolling.md`` and writes ``summary.json``, ``in-time.svg`` and
``reality.svg`` beside the CSV files. Intervals are 95 % t-intervals of the mean over the seeds.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rolling_workloads import LOADS, WORKLOADS
from scipy import stats

from edgebatch.reporting.plots.style import Look, drawing, looks, save
from edgebatch.scenario import Policy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Row = dict[str, str]
Shares = dict[tuple[str, float], dict[str, list[float]]]
"""By workload and load, of each policy: the part of requests in time, seed by seed."""


def read(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return sorted(csv.DictReader(file), key=lambda row: int(row["seed"]))


def half_width(values: Sequence[float]) -> float:
    """Return half the 95 % t-interval of the mean."""
    standard_error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return float(stats.t.ppf(0.975, len(values) - 1)) * standard_error


def shares_of(policies: list[Row]) -> Shares:
    shares: Shares = defaultdict(lambda: defaultdict(list))
    for row in policies:
        share = int(row["in_time"]) / int(row["requests"])
        shares[row["workload"], float(row["load"])][row["policy"]].append(share)
    return shares


def parts_of_bound(bounds: list[Row], policies: list[Row]) -> dict[tuple[str, float], list[float]]:
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
        rows = []
        for load in LOADS:
            of_each = shares[workload, load]
            rows.append((f"{load:g}", *(f"{100.0 * np.mean(of_each[name]):.1f}" for name in names)))
        print_table(("load", *names), rows)


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
    lines = []
    for factor, noise in late:
        of_each = [
            [float(np.mean(parts[factor, noise, workload, load])) for load in LOADS]
            for workload in WORKLOADS
        ]
        figures = [*np.mean(of_each, axis=1), np.min(of_each)]
        in_per_cent = (f"{100.0 * figure:.1f}" for figure in figures)
        lines.append((f"{factor} × {noise}", *in_per_cent, str(late[factor, noise])))
    print_table(("time × noise", *WORKLOADS, "worst", "late"), lines)


def print_hindsight(rows: list[Row], policies: list[Row]) -> None:
    """Print what ``rolling`` and what hindsight are of the bound."""
    served = {
        (row["workload"], row["load"], row["seed"]): int(row["in_time"])
        for row in policies
        if row["policy"] == "rolling"
    }
    parts: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for row in rows:
        place = row["workload"], row["load"]
        bound = float(row["bound"])
        part = served[*place, row["seed"]] / bound, int(row["hindsight"]) / bound
        parts[place].append(part)
    lines = []
    for (workload, load), values in sorted(parts.items()):
        rolling, hindsight = np.mean(values, axis=0)
        figures = (rolling, hindsight, rolling / hindsight)
        lines.append((workload, f"{float(load):g}", *(f"{100.0 * each:.1f}" for each in figures)))
    header = (
        "workload",
        "load",
        "rolling, % of bound",
        "hindsight, % of bound",
        "rolling, % of it",
    )
    print_table(header, lines)


def looks_of(policies: list[str]) -> dict[str, Look]:
    """Return a look for each; those in epochs, drawn dotted, share colours with the others."""
    in_epochs = [name for name in policies if not Policy(name).is_continuous]
    others = [name for name in policies if name not in in_epochs]
    return {**looks(others), **looks([others[0], *in_epochs])}


def draw_in_time(shares: Shares, parts: dict[tuple[str, float], list[float]], path: Path) -> None:
    """Draw every policy over the load, with intervals, and the bound above them."""
    with drawing(10.0, 7.5) as figure:
        panels = figure.subplots(2, 2).ravel()
        for axes, workload in zip(panels, WORKLOADS, strict=True):
            for name, look in looks_of(list(shares[workload, LOADS[0]])).items():
                columns = [shares[workload, load][name] for load in LOADS]
                means = 100.0 * np.mean(columns, axis=1)
                widths = 100.0 * np.array([half_width(column) for column in columns])
                thick = 2.6 if name == "rolling" else 1.2
                line = look.marker + ("-" if Policy(name).is_continuous else ":")
                axes.plot(LOADS, means, line, label=name, c=look.colour, lw=thick)
                axes.fill_between(
                    LOADS, means - widths, means + widths, color=look.colour, alpha=0.1, lw=0.0
                )
            rolling = [np.mean(shares[workload, load]["rolling"]) for load in LOADS]
            bound = 100.0 * np.divide(rolling, [np.mean(parts[workload, load]) for load in LOADS])
            axes.plot(LOADS, bound, "k--", label="upper bound", lw=1.2)
            axes.set_title(workload)
            set_loads(axes)
            axes.set_ylim(0.0, 102.0)
            axes.set_ylabel("served in time, %")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=6)
        save(figure, path)


def draw_reality(rows: list[Row], path: Path) -> None:
    """Draw what is served on a strange node over what is where its speed is known."""
    parts = reality_parts(rows)
    realities = list(dict.fromkeys((row["time_factor"], row["noise"]) for row in rows))
    names = [f"time × {factor}, noise {noise}" for factor, noise in realities]
    with drawing(10.0, 7.5) as figure:
        panels = figure.subplots(2, 2).ravel()
        for axes, workload in zip(panels, WORKLOADS, strict=True):
            for reality, look in zip(realities, looks(names).values(), strict=True):
                columns = [parts[*reality, workload, load] for load in LOADS]
                means = 100.0 * np.mean(columns, axis=1)
                label = names[realities.index(reality)]
                axes.plot(LOADS, means, label=label, color=look.colour, marker=look.marker)
            axes.axhline(90.0, color="#000000", linestyle=":", linewidth=1.0)
            axes.set_title(workload)
            set_loads(axes)
            axes.set_ylim(80.0, 105.0)
            axes.set_ylabel("% of what the informed serve")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4)
        save(figure, path)


def set_loads(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.set_xticks(LOADS, [f"{load:g}" for load in LOADS])
    axes.minorticks_off()
    axes.set_xlabel("load, multiples of the capacity")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True, help="folder of the CSV files")
    folder = parser.parse_args().results
    policies = read(folder / "policies.csv")
    realities = read(folder / "reality.csv")
    shares = shares_of(policies)
    parts = parts_of_bound(read(folder / "bound.csv"), policies)
    summary = {
        f"{workload} {load:g}": point_summary(shares[workload, load], parts.get((workload, load)))
        for workload in WORKLOADS
        for load in LOADS
    }
    (folder / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    print_points(summary)
    print_every_policy(shares)
    print_reality(realities)
    print_hindsight(read(folder / "hindsight.csv"), policies)
    draw_in_time(shares, parts, folder / "in-time.svg")
    draw_reality(realities, folder / "reality.svg")


if __name__ == "__main__":
    main()
