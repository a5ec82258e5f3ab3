"""Who tells what the precisions of a model expect next, and asking them in the time there is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial

from edgebatch.calibration.expectations import BriefScorer, Scorer
from edgebatch.calibration.observation import OnShare, Together
from edgebatch.calibration.quality import PrecisionQuality, measure_quality, windows_of
from edgebatch.calibration.scorers import open_scorers, sixteen_bit_variant, window_tokens
from edgebatch.engines import EngineInfo
from edgebatch.local_models import LocalModel

Scorers = Mapping[str, Scorer | BriefScorer]
"""By precision."""
ScorersOpener = Callable[[Sequence[str], EngineInfo], AbstractAsyncContextManager[Scorers]]
"""Gives scorers of precisions by name, which compute as the engine does."""


@dataclass(frozen=True, slots=True)
class Scoring:
    """How quality can be measured.

    Attributes:
        reference: precision that the others are compared with.
        window_tokens: length of the texts that are read.
        open: gives the scorers.
    """

    reference: str
    window_tokens: int
    open: ScorersOpener


def local_scoring(local: LocalModel) -> Scoring | None:
    """Return how the quality of a model on disk is measured; None without a 16-bit variant."""
    reference = sixteen_bit_variant(local)
    if reference is None:
        return None
    return Scoring(reference, window_tokens(local), partial(open_scorers, local))


async def measured_qualities(
    scoring: Scoring,
    precisions: Sequence[str],
    together: Together,
    budget_seconds: float,
    *,
    seed: int,
    on_share: OnShare,
) -> tuple[PrecisionQuality, ...]:
    """Return the quality of each precision, in order.

    Raises:
        EngineError: a precision cannot be run.
        MissingExtraError: a library that is needed is not installed.
    """
    windows = windows_of(together.text, scoring.window_tokens, seed=seed)
    names = (scoring.reference, *(name for name in precisions if name != scoring.reference))
    began = time.monotonic()
    async with scoring.open(names, together.info) as scorers:
        measured = await measure_quality(
            scorers,
            scoring.reference,
            windows,
            budget_seconds=budget_seconds,
            on_progress=lambda done, total: on_share(
                max(done / total, min(1.0, (time.monotonic() - began) / budget_seconds))
            ),
        )
    on_share(1.0)
    by_name = {quality.precision: quality for quality in measured}
    return tuple(by_name[name] for name in precisions)
