"""What was observed, in the terms of a profile."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from edgebatch import __version__
from edgebatch.calibration.declared import Declared
from edgebatch.calibration.figures import sample_figures, verdict
from edgebatch.calibration.fit import Fit
from edgebatch.calibration.machine import this_machine
from edgebatch.calibration.memory import memory_figures, working_bytes
from edgebatch.calibration.observation import Alone, Together, is_padded
from edgebatch.calibration.profile import Profile
from edgebatch.calibration.profile_schema import (
    FitFigures,
    Measure,
    MemoryFigures,
    QualityFigures,
    Source,
)
from edgebatch.calibration.quality import PrecisionQuality, QualityKind
from edgebatch.calibration.times import Times
from edgebatch.cost import kv_bytes_per_token, weight_bytes
from edgebatch.problem import Batching, Model, Node, Precision

_ANY_FLOPS = 1e12
"""Replaced by what is fitted."""
_BUSY = 0.05
"""Measurements lie further from the mean of two than this only where other things run."""


def with_qualities(
    precisions: Sequence[Precision], qualities: Sequence[PrecisionQuality], kind: QualityKind
) -> tuple[Precision, ...]:
    """Return the precisions with the measured qualities, where there are any."""
    measured = {each.precision: each.quality(kind) for each in qualities}
    return tuple(
        precision.replace(quality=measured.get(precision.name, precision.quality))
        for precision in precisions
    )


def bare_node(
    model: Model,
    precisions: Sequence[Precision],
    alone: Alone,
    together: Together,
    usable_bytes: float,
) -> Node:
    """Return the machine as a node of unknown speed.

    Its reserve is what the engine takes besides weights and caches, at its most. Its memory is what
    weights, reserve and the engine's caches take, or what the machine has if that is less.
    """
    weights = sum(weight_bytes(model, precision) for precision in precisions)
    each_token = [kv_bytes_per_token(model, precision) for precision in precisions]
    loaded, preallocated = together.loaded_bytes, together.preallocated_tokens
    reserve = 0.0
    if loaded is not None:
        working = working_bytes(alone.memory, model, precisions, preallocated)
        reserve = max(0.0, loaded - weights - preallocated * sum(each_token)) + max(0.0, working)
    if together.capacity_tokens is not None:
        taken = weights + reserve + together.capacity_tokens * max(each_token)
        usable_bytes = min(usable_bytes, taken)
    return Node(memory_bytes=usable_bytes, flops=_ANY_FLOPS, reserved_bytes=reserve)


def fit_figures(fit: Fit, published: Fit, times: Times) -> FitFigures:
    """Return the errors of both forms, on held-out batches where there are any."""
    judged = times.held_out or times.fitted
    return FitFigures(
        in_sample=fit.errors(times.fitted),
        held_out=fit.errors(times.held_out) if times.held_out else None,
        published=published.errors(judged),
        perfect_model=times.perfect_model,
    )


def profile_of(
    fit: Fit,
    figures: FitFigures,
    alone: Alone,
    together: Together,
    qualities: Sequence[PrecisionQuality],
    kind: QualityKind,
    declared: Declared,
) -> Profile:
    """Return the profile of what was observed and fitted."""
    source = _source(fit.model, together, declared)
    measure: Measure = "assumed"
    if qualities:
        measure = "agreement" if kind is QualityKind.AGREEMENT else "perplexity-ratio"
    return Profile(
        source=source,
        node=fit.node.replace(name=source.machine.processor),
        model=fit.model,
        precisions=fit.precisions,
        quality_measure=measure,
        fit=figures,
        verdict=" ".join(filter(None, (_verdict(figures), declared.caveat))),
        batching=Batching.PADDED if is_padded(together.info) else Batching.RAGGED,
        max_running=together.info.max_running,
        quality=tuple(map(_quality_figures, qualities)),
        memory=_memory(fit, alone, together),
        start_seconds=alone.start_seconds,
        samples=sample_figures((*together.times.fitted, *together.times.held_out)),
    )


def _memory(fit: Fit, alone: Alone, together: Together) -> tuple[MemoryFigures, ...]:
    if together.loaded_bytes is None:
        return ()
    found = memory_figures(
        *(alone.memory, together.loaded_bytes, fit.model, fit.precisions),
        preallocated_tokens=together.preallocated_tokens,
    )
    return tuple(found)


def _verdict(figures: FitFigures) -> str:
    text = verdict(figures)
    perfect = figures.perfect_model
    if perfect is not None and perfect.median > _BUSY:
        text += (
            " The machine was busy with other things, or its clock changes: "
            "measure again when it is idle."
        )
    return text


def _source(model: Model, together: Together, declared: Declared) -> Source:
    info = together.info
    cut_short = together.num_cut_short
    notes = [declared.notes]
    if cut_short:
        notes.append(
            f"in {cut_short} trials an answer ended before its limit; of these only the reading of "
            "the prompts counts"
        )
    max_context = together.limits.max_context_tokens
    limits = {} if max_context is None else {"max_context_tokens": str(max_context)}
    return Source(
        engine=info.engine,
        engine_version=info.version,
        model=model.name or info.model,
        machine=declared.machine or this_machine(),
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        edgebatch_version=__version__,
        settings={**info.settings, **limits},
        notes="; ".join(filter(None, notes)),
    )


def _quality_figures(quality: PrecisionQuality) -> QualityFigures:
    divergence = quality.divergence
    return QualityFigures(
        precision=quality.precision,
        tokens=quality.num_tokens,
        perplexity=quality.perplexity.value,
        perplexity_error=quality.perplexity.standard_error,
        ratio=min(1.0, quality.perplexity_ratio.value),
        ratio_error=quality.perplexity_ratio.standard_error,
        # rounding may leave a divergence of nothing a hair below 0
        divergence=None if divergence is None else max(0.0, divergence.value),
        divergence_error=None if divergence is None else divergence.standard_error,
        agreement=quality.agreement.value,
        agreement_error=quality.agreement.standard_error,
        separable=quality.separable,
    )
