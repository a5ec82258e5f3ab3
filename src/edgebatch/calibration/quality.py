"""What a precision does to the model's predictions, with the error of each figure.

All precisions read the same windows of the same text, so differences are paired, token by token,
and far more exact than the perplexities that they are differences of. Tokens of a window depend on
one another; windows hardly do. All standard errors therefore come from means of windows.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from edgebatch.calibration.expectations import BriefScorer, Expected, Scorer, expected_by
from edgebatch.errors import EngineError

LEAST_WINDOWS = 4
"""Below so many windows, a standard error is a guess."""
SEPARABLE_ERRORS = 2.0
"""A difference of fewer standard errors is not told from none."""
_MOST_LOSS = 200.0
"""Nats a token; a perplexity of e²⁰⁰ is none. An even guess among a million costs 14."""


class QualityKind(StrEnum):
    """The measure in [0, 1] that ``min_quality`` is held against."""

    PERPLEXITY_RATIO = "perplexity-ratio"
    """min(1, PPL_16bit / PPL_q)."""
    AGREEMENT = "agreement"
    """Share of positions at which the likeliest next token is that of 16 bits."""


class Estimate(NamedTuple):
    """A measured figure and its standard error."""

    value: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class PrecisionQuality:
    """How one precision's predictions differ from those of the 16-bit variant.

    Attributes:
        precision: its name.
        reference: name of the variant that it is compared with.
        num_tokens: tokens that were predicted.
        perplexity: of the text, in this precision.
        perplexity_ratio: PPL_16bit / PPL_q, from paired differences; above 1 it is the better one.
        divergence: mean Kullback–Leibler divergence from the 16-bit distribution, nats a token;
            None where distributions are not known.
        agreement: share of tokens whose likeliest candidate is that of 16 bits.
    """

    precision: str
    reference: str
    num_tokens: int
    perplexity: Estimate
    perplexity_ratio: Estimate
    divergence: Estimate | None
    agreement: Estimate

    @property
    def separable(self) -> bool:
        """Whether perplexity differs by more than two standard errors, either way."""
        ratio = self.perplexity_ratio
        return abs(ratio.value - 1.0) > SEPARABLE_ERRORS * ratio.standard_error

    def quality(self, kind: QualityKind) -> float:
        """Q_q in [0, 1] by the measure asked for."""
        if kind is QualityKind.AGREEMENT:
            return self.agreement.value
        return min(1.0, self.perplexity_ratio.value)


class _Window(NamedTuple):
    """Means over the tokens of one window in one precision."""

    loss: float
    divergence: float | None
    agreement: float


def windows_of(tokens: Sequence[int], window_tokens: int, *, seed: int) -> list[tuple[int, ...]]:
    """Cut a text into whole windows that do not overlap, in an order drawn from the seed."""
    starts = list(range(0, len(tokens) - window_tokens + 1, window_tokens))
    random.Random(seed).shuffle(starts)
    return [tuple(tokens[start : start + window_tokens]) for start in starts]


async def measure_quality(
    scorers: Mapping[str, Scorer | BriefScorer],
    reference: str,
    windows: Sequence[Sequence[int]],
    *,
    budget_seconds: float = math.inf,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[PrecisionQuality]:
    """Return the quality of each precision, on as many of the windows as there is time for.

    Args:
        scorers: the precisions, the reference among them.
        reference: name of the 16-bit variant.
        windows: token ids, all windows of the same length of at least 2.
        budget_seconds: after this, no further window is begun, once there are
            :data:`LEAST_WINDOWS`.
        on_progress: told how many windows are done, and of how many.

    Raises:
        EngineError: a scorer cannot be run, or tells what is no probability.
        ValueError: fewer than two windows were given, of which no error can be had.
    """
    if len(windows) < 2:
        raise ValueError(f"needs at least two windows, got {len(windows)}")
    began = time.monotonic()
    scores: dict[str, list[_Window]] = {name: [] for name in scorers}
    for number, window in enumerate(windows):
        if number >= LEAST_WINDOWS and time.monotonic() - began > budget_seconds:
            break
        expected = await expected_by(scorers[reference], window)
        for name, scorer in scorers.items():
            same = name == reference
            found = expected if same else await expected_by(scorer, window)
            _require_sense(name, found)
            scores[name].append(_score(expected, found))
        on_progress(number + 1, len(windows))
    tokens_each = len(windows[0]) - 1
    return [
        _quality(name, reference, tokens_each, scores[name], scores[reference]) for name in scorers
    ]


def _require_sense(name: str, expected: Expected) -> None:
    """Raise if a precision finds real text impossible: no figure could be told of it."""
    loss = float(expected.losses.mean())
    if not loss < _MOST_LOSS:
        raise EngineError(
            f"{name} expects nothing of a text that it is given (mean loss {loss:g} nats): its "
            "numbers have run out of range; leave it out, or compute in a wider type"
        )


def _score(expected: Expected, found: Expected) -> _Window:
    divergence = None
    if expected.log_probabilities is not None and found.log_probabilities is not None:
        gap = expected.log_probabilities - found.log_probabilities
        divergence = float(np.sum(np.exp(expected.log_probabilities) * gap, axis=1).mean())
    same = expected.likeliest == found.likeliest
    return _Window(float(found.losses.mean()), divergence, float(same.mean()))


def _quality(
    name: str,
    reference: str,
    tokens_each: int,
    scores: Sequence[_Window],
    reference_scores: Sequence[_Window],
) -> PrecisionQuality:
    loss = _mean([score.loss for score in scores])
    gain = _mean(
        [ours.loss - theirs.loss for ours, theirs in zip(reference_scores, scores, strict=True)]
    )
    divergences = [score.divergence for score in scores if score.divergence is not None]
    return PrecisionQuality(
        precision=name,
        reference=reference,
        num_tokens=tokens_each * len(scores),
        perplexity=_exponential(loss),
        perplexity_ratio=_exponential(gain),
        divergence=_mean(divergences) if len(divergences) == len(scores) else None,
        agreement=_mean([score.agreement for score in scores]),
    )


def _mean(values: Sequence[float]) -> Estimate:
    deviation = float(np.std(values, ddof=1))
    return Estimate(float(np.mean(values)), deviation / math.sqrt(len(values)))


def _exponential(estimate: Estimate) -> Estimate:
    """Carry an error through exp, to first order."""
    value = math.exp(estimate.value)
    return Estimate(value, value * estimate.standard_error)
