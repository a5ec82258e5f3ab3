"""Formulas of formulation §3 against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebatch.cost import (
    BatchCost,
    decode_flops,
    hosted_bytes,
    kv_bytes_per_token,
    prefill_flops,
    require_hostable,
    weight_bytes,
)
from edgebatch.errors import CannotHostError
from edgebatch.problem import Model, Node, Precision

# e = 2, A = 2·4·2·2 + 2·4·1·2 + 3·4·8 = 32 + 16 + 96 = 144
GATED = Model(layers=2, hidden_size=4, ffn_size=8, heads=2, kv_heads=1, gated_ffn=True)
# A = 4·16 + 2·4·8 = 128
PLAIN = Model(layers=2, hidden_size=4, ffn_size=8, heads=2)
W16 = Precision("w16", weight_bytes=2.0)
W8 = Precision("w8", weight_bytes=1.0, kv_bytes=1.0)


def test_linear_parameters_of_a_gated_model_with_shared_heads() -> None:
    assert GATED.linear_parameters_per_layer == 144


def test_the_published_count_is_the_case_of_plain_ffn_and_own_heads() -> None:
    assert PLAIN.linear_parameters_per_layer == 4 * 4**2 + 2 * 4 * 8  # 4d² + 2df = 128
    assert PLAIN.published_parameters == PLAIN.parameters == 2 * 128


def test_the_published_flops_are_the_case_of_plain_ffn_and_own_heads() -> None:
    # L·(P·(8d² + 4df) + 4·P²·d) = 2·(3·(128 + 128) + 4·9·4) = 2·(768 + 144)
    assert prefill_flops(PLAIN, 3.0) == 1824.0
    # L·(G−1)·(8d² + 4df + 4·(P + G/2)·d) = 2·4·(256 + 4·5.5·4) = 8·344
    assert decode_flops(PLAIN, 3.0, 5.0) == 2752.0


def test_prefill_flops() -> None:
    # 2·(2·144·3 + 4·9·4) = 2·(864 + 144)
    assert prefill_flops(GATED, 3.0) == 2016.0


def test_decode_flops() -> None:
    # 2·(5−1)·(2·144 + 4·(3 + 2.5)·4) = 8·(288 + 88)
    assert decode_flops(GATED, 3.0, 5.0) == 3008.0


def test_a_single_output_token_needs_no_decode_step() -> None:
    assert decode_flops(GATED, 3.0, 1.0) == 0.0
    cost = BatchCost(Node(1e4, 1e3, memory_bandwidth=100.0), GATED, W16)
    assert cost.decode_seconds(3.0, 1.0) == 0.0
    # prefill_seconds = 2016/1000
    assert cost.member_seconds(3.0, 1.0) == 2.016


def test_scalars_and_arrays_cost_the_same() -> None:
    prompts, outputs = np.array([3.0, 1.0]), np.array([5.0, 2.0])
    assert prefill_flops(GATED, prompts).tolist() == [2016.0, 608.0]
    assert decode_flops(GATED, prompts, outputs).tolist() == [3008.0, 640.0]


def test_cache_bytes_count_shared_heads_once() -> None:
    # 2·L·h_kv·e·bytes = 2·2·1·2·2
    assert kv_bytes_per_token(GATED, W16) == 16.0
    assert kv_bytes_per_token(GATED, W8) == 8.0
    assert BatchCost(Node(1e4, 1e3), GATED, W16).kv_bytes(3.0, 5.0) == 128.0  # 16·(3 + 5)


def test_weight_bytes_count_all_parameters() -> None:
    assert weight_bytes(GATED, W16) == 576.0  # 2·144·2
    with_embeddings = GATED.replace(parameters=300)
    assert weight_bytes(with_embeddings, W16) == 600.0


def test_all_hosted_weights_and_the_reserve_take_memory() -> None:
    node = Node(1e4, 1e3, reserved_bytes=24.0)
    assert hosted_bytes(node, GATED, (W16, W8)) == 888.0  # 24 + 576 + 288


def test_without_bandwidth_a_pass_takes_its_overhead_only() -> None:
    cost = BatchCost(Node(1e4, 1e3, step_overhead_seconds=0.25), GATED, W16)
    assert cost.step_seconds == 0.25
    assert cost.decode_seconds(3.0, 5.0) == 3.008  # 3008/1000, no cache traffic


def test_with_bandwidth_a_pass_reads_the_weights() -> None:
    node = Node(1e4, 1e3, memory_bandwidth=100.0, step_overhead_seconds=0.25)
    cost = BatchCost(node.replace(batch_overhead_seconds=0.5), GATED, W16)
    assert cost.step_seconds == pytest.approx(6.01)  # 576/100 + 0.25
    assert cost.fixed_seconds(5.0) == pytest.approx(30.55)  # 5·6.01 + 0.5
    # 3008/1000 + 16·4·(3 + 2.5)/100
    assert cost.decode_seconds(3.0, 5.0) == pytest.approx(3.008 + 3.52)


def test_factors_scale_arithmetic_but_not_traffic() -> None:
    precision = W16.replace(prefill_factor=1.5, decode_factor=0.5)
    cost = BatchCost(Node(1e4, 1e3, memory_bandwidth=100.0), GATED, precision)
    assert cost.prefill_seconds(3.0) == pytest.approx(3.024)  # 1.5·2.016
    assert cost.decode_seconds(3.0, 5.0) == pytest.approx(1.504 + 3.52)  # 0.5·3.008 + 3.52
    assert cost.step_seconds == pytest.approx(5.76)


def test_attention_may_have_factors_of_its_own() -> None:
    precision = W16.replace(
        prefill_factor=1.5,
        decode_factor=0.5,
        prefill_attention_factor=3.0,
        decode_attention_factor=0.0,
    )
    cost = BatchCost(Node(1e4, 1e3, memory_bandwidth=100.0), GATED, precision)
    # of 2016 FLOP for 3 tokens, 4·9·8 = 288 are attention
    assert cost.prefill_seconds(3.0) == pytest.approx((1.5 * 1728 + 3.0 * 288) / 1000)
    # of 3008 FLOP for 4 steps, 4·4·8·(3 + 2.5) = 704 are; the cache is read all the same
    assert cost.decode_seconds(3.0, 5.0) == pytest.approx(0.5 * 2304 / 1000 + 3.52)


def test_factors_of_attention_are_those_of_the_rest_unless_given() -> None:
    node = Node(1e4, 1e3, memory_bandwidth=100.0)
    plain = W16.replace(prefill_factor=1.5, decode_factor=0.5)
    spelt_out = plain.replace(prefill_attention_factor=1.5, decode_attention_factor=0.5)
    by_default, given = (BatchCost(node, GATED, each) for each in (plain, spelt_out))
    assert by_default.prefill_coefficients() == given.prefill_coefficients()
    assert by_default.step_coefficients() == given.step_coefficients()


def test_overheads_of_a_precision_are_paid_by_pass_and_by_request() -> None:
    precision = W16.replace(step_overhead_seconds=0.5, request_overhead_seconds=2.0)
    plain, slowed = (
        BatchCost(Node(1e4, 1e3, step_overhead_seconds=0.25), GATED, each)
        for each in (W16, precision)
    )
    assert slowed.step_seconds == 0.75  # 0.25 of the node's
    assert slowed.fixed_seconds(4.0) == 3.0
    assert slowed.prefill_seconds(3.0) == pytest.approx(plain.prefill_seconds(3.0) + 2.0)
    assert slowed.decode_seconds(3.0, 5.0) == plain.decode_seconds(3.0, 5.0)


@given(
    context=st.integers(1, 500),
    first_steps=st.integers(0, 50),
    more_steps=st.integers(0, 50),
    bandwidth=st.sampled_from((None, 100.0)),
)
def test_decode_steps_add_up_one_by_one(
    context: int, first_steps: int, more_steps: int, bandwidth: float | None
) -> None:
    cost = BatchCost(Node(1e4, 1e3, memory_bandwidth=bandwidth), GATED, W16)
    steps = first_steps + more_steps
    per_step, per_token = cost.step_coefficients()
    one_by_one = sum(per_step + per_token * (context + step) for step in range(steps))
    assert cost.decode_steps_seconds(float(context), float(steps)) == pytest.approx(one_by_one)


@given(prompt=st.integers(1, 500), output=st.integers(1, 500))
def test_decode_steps_after_the_prefill_are_the_published_decode(prompt: int, output: int) -> None:
    cost = BatchCost(Node(1e4, 1e3, memory_bandwidth=100.0), GATED, W16)
    assert cost.decode_steps_seconds(prompt + 1.0, output - 1.0) == pytest.approx(
        cost.decode_seconds(float(prompt), float(output))
    )


def test_weights_that_do_not_fit_are_refused_by_how_much() -> None:
    node = Node(2e9, 1e3, name="small node")
    model = GATED.replace(parameters=1_500_000_000, name="big model")
    with pytest.raises(CannotHostError, match=r"big model in w16 needs 3\.00 GB.*1\.00 GB too"):
        require_hostable(node, model, (W16,))


def test_weights_that_just_fit_are_hosted() -> None:
    require_hostable(Node(576.0, 1e3), GATED, (W16,))
    with pytest.raises(CannotHostError):
        require_hostable(Node(575.0, 1e3), GATED, (W16,))
