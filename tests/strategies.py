"""Small problems in which some but rarely all requests fit, for Hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from edgebatch.cost import BatchCost, batch_seconds, effective_lengths, hosted_bytes
from edgebatch.problem import Batching, Model, Node, Precision, Problem, Request, Requests

MODELS = (
    Model(layers=2, hidden_size=8, ffn_size=32, heads=2),
    Model(layers=3, hidden_size=12, ffn_size=24, heads=4, kv_heads=2, gated_ffn=True),
)
PRECISIONS = (
    Precision("w16", weight_bytes=2.0),
    Precision("w8", weight_bytes=1.0, decode_factor=0.6, quality=0.97),
    Precision("w4", weight_bytes=0.5, kv_bytes=1.0, prefill_factor=1.2, quality=0.9),
)
QUALITIES = (0.0, 0.0, 0.9, 0.95, 0.99)
SHARES = (0.0, 0.1, 0.2, 0.25, 1 / 3, 0.5, 0.7)


@st.composite
def problems(
    draw: st.DrawFn,
    max_requests: int = 8,
    unit_values: bool = False,
    batching: Batching | None = None,
) -> Problem:
    """Problems without work in flight; memory, time and spectrum each bind in many of them.

    In about half of them a batch may have only a few members.

    All requests together would take 0.4 to 3 seconds of compute, deadlines lie around one second,
    and memory holds from less than a subset to several of them. In about every third problem a
    subset meets its deadline exactly.

    Args:
        draw: given by Hypothesis.
        max_requests: most requests, at least 1; there may be none.
        unit_values: every request is worth 1; otherwise unit, small whole or free values.
        batching: the batching mode; any if None.
    """
    mode = batching if batching is not None else draw(st.sampled_from(Batching))
    model = draw(st.sampled_from(MODELS))
    precisions = tuple(
        draw(_as_measured(precision))
        for precision in draw(
            st.lists(st.sampled_from(PRECISIONS), min_size=1, max_size=3, unique=True)
        )
    )
    node = Node(
        memory_bytes=1.0,
        flops=1.0,
        memory_bandwidth=draw(st.sampled_from((None, None, 1.0))),
        uplink_seconds=draw(st.sampled_from((0.125, 0.0))),
        downlink_seconds=draw(st.sampled_from((0.125, 0.0))),
        batch_overhead_seconds=draw(st.sampled_from((0.0, 0.0, 0.01))),
        reserved_bytes=draw(st.sampled_from((0.0, 100.0))),
    )
    members = draw(_requests(max_requests, unit_values))
    problem = Problem(
        node,
        model,
        precisions,
        Requests.from_list(members),
        mode,
        max_batch=draw(st.sampled_from((None, None, None, 1, 2, 3))),
    )
    if not members:
        return problem.replace(node=node.replace(memory_bytes=1e9))
    return draw(_with_tight_budgets(problem, members))


@st.composite
def _as_measured(draw: st.DrawFn, precision: Precision) -> Precision:
    """A precision as it is, or with what only a measured one has."""
    if draw(st.sampled_from((True, True, False))):
        return precision
    return precision.replace(
        prefill_attention_factor=draw(st.sampled_from((None, 0.0, 8.0))),
        decode_attention_factor=draw(st.sampled_from((None, 0.0, 8.0))),
        step_overhead_seconds=draw(st.sampled_from((0.0, 0.004))),
        request_overhead_seconds=draw(st.sampled_from((0.0, 0.05, 0.2))),
    )


@st.composite
def _requests(draw: st.DrawFn, max_requests: int, unit_values: bool) -> list[Request]:
    free = st.integers(min_value=1, max_value=64)
    lengths = draw(st.sampled_from((st.sampled_from((4, 8, 16)), free)))
    deadlines = draw(
        st.sampled_from(
            (st.sampled_from((0.5, 0.75, 1.0, 1.5)), st.floats(min_value=0.3, max_value=2.0))
        )
    )
    shares = draw(st.sampled_from((st.sampled_from(SHARES), st.floats(0.0, 0.8), st.just(0.0))))
    return [
        Request(
            id=f"r{index}",
            prompt_tokens=draw(lengths),
            output_tokens=draw(lengths),
            deadline_seconds=draw(deadlines),
            min_quality=draw(st.sampled_from(QUALITIES)),
            value=value,
            uplink_share=draw(shares),
            downlink_share=draw(shares),
        )
        for index, value in enumerate(draw(_values(max_requests, unit_values)))
    ]


@st.composite
def _values(draw: st.DrawFn, max_requests: int, unit_values: bool) -> list[float]:
    kinds: list[st.SearchStrategy[float]] = [st.just(1.0)]
    if not unit_values:
        kinds += [
            st.integers(min_value=1, max_value=5).map(float),
            st.floats(min_value=-3.0, max_value=3.0).map(lambda exponent: float(2.0**exponent)),
        ]
    # most lists near full length: Hypothesis would otherwise mostly draw one or two requests
    fewest = draw(st.sampled_from((max(max_requests - 3, 0), 0)))
    value = draw(st.sampled_from(kinds))
    return draw(st.lists(value, min_size=fewest, max_size=max_requests))


@st.composite
def _with_tight_budgets(draw: st.DrawFn, problem: Problem, members: list[Request]) -> Problem:
    """Set speed and memory to what part of the requests needs, now and then exactly."""
    cost = BatchCost(problem.node, problem.model, problem.precisions[0])
    subset = draw(
        st.lists(st.sampled_from(members), min_size=1, unique_by=lambda member: member.id)
    )
    hosted = hosted_bytes(problem.node, problem.model, problem.precisions)
    cache = sum(
        cost.kv_bytes(float(prompt), float(output))
        for prompt, output in effective_lengths(subset, problem.batching)
    )
    room = draw(st.sampled_from((0.7, 1.0, 1.0, 1.5, 3.0, 10.0)))
    work = batch_seconds(members, problem.batching, cost)
    pace = draw(st.sampled_from((0.3, 0.5, 0.8, 1.2, 2.5)))
    bandwidth = problem.node.memory_bandwidth
    node = problem.node.replace(
        memory_bytes=hosted + room * cache,
        flops=pace * work,
        memory_bandwidth=None if bandwidth is None else bandwidth * pace * work,
    )
    problem = problem.replace(node=node)
    if draw(st.integers(0, 2)) == 0:
        problem = _deadlines_met_exactly(problem, members, subset)
    return problem


def _deadlines_met_exactly(
    problem: Problem, members: list[Request], subset: list[Request]
) -> Problem:
    """Give the members of ``subset`` the very deadline at which they are answered together."""
    cost = BatchCost(problem.node, problem.model, problem.precisions[0])
    seconds = batch_seconds(subset, problem.batching, cost)
    answered = problem.node.uplink_seconds + seconds + problem.node.downlink_seconds
    chosen = {member.id for member in subset}
    return problem.replace(
        requests=Requests.from_list(
            Request(
                id=member.id,
                prompt_tokens=member.prompt_tokens,
                output_tokens=member.output_tokens,
                deadline_seconds=answered if member.id in chosen else member.deadline_seconds,
                min_quality=member.min_quality,
                value=member.value,
                uplink_share=member.uplink_share,
                downlink_share=member.downlink_share,
            )
            for member in members
        )
    )
