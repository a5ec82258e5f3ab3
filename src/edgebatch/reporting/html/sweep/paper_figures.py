"""The plots of a sweep's results as files for papers, in the style of all other plots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgebatch.reporting.html.charts import MOST_TICKS
from edgebatch.reporting.html.intervals import Estimate
from edgebatch.reporting.html.looks import policy_looks
from edgebatch.reporting.html.paper import MARKERS, STYLES, file_words, make_folder
from edgebatch.reporting.html.sweep import measures as measured
from edgebatch.reporting.html.sweep.view import StudyView
from edgebatch.reporting.plots.style import drawing, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FIGURES = (
    ("served", (measured.THROUGHPUT, measured.ATTAINMENT)),
    ("latency", measured.LATENCIES),
    ("budgets", measured.BUDGET_USE[:2]),
    ("search", (measured.SEARCH,)),
)
_PANEL_INCHES = (4.5, 4.2)


def save_paper_figures(view: StudyView, folder: Path, suffix: str) -> list[Path]:
    """Write the plots of every setting into a folder, which is made, and return their paths.

    Args:
        view: the results.
        folder: where to.
        suffix: ``png`` or ``svg``.

    Raises:
        InputError: the folder or a file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    make_folder(folder, suffix)
    return list(_save_all(view, folder, suffix))


def _save_all(view: StudyView, folder: Path, suffix: str) -> Iterator[Path]:
    settings = view.settings()
    for number, setting in enumerate(settings, start=1):
        label = view.setting_label(setting)
        for name, measures in _FIGURES:
            panels = [
                (measure, series)
                for measure in measures
                if (series := measured.series_of(view, setting, measure))
            ]
            if panels:
                tail = f"-{number}-{file_words(label)}" if len(settings) > 1 else ""
                path = folder / f"{name}{tail}.{suffix}"
                _save(view, label, panels, path)
                yield path


def _save(
    view: StudyView,
    label: str,
    panels: Sequence[tuple[measured.Measure, dict[str, list[Estimate | None]]]],
    path: Path,
) -> None:
    width, height = _PANEL_INCHES
    # the legend of many policies takes two rows even under two panels
    with drawing(width * max(len(panels), 1.2), height) as figure:
        several = figure.subplots(1, len(panels), squeeze=False)[0]
        for axes, (measure, series) in zip(several, panels, strict=True):
            _draw(axes, view, measure, series)
        handles, labels = several[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 5))
        if label:
            figure.suptitle(label, x=0.01, ha="left", fontweight="bold")
        save(figure, path)


def _draw(
    axes: Axes, view: StudyView, measure: measured.Measure, series: dict[str, list[Estimate | None]]
) -> None:
    positions, looks = view.positions, policy_looks(view.policies)
    places: list[Any] = list(positions.values) if positions.is_numeric else list(positions.labels)
    for policy, estimates in series.items():
        look = looks[policy]
        known = [(at, each) for at, each in zip(places, estimates, strict=True) if each]
        has_intervals = any(each.half_width is not None for _, each in known)
        axes.errorbar(
            [at for at, _ in known],
            [each.mean for _, each in known],
            yerr=[each.half_width or 0.0 for _, each in known] if has_intervals else None,
            label=policy,
            color=look.colour,
            marker=MARKERS[look.symbol],
            linestyle=STYLES[look.dash] if positions.is_numeric else "none",
            capsize=2.0,
        )
    if positions.is_log:
        axes.set_xscale("log")
    if positions.is_numeric and len(places) <= MOST_TICKS:
        axes.set_xticks(places, list(positions.labels))
        axes.minorticks_off()
    axes.set_xlabel(positions.title)
    axes.set_ylabel(measure.axis)
    if measure.is_log:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0.0, top=measure.most)
