"""How long answers are believed to be."""

from __future__ import annotations

import pytest

from edgebatch.serving.lengths import LengthPredictor
from edgebatch.serving.settings import Lengths


@pytest.mark.parametrize(("length", "predicted"), [(0, 1), (7, 7), (40, 40)])
def test_what_is_reckoned_with_is_a_token_at_least(length: int, predicted: int) -> None:
    lengths = LengthPredictor(Lengths(quantile=0.5, min_samples=50))
    for _ in range(50):
        assert lengths.predict(0, 40) == 40
        lengths.observe(0, 40, length)
    assert lengths.predict(0, 40) == predicted
