"""Figures of the published evaluation: a panel a model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import compress
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from edgebatch.comparison.evaluation import Observation, SearchEffort, Setting, Study
from edgebatch.reporting.evaluation import policy_label
from edgebatch.reporting.plots.style import drawing, looks, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PANEL_INCHES = (3.4, 3.8)


def save_study_figure(
    observations: Sequence[Observation], study: Study, setting: Setting, paths: Sequence[Path]
) -> None:
    """Write throughput over what a study varies, in one setting.

    Raises:
        InputError: a file cannot be written.
    """
    width, height = _PANEL_INCHES
    with drawing(width * len(setting.models), height) as figure:
        panels = figure.subplots(1, len(setting.models), squeeze=False)[0]
        for axes, model in zip(panels, setting.models, strict=True):
            shown = [
                each
                for each in observations
                if (each.study, each.setting, each.model) == (study.name, setting.name, model)
            ]
            _draw_throughput(axes, shown, study)
            axes.set_title(model)
        panels[0].set_ylabel("served in time, requests/s")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
        figure.suptitle(setting.title, x=0.01, ha="left", fontweight="bold")
        for path in paths:
            save(figure, path)


def _draw_throughput(axes: Axes, observations: Sequence[Observation], study: Study) -> None:
    """Draw one line a policy: the mean over seeds, with a bar from least to most."""
    labels = [point.label for point in study.points]
    positions = [float(label) for label in labels] if study.is_numeric else list(range(len(labels)))
    for policy, look in looks(study.policies).items():
        columns = [
            [
                each.throughput_per_second
                for each in observations
                if each.policy == policy and each.point == label
            ]
            for label in labels
        ]
        means = [fmean(column) for column in columns]
        below = [mean - min(column) for mean, column in zip(means, columns, strict=True)]
        above = [max(column) - mean for mean, column in zip(means, columns, strict=True)]
        axes.errorbar(
            positions,
            means,
            yerr=(below, above),
            label=policy_label(policy),
            color=look.colour,
            marker=look.marker,
            linestyle="-" if study.is_numeric else "none",
            capsize=2.0,
        )
    if study.is_numeric and positions[-1] / positions[0] >= 8.0:
        axes.set_xscale("log")
    axes.set_xticks(positions, labels)
    if not study.is_numeric:
        axes.tick_params("x", labelrotation=20.0, labelsize="small")
    axes.minorticks_off()
    axes.set_xlabel(study.axis)
    axes.set_ylim(bottom=0.0)


def save_search_figure(
    efforts: Sequence[SearchEffort], setting: Setting, paths: Sequence[Path]
) -> None:
    """Write nodes per decision over the arrival rate; hollow where brute force was cut short.

    Raises:
        InputError: a file cannot be written.
    """
    width, height = _PANEL_INCHES
    with drawing(width * len(setting.models), height) as figure:
        panels = figure.subplots(1, len(setting.models), squeeze=False, sharey=True)[0]
        for axes, model in zip(panels, setting.models, strict=True):
            shown = [
                each for each in efforts if (each.setting, each.model) == (setting.name, model)
            ]
            _draw_nodes(axes, shown)
            axes.set_title(model)
        panels[0].set_ylabel("nodes visited per decision, mean")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
        figure.suptitle(
            f"{setting.title}; hollow: brute force cut short", x=0.01, ha="left", fontweight="bold"
        )
        for path in paths:
            save(figure, path)


def _draw_nodes(axes: Axes, efforts: Sequence[SearchEffort]) -> None:
    by_rate: dict[int, list[SearchEffort]] = defaultdict(list)
    for effort in efforts:
        by_rate[effort.rate_per_second].append(effort)
    rates = list(by_rate)
    columns = {
        "DFTSP": [fmean(each.dftsp_nodes for each in by_rate[rate]) for rate in rates],
        "brute force": [fmean(each.brute_force_nodes for each in by_rate[rate]) for rate in rates],
    }
    styles = looks(list(columns))
    for name, look in styles.items():
        axes.plot(rates, columns[name], label=name, color=look.colour, marker=look.marker)
    is_cut = [not all(each.brute_force_finished for each in by_rate[rate]) for rate in rates]
    axes.plot(
        list(compress(rates, is_cut)),
        list(compress(columns["brute force"], is_cut)),
        color=styles["brute force"].colour,
        marker=styles["brute force"].marker,
        markerfacecolor="white",
        linestyle="none",
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(bottom=1.0)
    axes.set_xticks(rates, [f"{rate}" for rate in rates])
    axes.minorticks_off()
    axes.set_xlabel("arrivals, requests/s")
