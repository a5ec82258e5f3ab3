"""What was measured of an engine over what the fitted cost model says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgebatch.calibration.calibration import Calibration
from edgebatch.calibration.samples import Kind, Sample
from edgebatch.cost import BatchCost
from edgebatch.reporting.plots.style import Look, drawing, looks, save
from edgebatch.units import MILLI

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LINES = ("-", "--")


def save_calibration_plot(calibration: Calibration, path: Path) -> None:
    """Write step times, prefill times and held-out batches, measured over fitted.

    Raises:
        InputError: the file cannot be written.
    """
    profile = calibration.profile
    styles = looks([precision.name for precision in profile.precisions])
    with drawing(12.0, 4.2) as figure:
        left, middle, right = figure.subplots(1, 3)
        _draw_steps(left, calibration, styles)
        _draw_prefills(middle, calibration, styles)
        _draw_held_out(right, calibration, styles)
        handles, labels = middle.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
        source = profile.source
        title = f"{source.model} on {source.machine.processor}, {source.engine}"
        figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
        save(figure, path)


def _draw_steps(axes: Axes, calibration: Calibration, styles: dict[str, Look]) -> None:
    """Draw decode steps over the batch's size, for the shortest and the longest contexts."""
    samples = [
        sample
        for sample in calibration.together.times.fitted
        if sample.kind is Kind.DECODE and _is_level(sample)
    ]
    contexts = _contexts(samples)
    for name, look in styles.items():
        cost = _cost(calibration, name)
        for context, line in zip(contexts, _LINES, strict=False):
            own = [
                sample
                for sample in samples
                if sample.precision == name and _is_about(_context(sample), context)
            ]
            sizes = np.array([sample.size for sample in own], dtype=np.float64)
            seconds = np.array([sample.seconds / sample.passes for sample in own])
            is_short = line == _LINES[0]
            axes.plot(
                sizes,
                seconds / MILLI,
                look.marker,
                color=look.colour,
                fillstyle="full" if is_short else "none",
            )
            along = np.linspace(1.0, max(sizes, default=1.0))
            step = cost.decode_steps_seconds(float(context), 1.0)
            axes.plot(along, (cost.step_seconds + along * step) / MILLI, line, color=look.colour)
    axes.set_xlabel("requests in the batch")
    axes.set_ylabel("decode step, ms")
    axes.set_ylim(bottom=0.0)
    dashed = f", {contexts[1]} dashed" if len(contexts) > 1 else ""
    axes.set_title(f"context {contexts[0]}{dashed}" if contexts else "")


def _draw_prefills(axes: Axes, calibration: Calibration, styles: dict[str, Look]) -> None:
    """Draw prompts that were read alone over their length."""
    for name, look in styles.items():
        own = [
            sample
            for sample in calibration.together.times.fitted
            if sample.kind is Kind.PREFILL and sample.precision == name and sample.size == 1
        ]
        tokens = np.array([sample.members[0].tokens for sample in own], dtype=np.float64)
        seconds = np.array([sample.seconds for sample in own])
        axes.plot(tokens, seconds / MILLI, look.marker, color=look.colour)
        cost = _cost(calibration, name)
        along = np.linspace(1.0, max(tokens, default=1.0))
        fitted = cost.step_seconds + cost.prefill_seconds(along)
        axes.plot(along, fitted / MILLI, color=look.colour, marker=look.marker, label=name, ms=0.0)
    axes.set_xlabel("prompt tokens")
    axes.set_ylabel("prefill alone, ms")
    axes.set_ylim(bottom=0.0)
    axes.set_title("line: fitted")


def _draw_held_out(axes: Axes, calibration: Calibration, styles: dict[str, Look]) -> None:
    """Draw predicted over measured end times; crosses are the published form's."""
    measured: list[float] = []
    for sample in calibration.together.times.held_out:
        look = styles[sample.precision]
        x = sample.seconds / MILLI
        measured.append(x)
        axes.plot(x, calibration.published.predict(sample) / MILLI, "x", color="#999999", ms=4.0)
        axes.plot(x, calibration.fit.predict(sample) / MILLI, look.marker, color=look.colour)
    if measured:
        ends = [min(measured), max(measured)]
        axes.plot(ends, ends, color="#000000", linewidth=1.0)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.minorticks_off()
    axes.set_xlabel("held-out batch, measured, ms")
    axes.set_ylabel("predicted, ms")
    axes.set_title("crosses: published form")


def _cost(calibration: Calibration, name: str) -> BatchCost:
    profile = calibration.profile
    (precision,) = (each for each in profile.precisions if each.name == name)
    return BatchCost(profile.node, profile.model, precision)


def _context(sample: Sample) -> float:
    """Return the mean context of a member over a stretch."""
    return sample.terms.contexts / sample.terms.decode_steps


def _is_level(sample: Sample) -> bool:
    contexts = [member.tokens for member in sample.members]
    return max(contexts) - min(contexts) <= sample.passes


def _is_about(context: float, wanted: float) -> bool:
    return abs(context - wanted) <= 0.15 * wanted + 8.0


def _contexts(samples: Sequence[Sample]) -> list[int]:
    """Return the least and the greatest context at which several sizes were measured."""
    sizes: dict[int, set[int]] = {}
    for sample in samples:
        sizes.setdefault(round(_context(sample)), set()).add(sample.size)
    several = sorted(context for context, found in sizes.items() if len(found) > 1)
    several = several or sorted(sizes)
    return several[:1] if len(several) < 2 else [several[0], several[-1]]
