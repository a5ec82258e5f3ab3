"""Every admission of ``rolling`` judged by the evaluator, and whether promises are kept."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edgebatch.cost import evaluate
from edgebatch.problem import Committed, InFlight, Node, Precision, Problem, Request, Requests
from edgebatch.scheduling import (
    Ledger,
    NodePool,
    Outcome,
    RequestRecord,
    RollingRules,
    RollingScheduler,
    Waiting,
    WaitingQueue,
)
from edgebatch.simulation import ContinuousSimulation, RunLog
from edgebatch.workload import Arrival
from toy_runs import TINY_MODEL, W8, W16, arrival, hosting, listed, records


class JudgedRolling(RollingScheduler):
    """Shows every admission to the evaluator, from a book of its own on what runs."""

    def __init__(self, *args: Any, **knobs: Any) -> None:
        super().__init__(*args, **knobs)
        self.running: dict[int, tuple[Waiting, int]] = {}
        self.steps: list[int] = []
        self.num_admissions = 0

    def join(self, now: float, step: int, pass_began_at: float | None = None) -> list[Waiting]:
        committed = tuple(
            Committed(
                member.arrival.prompt_tokens + step - joined,
                member.arrival.output_tokens - (step - joined),
                member.deadline_at_seconds - now,
            )
            for member, joined in self.running.values()
        )
        joining = super().join(now, step, pass_began_at)
        if joining:
            self.num_admissions += len(joining)
            self.steps.append(step)
            self.judge(now, joining, committed)
        self.running |= {each.arrival.number: (each, step) for each in joining}
        return joining

    def judge(self, now: float, joining: list[Waiting], committed: tuple[Committed, ...]) -> None:
        # the prompts of those who join are at the node already
        node = self.hosting.node.replace(uplink_seconds=0.0)
        precision = self.cost.precision
        requests = Requests.from_list(
            Request(
                str(each.arrival.number),
                each.arrival.prompt_tokens,
                each.arrival.output_tokens,
                each.deadline_at_seconds - now,
                each.arrival.min_quality,
            )
            for each in joining
        )
        running = InFlight(precision.name, committed)
        problem = Problem(node, TINY_MODEL, (precision,), requests, in_flight=running)
        assert evaluate(problem, range(len(joining)), precision.name).violations == ()

    def complete(self, waiting: Waiting, **times: Any) -> RequestRecord:
        del self.running[waiting.arrival.number]
        return super().complete(waiting, **times)


@st.composite
def workloads(draw: st.DrawFn, shorter: bool = False) -> list[Arrival]:
    """Requests with between just enough time and plenty, now and then at the same instant."""
    sizes = st.integers(1, 12)
    arrivals, now = [], 0.0
    for number in range(draw(st.integers(2, 12))):
        now += draw(st.sampled_from((0.0, 0.25, 1.0, 5.0)) | st.floats(0.0, 8.0))
        prompt, output = draw(sizes), draw(sizes)
        first = 0.75 + (12 * prompt + 4 * prompt**2) / 16.0 + 0.125
        alone = first + 0.125 * (output - 1)
        alone += sum(12 + 4 * (prompt + grown) for grown in range(1, output)) / 16.0
        arrivals.append(
            arrival(
                number,
                now,
                prompt,
                output,
                deadline=alone * draw(st.sampled_from((0.9, 1.0, 1.0, 1.1, 1.5, 2.0, 3.0, 10.0))),
                actual=draw(st.integers(1, output)) if shorter else None,
            )._replace(
                value=draw(st.sampled_from((1.0, 1.0, 0.5, 3.0))),
                ttft_seconds=first
                * draw(st.sampled_from((0.9, 1.0, 1.5, 4.0, math.inf, math.inf))),
            )
        )
    return arrivals


rules = st.builds(
    RollingRules,
    batch_cap=st.sampled_from((None, None, 1, 3)),
    reserve=st.sampled_from((None, 0.0, 0.5)),
    ageing=st.sampled_from((0.0, 2.0)),
)
nodes = st.builds(
    Node,
    memory_bytes=st.sampled_from((1e6, 12.0 + 4.0 * 40)),
    flops=st.just(16.0),
    uplink_seconds=st.sampled_from((0.0, 0.5)),
    downlink_seconds=st.sampled_from((0.0, 0.25)),
    step_overhead_seconds=st.sampled_from((0.0, 0.125)),
)


def run(node: Node, rules: RollingRules, arrivals: list[Arrival]) -> tuple[JudgedRolling, RunLog]:
    scheduler = JudgedRolling(hosting(node, W16), rules)
    return scheduler, ContinuousSimulation(NodePool([scheduler]), listed(*arrivals)).run()


@given(nodes, rules, workloads())
def test_every_admission_is_feasible_and_everyone_admitted_is_in_time(
    node: Node, rules: RollingRules, arrivals: list[Arrival]
) -> None:
    scheduler, log = run(node, rules, arrivals)
    outcomes = [record.outcome for record in records(log)]
    assert Outcome.LATE not in outcomes
    assert outcomes.count(Outcome.IN_TIME) == scheduler.num_admissions


@given(nodes, rules, workloads(shorter=True))
def test_answers_that_end_early_make_nobody_late(
    node: Node, rules: RollingRules, arrivals: list[Arrival]
) -> None:
    scheduler, log = run(node, rules, arrivals)
    outcomes = [record.outcome for record in records(log)]
    assert Outcome.LATE not in outcomes
    assert outcomes.count(Outcome.IN_TIME) == scheduler.num_admissions


@given(nodes, rules, workloads(shorter=True))
def test_it_decides_at_most_once_a_step_and_the_same_every_time(
    node: Node, rules: RollingRules, arrivals: list[Arrival]
) -> None:
    scheduler, log = run(node, rules, arrivals)
    assert len(set(scheduler.steps)) == len(scheduler.steps)
    # as text, since times that never came are NaN, which does not equal itself
    assert str(records(run(node, rules, arrivals)[1])) == str(records(log))


@given(nodes, workloads(shorter=True))
def test_on_an_idle_node_everyone_is_served_who_can_be(node: Node, arrivals: list[Arrival]) -> None:
    far_apart = [each._replace(arrival_seconds=1e4 * each.number) for each in arrivals]
    _, log = run(node, RollingRules(), far_apart)
    for record, each in zip(records(log), far_apart, strict=True):
        can_be = needed(node, each) <= each.deadline_seconds
        can_be &= needed_for_first(node, each) <= each.ttft_seconds
        assert record.outcome == (Outcome.IN_TIME if can_be else Outcome.REJECTED)


@given(
    st.lists(
        st.tuples(st.sampled_from((8.0, 16.0, 24.0)), st.sampled_from((W8, W16))),
        min_size=2,
        max_size=4,
    ),
    rules,
    workloads(shorter=True),
    st.data(),
)
def test_several_nodes_keep_what_each_has_promised_and_everyone_gets_the_quality_asked_for(
    nodes: list[tuple[float, Precision]],
    rules: RollingRules,
    arrivals: list[Arrival],
    data: st.DataObject,
) -> None:
    qualities = st.sampled_from((0.0, 0.9, 0.95))
    arrivals = [each._replace(min_quality=data.draw(qualities)) for each in arrivals]
    queue = WaitingQueue(Ledger())
    schedulers = [
        JudgedRolling(hosting(Node(memory_bytes=12.0 + 4.0 * 40, flops=flops), each), rules, queue)
        for flops, each in nodes
    ]
    for scheduler in schedulers:
        scheduler.precision = [W8, W16].index(scheduler.cost.precision)
    pool = NodePool(schedulers)
    log = ContinuousSimulation(pool, listed(*arrivals), precisions=("w8", "w16")).run()
    outcomes = [record.outcome for record in records(log)]
    assert Outcome.LATE not in outcomes
    admitted = sum(scheduler.num_admissions for scheduler in schedulers)
    assert outcomes.count(Outcome.IN_TIME) == admitted
    for record, each in zip(records(log), arrivals, strict=True):
        if record.outcome == Outcome.IN_TIME:
            assert (W8, W16)[record.precision].quality >= each.min_quality
    assert len({batch.number for batch in log.batches}) == len(log.batches)


def needed(node: Node, only: Arrival) -> float:
    """Return how long a request takes alone, up to its output limit, step by step."""
    prompt, output = only.prompt_tokens, only.output_tokens
    work = 12 * prompt + 4 * prompt**2
    work += sum(12 + 4 * (prompt + grown) for grown in range(1, output))
    seconds = node.radio_seconds + work / 16.0 + output * node.step_overhead_seconds
    return seconds * (1.0 - 1e-9)


def needed_for_first(node: Node, only: Arrival) -> float:
    """Return how long a request's first token takes alone."""
    work = 12 * only.prompt_tokens + 4 * only.prompt_tokens**2
    return (node.uplink_seconds + work / 16.0 + node.step_overhead_seconds) * (1.0 - 1e-9)
