"""Quality figures and their errors, against distributions that are known."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from edgebatch.calibration.expectations import Scorer
from edgebatch.calibration.log_softmax import log_softmax
from edgebatch.calibration.quality import (
    PrecisionQuality,
    QualityKind,
    measure_quality,
    windows_of,
)
from edgebatch.errors import EngineError
from edgebatch.problem.checks import FloatArray

VOCABULARY = 5


class Fixed:
    """Expects the same distribution after every token."""

    def __init__(self, *probabilities: float) -> None:
        self._row = np.log(probabilities)

    async def log_probabilities(self, tokens: Sequence[int]) -> FloatArray:
        return np.tile(self._row, (len(tokens) - 1, 1))


class Blurred:
    """Expects what another does, with seeded noise of a given size on its logits."""

    def __init__(self, size: float) -> None:
        self._size = size

    async def log_probabilities(self, tokens: Sequence[int]) -> FloatArray:
        clear = np.random.default_rng([17, *tokens]).normal(size=(len(tokens) - 1, VOCABULARY))
        noise = np.random.default_rng([18, *tokens]).normal(size=clear.shape)
        return log_softmax(clear + self._size * noise)


def measured(
    scorers: Mapping[str, Scorer],
    reference: str,
    windows: Sequence[Sequence[int]],
    budget_seconds: float = math.inf,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[PrecisionQuality]:
    return asyncio.run(
        measure_quality(
            scorers, reference, windows, budget_seconds=budget_seconds, on_progress=on_progress
        )
    )


def text(num_tokens: int) -> list[int]:
    return [int(token) for token in np.random.default_rng(1).integers(VOCABULARY, size=num_tokens)]


def test_perplexity_divergence_and_agreement_are_those_of_known_distributions() -> None:
    half = Fixed(0.5, 0.125, 0.125, 0.125, 0.125)
    even = Fixed(0.2, 0.2, 0.2, 0.2, 0.2)
    windows = [(0, 0, 1), (2, 3, 0), (4, 0, 0), (1, 1, 1)]
    reference, other = measured({"f16": half, "w4": even}, "f16", windows)
    # predicted are 0 1 | 3 0 | 0 0 | 1 1: four times a half, four times an eighth
    assert reference.perplexity.value == pytest.approx(math.sqrt(2.0 * 8.0))
    assert other.perplexity.value == pytest.approx(5.0)
    assert other.perplexity_ratio.value == pytest.approx(math.sqrt(16.0) / 5.0)
    # 0.5·ln(0.5/0.2) + 4·0.125·ln(0.125/0.2)
    divergence = 0.5 * math.log(2.5) + 0.5 * math.log(0.625)
    assert other.divergence is not None
    assert other.divergence.value == pytest.approx(divergence)
    # the likeliest of an even distribution is its first, which is also that of the other
    assert other.agreement.value == 1.0
    assert other.num_tokens == 8


def test_the_reference_equals_itself_exactly() -> None:
    windows = windows_of(text(64), 8, seed=0)
    (same,) = measured({"f16": Blurred(0.0)}, "f16", windows)
    assert same.perplexity_ratio == (1.0, 0.0)
    assert same.divergence == (0.0, 0.0)
    assert same.agreement == (1.0, 0.0)
    assert not same.separable
    assert same.quality(QualityKind.PERPLEXITY_RATIO) == 1.0


def test_the_standard_error_is_that_of_the_means_of_windows() -> None:
    half = Fixed(0.5, 0.125, 0.125, 0.125, 0.125)
    even = Fixed(0.2, 0.2, 0.2, 0.2, 0.2)
    # losses of the two windows: ln 2 and ln 8, each less ln 5: ± ln 2 about their mean
    _, other = measured({"f16": half, "w4": even}, "f16", [(0, 0), (0, 1)])
    deviation = math.log(8.0 / 2.0) / math.sqrt(2.0)
    relative = other.perplexity_ratio.standard_error / other.perplexity_ratio.value
    assert relative == pytest.approx(deviation / math.sqrt(2.0))
    assert not other.separable


def test_pairing_separates_what_the_perplexities_alone_could_not() -> None:
    windows = windows_of(text(4000), 40, seed=0)
    reference, other = measured({"f16": Blurred(0.0), "w4": Blurred(0.5)}, "f16", windows)
    difference = abs(other.perplexity.value - reference.perplexity.value)
    paired_error = other.perplexity_ratio.standard_error * other.perplexity.value
    assert paired_error < other.perplexity.standard_error
    assert other.separable == (difference > 2.0 * paired_error)
    assert other.divergence is not None
    assert other.divergence.value > 10.0 * other.divergence.standard_error
    assert 0.5 < other.agreement.value < 1.0
    assert other.quality(QualityKind.AGREEMENT) == other.agreement.value


def test_a_better_perplexity_counts_as_no_loss() -> None:
    even = Fixed(0.2, 0.2, 0.2, 0.2, 0.2)
    right = Fixed(0.6, 0.1, 0.1, 0.1, 0.1)
    _, other = measured({"f16": even, "w8": right}, "f16", [(0, 0, 0), (1, 0, 0)])
    assert other.perplexity_ratio.value == pytest.approx(3.0)
    assert other.quality(QualityKind.PERPLEXITY_RATIO) == 1.0


def test_windows_are_whole_and_do_not_overlap() -> None:
    windows = windows_of(range(23), 5, seed=3)
    assert sorted(windows) == [tuple(range(start, start + 5)) for start in (0, 5, 10, 15)]
    assert windows == windows_of(range(23), 5, seed=3)


def test_no_time_still_gives_four_windows() -> None:
    windows = windows_of(text(100), 10, seed=0)
    done: list[tuple[int, int]] = []
    (quality,) = measured(
        {"f16": Blurred(0.0)},
        "f16",
        windows,
        budget_seconds=-1.0,
        on_progress=lambda *counts: done.append(counts),
    )
    assert quality.num_tokens == 4 * 9
    assert done == [(1, 10), (2, 10), (3, 10), (4, 10)]


def test_one_window_has_no_error_and_is_refused() -> None:
    with pytest.raises(ValueError, match="at least two windows"):
        measured({"f16": Blurred(0.0)}, "f16", [(1, 2)])


class Broken:
    """Tells what is no probability, as numbers do that have run out of range."""

    def __init__(self, told: float) -> None:
        self._told = told

    async def log_probabilities(self, tokens: Sequence[int]) -> FloatArray:
        return np.full((len(tokens) - 1, VOCABULARY), self._told)


@pytest.mark.parametrize("told", [math.nan, -math.inf, -1e5])
def test_a_precision_that_tells_nonsense_is_refused_by_name(told: float) -> None:
    even = Fixed(0.2, 0.2, 0.2, 0.2, 0.2)
    with pytest.raises(EngineError, match=r"^w4 expects nothing of a text"):
        measured({"f16": even, "w4": Broken(told)}, "f16", [(0, 1), (1, 2)])
