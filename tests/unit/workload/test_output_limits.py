"""Which limit a scheduler is told for an answer of a recorded length."""

from __future__ import annotations

import numpy as np
import pytest

from edgebatch.errors import InputError
from edgebatch.workload import (
    ExactLimit,
    FactorLimit,
    FixedLimit,
    OutputLimit,
    RoundedUpLimit,
)


@pytest.mark.parametrize(
    ("rule", "limits"),
    [
        (ExactLimit(), [1, 100, 300]),
        # 100 × 1.1 = 110 exactly, not the 111 of floating point
        (FactorLimit(1.1), [2, 110, 330]),
        (FactorLimit(1.0), [1, 100, 300]),
        (FactorLimit(1e12), [10**9, 10**9, 10**9]),
        (RoundedUpLimit((100, 200)), [100, 100, 200]),
        (RoundedUpLimit.powers_of_two(512), [1, 128, 512]),
        (FixedLimit(256), [256, 256, 256]),
    ],
)
def test_limits_by_hand(rule: OutputLimit, limits: list[int]) -> None:
    assert rule.limits(np.array([1, 100, 300])).tolist() == limits


def test_wrong_parameters_are_named() -> None:
    with pytest.raises(InputError, match="factor: must be a finite number of at least 1"):
        FactorLimit(0.9)
    with pytest.raises(InputError, match=r"sizes\[1\]: must be a finite number of at least 8"):
        RoundedUpLimit((8, 4))
    with pytest.raises(InputError, match="sizes: must be a whole number of at least 1"):
        RoundedUpLimit(())
    with pytest.raises(InputError, match="max_tokens: must be a whole number of at least 1"):
        FixedLimit(0)
