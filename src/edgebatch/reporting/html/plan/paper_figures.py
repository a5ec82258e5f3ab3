"""The plots of a plan as files for papers, in the style of all other plots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgebatch.reporting.html.charts import LOG_FROM_RATIO
from edgebatch.reporting.html.looks import SIGNAL
from edgebatch.reporting.html.paper import MARKERS, STYLES, file_words, make_folder
from edgebatch.reporting.html.plan.document import Candidate, PlanDocument
from edgebatch.reporting.html.plan.layout import precision_looks
from edgebatch.reporting.html.plan.searches import machines
from edgebatch.reporting.plots.style import drawing, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH_INCHES = 6.0
_ROW_INCHES, _EDGE_INCHES = 0.45, 1.2
_SEARCH_INCHES = 4.2
_FEW_DECADES = 100.0
"""Up to this ratio of rates there is room for ticks at 2 and 5."""


def save_plan_figures(plan: PlanDocument, folder: Path, suffix: str) -> list[Path]:
    """Write the plots of a plan into a folder, which is made, and return their paths.

    They are the sustainable rates, if there are any, and for each device and model the rates that
    the search looked at.

    Args:
        plan: the plan.
        folder: where to.
        suffix: ``png`` or ``svg``.

    Raises:
        InputError: the folder or a file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    make_folder(folder, suffix)
    paths = []
    able = [each for each in plan.candidates if each.sustainable is not None]
    if able:
        paths.append(folder / f"rates.{suffix}")
        _save_rates(plan, able, paths[-1])
    several = machines(plan)
    for number, machine in enumerate(several, start=1):
        tail = f"-{number}-{file_words(machine)}" if len(several) > 1 else ""
        paths.append(folder / f"search{tail}.{suffix}")
        _save_search(plan, machine, paths[-1])
    return paths


def _save_rates(plan: PlanDocument, candidates: Sequence[Candidate], path: Path) -> None:
    looks = precision_looks(plan)
    with drawing(_WIDTH_INCHES, _EDGE_INCHES + _ROW_INCHES * len(candidates)) as figure:
        axes = figure.subplots()
        bounds = []
        for row, each in enumerate(candidates):
            rate = each.sustainable
            assert rate is not None
            low, mean = rate.low_per_second, rate.rate_per_second
            high = mean if rate.high_per_second is None else rate.high_per_second
            bounds += [low, high]
            axes.errorbar(
                [mean],
                [row],
                xerr=[[mean - low], [high - mean]],
                color=looks[each.precision].colour,
                marker=MARKERS[looks[each.precision].symbol],
                linestyle="none",
                capsize=2.0,
            )
        if not _scaled(axes, bounds):
            axes.set_xlim(left=0.0)
        labels = [f"{each.device}\n{each.model}, {each.precision}" for each in candidates]
        axes.set_yticks(range(len(candidates)), labels)
        axes.set_ylim(len(candidates) - 0.5, -0.5)  # the first on top
        target = f"{100 * plan.question.target:.4g} %"
        axes.set_xlabel(f"requests/s with {target} in time")
        save(figure, path)


def _save_search(plan: PlanDocument, machine: str, path: Path) -> None:
    looks = precision_looks(plan)
    candidates = [each for each in plan.candidates if each.machine == machine and each.points]
    with drawing(_WIDTH_INCHES, _SEARCH_INCHES) as figure:
        axes = figure.subplots()
        for each in candidates:
            shares = [point.share for point in each.points]
            look = looks[each.precision]
            axes.errorbar(
                [point.rate_per_second for point in each.points],
                [100.0 * share.mean for share in shares],
                yerr=[
                    [100.0 * (share.mean - share.low) for share in shares],
                    [100.0 * (share.high - share.mean) for share in shares],
                ],
                label=each.precision,
                color=look.colour,
                marker=MARKERS[look.symbol],
                linestyle=STYLES[look.dash],
                capsize=2.0,
            )
        axes.axhline(100.0 * plan.question.target, color=SIGNAL, linestyle="--", linewidth=1.2)
        rates = [point.rate_per_second for each in candidates for point in each.points]
        _scaled(axes, rates)
        axes.set_xlabel("arrivals, requests/s")
        axes.set_ylabel("served in time, % of requests")
        figure.legend(loc="outside lower center", ncols=5)
        figure.suptitle(machine, x=0.01, ha="left", fontweight="bold")
        save(figure, path)


def _scaled(axes: Axes, rates: Sequence[float]) -> bool:
    """Make the axis of rates logarithmic where they lie far apart; return whether it is."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    ratio = max(rates) / min(rates)
    if ratio < LOG_FROM_RATIO:
        return False
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(
        LogLocator(subs=(1.0, 2.0, 5.0) if ratio < _FEW_DECADES else (1.0,))
    )
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    return True
