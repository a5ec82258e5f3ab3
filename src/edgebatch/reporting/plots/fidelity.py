"""Predicted over measured times, by our cost model and by the published form."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgebatch.calibration.fidelity import Fidelity, group
from edgebatch.calibration.fit import Fit
from edgebatch.calibration.samples import Sample
from edgebatch.reporting.plots.style import drawing, looks, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def save_fidelity_plot(fidelity: Fidelity, path: Path, title: str) -> None:
    """Write the held-out samples, one panel for each form; on the line, both times agree.

    Raises:
        InputError: the file cannot be written.
    """
    with drawing(9.0, 4.6) as figure:
        left, right = figure.subplots(1, 2, sharex=True, sharey=True)
        for axes, fit, name in (
            (left, fidelity.ours, "with traffic and overheads"),
            (right, fidelity.published, "arithmetic only"),
        ):
            median = fit.errors(fidelity.held_out).median
            axes.set_title(f"{name}: median error {median:.0%}")
            axes.set_xlabel("measured, s")
            _draw(axes, fit, fidelity.held_out)
        left.set_ylabel("predicted, s")
        handles, labels = left.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
        figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
        save(figure, path)


def _draw(axes: Axes, fit: Fit, samples: tuple[Sample, ...]) -> None:
    names = sorted({group(sample) for sample in samples})
    for name, look in looks(names).items():
        members = [sample for sample in samples if group(sample) == name]
        axes.plot(
            [sample.seconds for sample in members],
            [fit.predict(sample) for sample in members],
            look.marker,
            color=look.colour,
            label=name,
            markersize=3.0,
            alpha=0.6,
        )
    ends = [min(sample.seconds for sample in samples), max(sample.seconds for sample in samples)]
    axes.plot(ends, ends, color="black", linewidth=1.0)
    axes.set_xscale("log")
    axes.set_yscale("log")
