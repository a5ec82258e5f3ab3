"""Measuring an engine with a model on this machine, from its first start to a finished profile."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from edgebatch.calibration.declared import NOTHING_DECLARED, Declared
from edgebatch.calibration.fit import Fit, fit_published, fit_samples
from edgebatch.calibration.machine import memory_bytes
from edgebatch.calibration.observation import (
    Alone,
    Together,
    observe_alone,
    observe_together,
)
from edgebatch.calibration.plan import Effort
from edgebatch.calibration.profile import Profile
from edgebatch.calibration.profile_parts import (
    bare_node,
    fit_figures,
    profile_of,
    with_qualities,
)
from edgebatch.calibration.quality import PrecisionQuality, QualityKind
from edgebatch.calibration.samples import Kind
from edgebatch.calibration.scorers import window_tokens
from edgebatch.calibration.scoring import Scoring, local_scoring, measured_qualities
from edgebatch.calibration.subject import EngineMaker, Subject
from edgebatch.errors import EngineError, InputError
from edgebatch.local_models import LocalModel
from edgebatch.problem import Precision

_KV_BYTES: Mapping[str, float] = {"f32": 4.0, "f16": 2.0, "bf16": 2.0, "u8": 1.25}
"""Of a cached value; scales and zero points of 8-bit caches included."""
_MOST_WEIGHT = 9
"""Repetitions beyond so many make a median hardly better than the model is."""
_MEMORY_SHARE, _TIMES_SHARE, _QUALITY_SHARE = 0.1, 0.65, 0.25


class Phase(StrEnum):
    """What is being measured."""

    MEMORY = "memory"
    TIMES = "times"
    QUALITY = "quality"


OnProgress = Callable[[Phase, float], None]
"""Told which share of a phase has been done."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted of a calibration.

    Attributes:
        budget_seconds: for measuring; loading the model comes on top.
        held_out: batches in each precision that the fit does not see.
        decode_passes: of each trial that it does see.
        quality: what ``min_quality`` shall refer to.
        seed: of all that is drawn.
    """

    budget_seconds: float = 300.0
    held_out: int = 24
    decode_passes: int = 16
    quality: QualityKind = QualityKind.PERPLEXITY_RATIO
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Calibration:
    """A profile and all that it rests on.

    Attributes:
        profile: what there is to keep.
        fit: the cost model, fitted to ``together.times.fitted``.
        published: the published form, fitted to the same.
        alone: the engine with each precision by itself.
        together: the engine with all of them.
        qualities: of each precision; empty if they could not be measured.
    """

    profile: Profile
    fit: Fit
    published: Fit
    alone: Alone
    together: Together
    qualities: tuple[PrecisionQuality, ...]


async def calibrate(
    local: LocalModel,
    precisions: tuple[str, ...],
    make_engine: EngineMaker,
    text: str,
    wish: Wish,
    *,
    on_progress: OnProgress,
) -> Calibration:
    """Measure memory, times and quality of a model on disk, fit the cost model and return it all.

    Args:
        local: the model.
        precisions: names of the variants to measure.
        make_engine: makes the engine, not started, with precisions by name.
        text: real text that the model has not been trained on.
        wish: how much to measure.
        on_progress: told how far it is.

    Raises:
        EngineError: the engine failed.
        InputError: the model cannot be loaded, the text is too short, or so was the time.
        MissingExtraError: a library that is needed is not installed.
    """
    subject = Subject(
        make_engine,
        local.model,
        tuple(Precision(name, local.bytes_per_parameter(name)) for name in precisions),
        text,
        local.max_context_tokens,
        2 * window_tokens(local),
    )
    return await calibrate_subject(subject, local_scoring(local), wish, on_progress=on_progress)


async def calibrate_subject(
    subject: Subject,
    scoring: Scoring | None,
    wish: Wish,
    *,
    declared: Declared = NOTHING_DECLARED,
    on_progress: OnProgress,
) -> Calibration:
    """Measure an engine, fit the cost model and return it all.

    Args:
        subject: what is measured.
        scoring: how its quality is; None where it cannot be.
        wish: how much to measure.
        declared: what the profile says without its having been measured.
        on_progress: told how far it is.

    Raises:
        EngineError: the engine failed, or ended all answers before their limits.
        InputError: the model cannot be loaded, the text is too short, or so was the time.
        MissingExtraError: a library that is needed is not installed.
    """
    alone = await observe_alone(
        subject,
        _MEMORY_SHARE * wish.budget_seconds,
        seed=wish.seed,
        on_share=lambda share: on_progress(Phase.MEMORY, share),
    )
    together = await observe_together(
        subject,
        Effort(_TIMES_SHARE * wish.budget_seconds, wish.decode_passes, wish.held_out),
        alone.paces,
        seed=wish.seed,
        on_share=lambda share: on_progress(Phase.TIMES, share),
    )
    _require_batches(subject, together)
    qualities: tuple[PrecisionQuality, ...] = ()
    if scoring is not None:
        qualities = await measured_qualities(
            scoring,
            subject.names,
            together,
            _QUALITY_SHARE * wish.budget_seconds,
            seed=wish.seed,
            on_share=lambda share: on_progress(Phase.QUALITY, share),
        )
    return _finished(subject, alone, together, qualities, wish, declared)


def _require_batches(subject: Subject, together: Together) -> None:
    seen = {each.precision for each in together.times.fitted if each.kind is Kind.BATCH}
    for name in subject.names:
        if name in seen:
            continue
        if not together.num_cut_short:
            raise InputError(
                "--budget",
                f"was used up before a whole batch in {name} was measured; give more seconds, or "
                "measure fewer precisions",
            )
        raise EngineError(
            f"{together.info.engine} ended the answers of every batch in {name} before their "
            f"limits ({together.num_cut_short} trials), so their times cannot be told"
        )


def _finished(
    subject: Subject,
    alone: Alone,
    together: Together,
    qualities: tuple[PrecisionQuality, ...],
    wish: Wish,
    declared: Declared,
) -> Calibration:
    bare = subject.precisions
    told = together.info.settings.get("kv_cache_precision")
    if told is not None:
        bare = tuple(each.replace(kv_bytes=_KV_BYTES.get(told, 2.0)) for each in bare)
    precisions = with_qualities(bare, qualities, wish.quality)
    usable = math.inf if subject.is_elsewhere else float(memory_bytes())
    node = bare_node(subject.model, precisions, alone, together, usable)
    samples = together.times.fitted
    weights = [min(sample.repetitions, _MOST_WEIGHT) ** 0.5 for sample in samples]
    fit = fit_samples(samples, node, subject.model, precisions, weights)
    published = fit_published(samples, node, subject.model, precisions, weights)
    figures = fit_figures(fit, published, together.times)
    profile = profile_of(fit, figures, alone, together, qualities, wish.quality, declared)
    return Calibration(profile, fit, published, alone, together, qualities)
