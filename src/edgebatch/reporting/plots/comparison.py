"""How many requests each policy serves in time over the load."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from edgebatch.comparison import Comparison, Run
from edgebatch.reporting.plots.style import drawing, looks, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Figure = Callable[[Run], float]


def save_comparison_plot(comparison: Comparison, path: Path, title: str) -> None:
    """Write throughput and attainment over the load, side by side.

    Raises:
        InputError: the file cannot be written.
    """
    with drawing(9.0, 4.2) as figure:
        left, right = figure.subplots(1, 2)
        draw_over_load(left, comparison, lambda run: run.summary["throughput_per_second"])
        left.set_ylabel("served in time, requests/s")
        draw_over_load(right, comparison, lambda run: 100.0 * run.summary["attainment"])
        right.set_ylabel("served in time, % of all requests")
        right.set_ylim(0.0, 102.0)
        handles, labels = left.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 5))
        figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
        save(figure, path)


def draw_over_load(axes: Axes, comparison: Comparison, figure: Figure) -> None:
    """Draw one line for each policy: the mean over seeds, with a band from least to most.

    Args:
        axes: where to draw.
        comparison: the runs.
        figure: what to show of a run.
    """
    rates = sorted(comparison.rates())
    by_load = all(run.load is not None for run in comparison.runs)
    capacity = comparison.capacity_per_second or 1.0
    positions = [rate / capacity for rate in rates] if by_load else rates
    policies = comparison.policies()
    for policy, look in looks(policies).items():
        columns = [[figure(run) for run in comparison.of(policy, rate)] for rate in rates]
        means = [sum(each) / len(each) for each in columns]
        axes.plot(positions, means, label=policy, color=look.colour, marker=look.marker)
        if any(len(each) > 1 for each in columns):
            axes.fill_between(
                positions,
                [min(each) for each in columns],
                [max(each) for each in columns],
                color=look.colour,
                alpha=0.15,
                linewidth=0.0,
            )
    if len(positions) > 2 and positions[-1] / positions[0] >= 8.0:
        axes.set_xscale("log", base=2)
    axes.set_xticks(positions, [f"{position:g}" for position in positions])
    axes.minorticks_off()
    axes.set_xlabel("load, multiples of the capacity" if by_load else "arrivals, requests/s")
    axes.set_ylim(bottom=0.0)
