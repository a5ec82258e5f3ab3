"""Samples and errors in figures and words, as profiles keep them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import TypeVar

from edgebatch.calibration.fit import Fit
from edgebatch.calibration.profile_schema import Errors, FitFigures, SampleFigures
from edgebatch.calibration.samples import Sample

Key = TypeVar("Key", int, str)


def errors_by(
    fit: Fit, samples: Sequence[Sample], key: Callable[[Sample], Key]
) -> dict[Key, Errors]:
    """Return the errors of a fit on groups of samples, by rising key.

    Args:
        fit: what predicts.
        samples: what was measured.
        key: the group of a sample, such as ``lambda sample: sample.size``.
    """
    groups: dict[Key, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(key(sample), []).append(sample)
    return {group: fit.errors(groups[group]) for group in sorted(groups)}


def sample_figures(samples: Sequence[Sample]) -> tuple[SampleFigures, ...]:
    """Return what was measured, in figures: one row for each precision and kind."""
    groups: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        groups.setdefault((sample.precision, sample.kind.value), []).append(sample)
    return tuple(
        SampleFigures(
            precision=precision,
            kind=members[0].kind,
            count=len(members),
            sizes=_range([each.size for each in members]),
            contexts=_range([each.longest_context for each in members]),
            seconds=_range([each.seconds for each in members]),
            spread=statistics.median(each.spread for each in members),
        )
        for (precision, _), members in groups.items()
    )


def verdict(figures: FitFigures) -> str:
    """Return in one sentence or two how far the fitted model can be trusted."""
    judged, which = figures.held_out, "times that it was not fitted to"
    if judged is None:
        judged, which = figures.in_sample, "the times that it was fitted to"
    text = (
        f"tells {which} within {judged.p95:.1%} in 95 of 100 cases "
        f"(median error {judged.median:.1%}, {judged.count} samples)"
    )
    if figures.perfect_model is not None:
        text += f"; a perfect model's median error would be {figures.perfect_model.median:.1%}"
    if figures.published is not None:
        text += f"; the published form's median error is {figures.published.median:.0%}"
    return text + "."


Measured = TypeVar("Measured", int, float)


def _range(values: Sequence[Measured]) -> list[Measured]:
    return [min(values), max(values)]
