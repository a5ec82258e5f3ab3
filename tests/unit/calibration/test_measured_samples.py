"""Samples: what of them the cost model multiplies with its coefficients."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebatch.calibration.figures import sample_figures
from edgebatch.calibration.mapping import coefficients_of
from edgebatch.calibration.samples import (
    Kind,
    Member,
    Sample,
    Terms,
    batch_sample,
    decode_sample,
    prefill_sample,
)
from edgebatch.cost import BatchCost, batch_seconds
from edgebatch.errors import InputError
from edgebatch.problem import Batching, Model, Node, Precision, Request

GATED = Model(layers=2, hidden_size=8, ffn_size=16, heads=4, kv_heads=2, gated_ffn=True)
MEASURED = Precision(
    "w8",
    weight_bytes=1.0,
    prefill_factor=1.5,
    decode_factor=0.7,
    prefill_attention_factor=3.0,
    decode_attention_factor=0.2,
    step_overhead_seconds=0.25,
    request_overhead_seconds=2.0,
)
NODE = Node(1e6, 1e3, memory_bandwidth=1e3, step_overhead_seconds=0.5, batch_overhead_seconds=4.0)
lengths = st.integers(1, 40)


def test_a_prefill_reads_prompts_while_others_decode() -> None:
    sample = prefill_sample("w8", [3, 4], 0.1, decoding=[10])
    # 3 + 4 tokens, 9 + 16 squares, one decode step at context 10
    assert sample.terms == Terms(1, 2, 7, 25, 1, 10, 0)
    assert (sample.size, sample.passes, sample.longest_context) == (3, 1, 10)


def test_a_decode_stretch_lengthens_every_context_by_one_a_pass() -> None:
    sample = decode_sample("w8", [10, 20], 0.1, passes=3)
    # 10 + 11 + 12 and 20 + 21 + 22
    assert sample.terms == Terms(3, 0, 0, 0, 6, 96, 0)
    assert sample.longest_context == 22


def test_members_of_a_batch_leave_each_at_its_own_end() -> None:
    sample = batch_sample("w8", [3, 4], [2, 5], 0.1)
    # 1 step at context 4; 4 steps at 5, 6, 7, 8
    assert sample.terms == Terms(5, 2, 7, 25, 5, 30, 1)
    assert sample.longest_context == 8


def test_repetitions_and_spread_can_be_added() -> None:
    sample = decode_sample("w8", [1], 0.1).replace(repetitions=5, spread=0.02)
    assert (sample.repetitions, sample.spread) == (5, 0.02)


@pytest.mark.parametrize("wrong", [{"seconds": 0.0}, {"seconds": float("nan")}, {"spread": -0.1}])
def test_a_time_that_is_none_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="must be a finite number"):
        Sample("w8", Kind.DECODE, (Member(1),), **({"seconds": 0.1} | wrong))


@given(members=st.lists(st.tuples(lengths, lengths), min_size=1, max_size=5))
def test_coefficients_times_terms_is_what_the_evaluator_says(
    members: list[tuple[int, int]],
) -> None:
    cost = BatchCost(NODE, GATED, MEASURED)
    prompts, outputs = zip(*members, strict=True)
    sample = batch_sample("w8", prompts, outputs, 1.0)
    pairs = zip(coefficients_of(cost), sample.terms, strict=True)
    predicted = sum(coefficient * term for coefficient, term in pairs)
    requests = [Request(str(number), *pair, 1.0) for number, pair in enumerate(members)]
    assert predicted == pytest.approx(batch_seconds(requests, Batching.RAGGED, cost))


def test_figures_of_samples_are_ranges_by_precision_and_kind() -> None:
    samples = [
        decode_sample("w8", [10], 0.1).replace(spread=0.01),
        decode_sample("w8", [10, 30], 0.3).replace(spread=0.03),
        decode_sample("w8", [20], 0.2).replace(spread=0.02),
        prefill_sample("w8", [7], 0.5),
    ]
    decode, prefill = sample_figures(samples)
    assert (decode.kind, decode.count, decode.sizes) == (Kind.DECODE, 3, [1, 2])
    assert (decode.contexts, decode.seconds, decode.spread) == ([10, 30], [0.1, 0.3], 0.02)
    assert (prefill.kind, prefill.contexts) == (Kind.PREFILL, [7, 7])
