"""The evaluator: hand-computed batches, every budget, the tolerance, and a second opinion."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebatch.cost import Budget, evaluate, spectrum_shares
from edgebatch.errors import InputError, UnknownNameError
from edgebatch.problem import Batching, Model, Node, Precision, Problem, Request, Requests
from strategies import problems

# A = 144 (see test_cost_formulas), W = 2·144·2 = 576 bytes, K = 16 bytes a token
GATED = Model(layers=2, hidden_size=4, ffn_size=8, heads=2, kv_heads=1, gated_ffn=True)
W16 = Precision("w16", weight_bytes=2.0, prefill_factor=1.5, decode_factor=0.5)
W8 = Precision("w8", weight_bytes=1.0, quality=0.9)
NODE = Node(
    memory_bytes=1e4,
    flops=1e3,
    memory_bandwidth=100.0,
    step_overhead_seconds=0.01,
    batch_overhead_seconds=0.1,
    reserved_bytes=24.0,
)
LONG = Request("long", prompt_tokens=3, output_tokens=5, deadline_seconds=100.0, value=2.0)
SHORT = Request("short", prompt_tokens=1, output_tokens=2, deadline_seconds=100.0)
# prefill 2016 and 608 FLOP, decode 3008 and 640 FLOP, cache read 4·5.5 = 22 and 1·2 = 2 tokens


def pair(batching: Batching = Batching.RAGGED, node: Node = NODE) -> Problem:
    return Problem(node, GATED, (W16,), Requests.from_list([LONG, SHORT]), batching)


def changed(**changes: object) -> Problem:
    """Return the ragged pair with some fields of its short request changed."""
    fields = {name: getattr(SHORT, name) for name in Request.__slots__} | changes
    return pair().replace(requests=Requests.from_list([LONG, Request(**fields)]))


def test_ragged_batch() -> None:
    evaluation = evaluate(pair(), (0, 1), "w16")
    # arithmetic (1.5·(2016 + 608) + 0.5·(3008 + 640))/1000 = 5.76
    # traffic (5·576 + 16·(22 + 2))/100 = 32.64, overheads 5·0.01 + 0.1 = 0.15
    assert evaluation.latency_seconds == pytest.approx(38.55)
    assert evaluation.memory_bytes == 776.0  # 576 + 24 + 16·(8 + 3)
    assert evaluation.objective == 3.0
    assert evaluation.feasible


def test_prompt_padded_batch() -> None:
    evaluation = evaluate(pair(Batching.PROMPT_PADDED), (0, 1), "w16")
    # the short one at P = 3, G = 2: prefill 2016, decode 2·(288 + 16·4) = 704, cache 1·4 tokens
    # (1.5·4032 + 0.5·3712)/1000 = 7.904, (2880 + 16·26)/100 = 32.96
    assert evaluation.latency_seconds == pytest.approx(7.904 + 32.96 + 0.15)
    assert evaluation.memory_bytes == 808.0  # 600 + 16·(8 + 5)


def test_padded_batch() -> None:
    evaluation = evaluate(pair(Batching.PADDED), (0, 1), "w16")
    # twice the long one: 2·(1.5·2016 + 0.5·3008)/1000 = 9.056, (2880 + 16·44)/100 = 35.84
    assert evaluation.latency_seconds == pytest.approx(9.056 + 35.84 + 0.15)
    assert evaluation.memory_bytes == 856.0  # 600 + 16·16


def test_without_bandwidth_there_is_no_traffic() -> None:
    problem = pair(node=NODE.replace(memory_bandwidth=None))
    assert evaluate(problem, (0, 1), "w16").latency_seconds == pytest.approx(5.76 + 0.15)


def test_weights_of_idle_precisions_take_memory_but_no_time() -> None:
    both = pair().replace(precisions=(W16, W8))
    assert evaluate(both, (0, 1), "w16").memory_bytes == 776.0 + 288.0
    assert evaluate(both, (0, 1), "w16").latency_seconds == pytest.approx(38.55)


def test_an_empty_selection_is_feasible_and_takes_no_time() -> None:
    evaluation = evaluate(pair(), (), "w16")
    assert evaluation.feasible
    assert evaluation.latency_seconds == evaluation.objective == 0.0
    assert evaluation.memory_bytes == 600.0


def test_only_the_batch_without_the_late_request_is_in_time() -> None:
    problem = changed(deadline_seconds=20.0)
    late = evaluate(problem, (0, 1), "w16").violations
    assert [(violation.budget, violation.request) for violation in late] == [(Budget.LATENCY, 1)]
    assert late[0].use == pytest.approx(38.55)
    assert late[0].limit == 20.0
    # alone: (1.5·608 + 0.5·640)/1000 + (2·576 + 16·2)/100 + 0.12 = 1.232 + 11.84 + 0.12
    assert evaluate(problem, (1,), "w16").feasible


def test_radio_phases_take_from_the_deadline() -> None:
    # 38.55 of computing and 100 − 38.55 = 61.45 for both phases
    in_time = NODE.replace(uplink_seconds=61.0, downlink_seconds=0.45)
    late = NODE.replace(uplink_seconds=61.0, downlink_seconds=0.46)
    assert evaluate(pair(node=in_time), (0, 1), "w16").feasible
    violations = evaluate(pair(node=late), (0, 1), "w16").violations
    assert [violation.budget for violation in violations] == [Budget.LATENCY] * 2


def test_too_little_memory_is_named() -> None:
    problem = pair(node=NODE.replace(memory_bytes=775.0))
    (violation,) = evaluate(problem, (0, 1), "w16").violations
    assert (violation.budget, violation.use, violation.limit) == (Budget.MEMORY, 776.0, 775.0)
    assert violation.request is None


def test_a_demand_above_the_quality_is_named_with_its_request() -> None:
    problem = changed(min_quality=0.95).replace(precisions=(W16, W8))
    violations = evaluate(problem, (0, 1), "w8").violations
    assert [(each.budget, each.request, each.use, each.limit) for each in violations] == [
        (Budget.QUALITY, 1, 0.95, 0.9)
    ]


@pytest.mark.parametrize(
    ("share", "phase", "budget"),
    [
        ("uplink_share", "uplink_seconds", Budget.UPLINK),
        ("downlink_share", "downlink_seconds", Budget.DOWNLINK),
    ],
)
def test_spectrum_binds_only_in_a_phase_that_exists(share: str, phase: str, budget: Budget) -> None:
    problem = changed(**{share: 1.25})
    assert evaluate(problem, (0, 1), "w16").feasible
    with_phase = problem.replace(node=NODE.replace(**{phase: 0.5}))
    (violation,) = evaluate(with_phase, (0, 1), "w16").violations
    assert (violation.budget, violation.use, violation.limit) == (budget, 1.25, 1.0)


def test_every_broken_budget_is_listed() -> None:
    problem = changed(deadline_seconds=0.0, min_quality=1.0, uplink_share=2.0, downlink_share=2.0)
    node = NODE.replace(memory_bytes=1.0, uplink_seconds=0.1, downlink_seconds=0.1)
    problem = problem.replace(node=node, precisions=(W8,), max_batch=1)
    violations = evaluate(problem, (0, 1), "w8").violations
    assert {violation.budget for violation in violations} == set(Budget)
    assert [each.budget for each in violations if each.request == 1] == ["quality", "latency"]


JUST_WITHIN, JUST_BEYOND = 1.0 + 0.5e-9, 1.0 + 2e-9


@pytest.mark.parametrize(("excess", "feasible"), [(JUST_WITHIN, True), (JUST_BEYOND, False)])
def test_every_budget_has_a_relative_tolerance_of_1e_9(excess: float, feasible: bool) -> None:
    latency = evaluate(pair(), (0, 1), "w16").latency_seconds
    short_of_time = changed(deadline_seconds=latency / excess)
    short_of_memory = pair(node=NODE.replace(memory_bytes=776.0 / excess))
    assert evaluate(short_of_time, (0, 1), "w16").feasible is feasible
    assert evaluate(short_of_memory, (0, 1), "w16").feasible is feasible
    choosy = changed(min_quality=0.9 * excess).replace(precisions=(W16, W8))
    assert evaluate(choosy, (1,), "w8").feasible is feasible
    for share, phase in (
        ("uplink_share", "uplink_seconds"),
        ("downlink_share", "downlink_seconds"),
    ):
        broad = changed(**{share: excess}).replace(node=NODE.replace(**{phase: 0.5}))
        assert evaluate(broad, (0, 1), "w16").feasible is feasible


@pytest.mark.parametrize("selected", [(2,), (-1,), (0, 0)])
def test_a_selection_that_is_none_is_refused(selected: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="selected"):
        evaluate(pair(), selected, "w16")


def test_a_precision_that_is_not_hosted_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'w16'"):
        evaluate(pair(), (0,), "w15")


def scalar_latency_and_memory(
    problem: Problem, selected: list[int], quantised: Precision
) -> tuple[float, float]:
    """T and Mem once more, straight from formulation §3 and in other terms: pass by pass."""
    model, node = problem.model, problem.node
    heads_width = model.heads * model.head_size
    linear = 2 * model.hidden_size * (heads_width + model.kv_heads * model.head_size)
    linear += (3 if model.gated_ffn else 2) * model.hidden_size * model.ffn_size
    cache = 2 * model.layers * model.kv_heads * model.head_size * quantised.kv_bytes
    bandwidth = math.inf if node.memory_bandwidth is None else node.memory_bandwidth
    chosen = [problem.requests[index] for index in selected]
    memory = node.reserved_bytes + model.parameters * sum(
        precision.weight_bytes for precision in problem.precisions
    )
    if not chosen:
        return 0.0, memory
    longest_prompt = max(request.prompt_tokens for request in chosen)
    passes = max(request.output_tokens for request in chosen)
    latency = node.batch_overhead_seconds + passes * (
        node.step_overhead_seconds
        + quantised.step_overhead_seconds
        + model.parameters * quantised.weight_bytes / bandwidth
    )
    apart = (quantised.prefill_attention_factor, quantised.decode_attention_factor)
    prefill_attention = quantised.prefill_factor if apart[0] is None else apart[0]
    decode_attention = quantised.decode_factor if apart[1] is None else apart[1]
    for request in chosen:
        prompt, output = request.prompt_tokens, request.output_tokens
        if problem.batching is not Batching.RAGGED:
            prompt = longest_prompt
        if problem.batching is Batching.PADDED:
            output = passes
        memory += cache * (prompt + output)
        prefill = quantised.prefill_factor * 2 * linear * prompt
        prefill += prefill_attention * 4 * prompt**2 * heads_width
        latency += quantised.request_overhead_seconds + model.layers * prefill / node.flops
        for produced in range(1, output):
            context = prompt + produced
            step = quantised.decode_factor * 2 * linear
            step += decode_attention * 4 * context * heads_width
            latency += model.layers * step / node.flops + cache * context / bandwidth
    return latency, memory


@given(problem=problems(), data=st.data())
def test_latency_and_memory_agree_with_a_pass_by_pass_count(
    problem: Problem, data: st.DataObject
) -> None:
    everyone = range(len(problem.requests))
    selected = [index for index in everyone if data.draw(st.booleans())]
    for precision in problem.precisions:
        evaluation = evaluate(problem, selected, precision.name)
        latency, memory = scalar_latency_and_memory(problem, selected, precision)
        assert evaluation.latency_seconds == pytest.approx(latency, rel=1e-12)
        assert evaluation.memory_bytes == pytest.approx(memory, rel=1e-12)


@given(problem=problems(), data=st.data())
def test_dropping_a_member_keeps_a_batch_feasible(problem: Problem, data: st.DataObject) -> None:
    selected = [index for index in range(len(problem.requests)) if data.draw(st.booleans())]
    for precision in problem.precisions:
        if selected and evaluate(problem, selected, precision.name).feasible:
            dropped = data.draw(st.sampled_from(selected))
            rest = [index for index in selected if index != dropped]
            assert evaluate(problem, rest, precision.name).feasible


def test_spectrum_is_shared_out_in_proportion_to_the_least_shares() -> None:
    problem = changed(uplink_share=0.1, downlink_share=0.0).replace(
        node=NODE.replace(uplink_seconds=0.5, downlink_seconds=0.5)
    )
    fields = {name: getattr(LONG, name) for name in Request.__slots__} | {"uplink_share": 0.3}
    problem = problem.replace(requests=Requests.from_list([Request(**fields), problem.requests[1]]))
    uplink, downlink = spectrum_shares(problem, (0, 1))
    assert uplink == pytest.approx([0.75, 0.25])  # 0.3 : 0.1
    assert downlink == [0.5, 0.5]  # nobody needs anything


def test_a_phase_that_does_not_exist_has_no_shares() -> None:
    assert spectrum_shares(pair(), (0, 1)) == ([], [])


@given(problem=problems(), data=st.data())
def test_shares_sum_to_one_and_transmissions_end_together(
    problem: Problem, data: st.DataObject
) -> None:
    selected = [index for index in range(len(problem.requests)) if data.draw(st.booleans())]
    node, requests = problem.node, problem.requests
    for shares, least, seconds in zip(
        spectrum_shares(problem, selected),
        (requests.uplink_share, requests.downlink_share),
        (node.uplink_seconds, node.downlink_seconds),
        strict=True,
    ):
        if not selected or seconds == 0.0:
            assert shares == []
            continue
        assert math.fsum(shares) == pytest.approx(1.0)
        # with share x a transmission that needs ρ of the phase takes ρ/x of it
        ends = [
            seconds * float(least[index]) / share
            for index, share in zip(selected, shares, strict=True)
            if share > 0.0
        ]
        assert ends == pytest.approx([seconds * math.fsum(least[selected].tolist())] * len(ends))


def test_more_members_than_a_batch_may_have_are_named() -> None:
    assert evaluate(pair().replace(max_batch=2), (0, 1), "w16").feasible
    (violation,) = evaluate(pair().replace(max_batch=1), (0, 1), "w16").violations
    assert (violation.budget, violation.use, violation.limit) == (Budget.SIZE, 2, 1)
    assert violation.request is None


@pytest.mark.parametrize("most", [0, -1, 1.5, math.inf, True])
def test_a_batch_of_nobody_or_of_part_of_somebody_is_refused(most: Any) -> None:
    with pytest.raises(InputError, match="max_batch: must be a whole number of at least 1"):
        pair().replace(max_batch=most)
