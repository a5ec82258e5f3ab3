"""The table and the plot of what ``in_time.py`` has left behind.

    python benchmarks/gateway/in_time_report.py in-time/llama-cpp in-time/openvino --plot FOLDER

prints a Markdown table of each folder and writes ``in-time.svg``: served in time over load, one
panel for each engine and kind of arrivals.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING

from figures import FIRST_COME, ROLLING, Row, in_time_share, table

from edgebatch.reporting.plots.style import Look, drawing, looks, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PANEL_INCHES = (3.6, 3.0)


def read(folder: Path) -> list[Row]:
    """Return the cells of a folder."""
    with (folder / "cells.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def print_engine(folder: Path, rows: list[Row]) -> None:
    """Print what a folder tells."""
    alone = json.loads((folder / "engine-alone.json").read_text("utf-8"))
    rate = max(alone["completed_per_second"].values())
    shares = alone["in_time_at_1x"]
    cap = max(shares, key=lambda each: shares[each])
    print(f"**{folder.name}**: 1× is {rate:.3g} requests/s; first come runs {cap} at once.\n")
    print("\n".join(table(rows)), end="\n\n")


def draw(cells: dict[str, list[Row]], path: Path) -> None:
    """Write the plot."""
    panels = [
        (engine, arrivals, [row for row in rows if row["arrivals"] == arrivals])
        for engine, rows in cells.items()
        for arrivals in dict.fromkeys(row["arrivals"] for row in rows)
    ]
    styles = looks((FIRST_COME, ROLLING))
    width, height = _PANEL_INCHES
    with drawing(width * len(panels), height) as figure:
        axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axis, (engine, arrivals, rows) in zip(axes, panels, strict=True):
            axis.set_title(f"{engine}, {arrivals}")
            for system, look in styles.items():
                _draw_system(axis, [row for row in rows if row["system"] == system], system, look)
            axis.set_xlabel("load, × what the engine completes alone")
        axes[0].set_ylabel("in time, % of requests sent")
        axes[0].legend()
        save(figure, path)


def _draw_system(axis: Axes, rows: list[Row], system: str, look: Look) -> None:
    rows = sorted(rows, key=lambda row: float(row["load"]))
    loads = [float(row["load"]) for row in rows]
    shares = [100.0 * in_time_share(row) for row in rows]
    axis.plot(loads, shares, color=look.colour, marker=look.marker, label=system)
    axis.set_xscale("log", base=2)
    axis.set_xticks(loads, [f"{load:g}" for load in loads])
    axis.set_ylim(0.0, 103.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--plot", type=Path, help="folder for in-time.svg")
    given = parser.parse_args()
    cells = {folder.name: read(folder) for folder in given.folders}
    for folder in given.folders:
        print_engine(folder, cells[folder.name])
    if given.plot is not None:
        given.plot.mkdir(parents=True, exist_ok=True)
        draw(cells, given.plot / "in-time.svg")


if __name__ == "__main__":
    main()
