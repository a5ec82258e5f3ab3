"""What the immutable parts of a problem refuse when they are made without a file."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgebatch.errors import InputError
from edgebatch.problem import Model, Request, Requests

TWO = Requests.from_list([Request("a", 1, 2, 3.0), Request("b", 4, 5, 6.0)])


@pytest.mark.parametrize("field", ["prompt_tokens", "output_tokens"])
@pytest.mark.parametrize("length", [1.5, math.nan, math.inf])
def test_a_length_that_is_no_whole_number_is_refused(field: str, length: float) -> None:
    changes: dict[str, Any] = {field: np.array([1.0, length])}
    with pytest.raises(InputError, match="must be a whole number of at least 1") as caught:
        replace(TWO, **changes)
    assert caught.value.path == f"requests[1].{field}"


def test_whole_lengths_may_be_floats() -> None:
    changed = replace(TWO, prompt_tokens=np.array([7.0, 8.0]))
    assert changed.prompt_tokens.tolist() == [7, 8]
    assert changed.prompt_tokens.dtype == np.int64


def test_a_column_of_another_length_is_refused() -> None:
    with pytest.raises(InputError, match=r"requests\.value: must have 2 entries, got \(3,\)"):
        replace(TWO, value=np.ones(3))


@pytest.mark.parametrize("layers", [0, -1, 1.5, math.nan, math.inf, True])
def test_a_count_that_is_none_is_refused(layers: Any) -> None:
    with pytest.raises(InputError, match=r"model\.layers: must be a whole number of at least 1"):
        Model(layers=layers, hidden_size=1, ffn_size=1, heads=1)
