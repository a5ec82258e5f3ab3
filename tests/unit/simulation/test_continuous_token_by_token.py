"""Continuous batching from event to event against a loop that carries out every single step."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edgebatch.problem import Node, Precision
from edgebatch.scheduling import (
    ContinuousScheduler,
    Hosting,
    JoinRules,
    Ledger,
    NodePool,
    Outcome,
    Reason,
    WaitingQueue,
)
from edgebatch.simulation.continuous_driver import ContinuousSimulation
from edgebatch.simulation.reality import Reality
from edgebatch.workload import Arrival
from toy_runs import TINY_MODEL, W16, ListedWorkload, records

WEIGHT_BYTES, CACHE_BYTES = 12.0, 4.0
MEASURED = W16.replace(
    prefill_factor=1.3,
    decode_factor=0.7,
    prefill_attention_factor=2.9,
    decode_attention_factor=0.3,
    step_overhead_seconds=0.0071,
    request_overhead_seconds=0.093,
)


@dataclass
class Member:
    arrival: Arrival
    joined_at: float = math.nan
    first_token_at: float = math.nan
    produced: int = 0


Fate = tuple[Outcome, Reason, float, float, float, float]
"""Outcome, reason, instants of decision, first token, last token and arrival of the answer."""


@dataclass
class TokenByToken:
    """Continuous batching for a model of 6 parameters, step after step.

    Attributes:
        fates: by request number.
    """

    node: Node
    precision: Precision
    rules: JoinRules
    queue_limit: int | None
    factor: float
    now: float = 0.0
    waiting: list[Member] = field(default_factory=list)
    running: list[Member] = field(default_factory=list)
    fates: dict[int, Fate] = field(default_factory=dict)
    busy_seconds: float = 0.0
    running_seconds: float = 0.0

    def run(self, arrivals: list[Arrival]) -> None:
        coming = list(arrivals)
        while coming or self.waiting or self.running:
            while coming and self.reaches_node_at(coming[0]) <= self.now:
                self.submit(coming.pop(0))
            self.expire(self.now)
            joining = self.join()
            if joining or self.running:
                self.step(joining)
            elif coming:
                self.now = self.reaches_node_at(coming[0])

    def reaches_node_at(self, arrival: Arrival) -> float:
        return arrival.arrival_seconds + self.node.uplink_seconds

    def pass_seconds(self) -> float:
        bandwidth = self.node.memory_bandwidth
        reading = 0.0 if bandwidth is None else WEIGHT_BYTES / bandwidth
        overheads = self.node.step_overhead_seconds + self.precision.step_overhead_seconds
        return overheads + reading

    def prefill_seconds(self, arrival: Arrival) -> float:
        prompt, factor = arrival.prompt_tokens, self.precision.prefill_factor
        apart = self.precision.prefill_attention_factor
        work = 12.0 * factor * prompt + 4.0 * (factor if apart is None else apart) * prompt**2
        return self.precision.request_overhead_seconds + work / self.node.flops

    def decode_seconds(self, context: int) -> float:
        bandwidth = self.node.memory_bandwidth
        reading = 0.0 if bandwidth is None else CACHE_BYTES * context / bandwidth
        factor, apart = self.precision.decode_factor, self.precision.decode_attention_factor
        work = 12.0 * factor + 4.0 * (factor if apart is None else apart) * context
        return work / self.node.flops + reading

    def alone_seconds(self, arrival: Arrival) -> float:
        contexts = range(arrival.prompt_tokens + 1, arrival.prompt_tokens + arrival.output_tokens)
        decoding = sum(self.decode_seconds(context) for context in contexts)
        passes = arrival.output_tokens * self.pass_seconds()
        return self.prefill_seconds(arrival) + decoding + passes

    def latest_join(self, arrival: Arrival) -> float:
        due = arrival.arrival_seconds + arrival.deadline_seconds * (1.0 + 1e-9)
        return due - self.node.downlink_seconds - self.alone_seconds(arrival)

    def submit(self, arrival: Arrival) -> None:
        at = self.reaches_node_at(arrival)
        self.expire(at)
        need = CACHE_BYTES * (arrival.prompt_tokens + arrival.output_tokens)
        if arrival.min_quality > 1.0:
            self.turn_away(arrival, Outcome.REJECTED, Reason.QUALITY, at)
        elif WEIGHT_BYTES + need > self.node.memory_bytes:
            self.turn_away(arrival, Outcome.REJECTED, Reason.MEMORY, at)
        elif self.rules.expire and self.latest_join(arrival) < at:
            self.turn_away(arrival, Outcome.REJECTED, Reason.DEADLINE, at)
        elif self.queue_limit is not None and len(self.waiting) >= self.queue_limit:
            self.turn_away(arrival, Outcome.REJECTED, Reason.QUEUE_FULL, at)
        else:
            self.waiting.append(Member(arrival))

    def expire(self, now: float) -> None:
        for member in list(self.waiting):
            latest = self.latest_join(member.arrival)
            if self.rules.expire and latest < now:
                self.waiting.remove(member)
                reason = Reason.WAITED_TOO_LONG
                self.turn_away(member.arrival, Outcome.EXPIRED, reason, latest)

    def turn_away(self, arrival: Arrival, outcome: Outcome, reason: Reason, at: float) -> None:
        self.fates[arrival.number] = (outcome, reason, at, math.nan, math.nan, math.nan)

    def urgency(self, member: Member) -> float:
        if self.rules.order == "fcfs":
            return member.arrival.arrival_seconds
        if self.rules.order == "edf":
            return member.arrival.arrival_seconds + member.arrival.deadline_seconds
        return self.alone_seconds(member.arrival)

    def join(self) -> list[Member]:
        joining: list[Member] = []
        for member in sorted(self.waiting, key=self.urgency):
            present = [each.arrival for each in (*self.running, *joining, member)]
            tokens = sum(each.prompt_tokens + each.output_tokens for each in present)
            too_many = self.rules.batch_cap is not None and len(present) > self.rules.batch_cap
            if too_many or WEIGHT_BYTES + CACHE_BYTES * tokens > self.node.memory_bytes:
                break
            member.joined_at = self.now
            joining.append(member)
        self.waiting = [member for member in self.waiting if member not in joining]
        return joining

    def step(self, joining: list[Member]) -> None:
        seconds = self.pass_seconds()
        seconds += sum(self.prefill_seconds(member.arrival) for member in joining)
        seconds += sum(
            self.decode_seconds(member.arrival.prompt_tokens + member.produced)
            for member in self.running
        )
        self.now += self.factor * seconds
        self.running += joining
        self.busy_seconds += self.factor * seconds
        self.running_seconds += self.factor * seconds * len(self.running)
        for member in list(self.running):
            member.produced += 1
            if member.produced == 1:
                member.first_token_at = self.now
            if member.produced == member.arrival.actual_output_tokens:
                self.running.remove(member)
                self.finish(member)

    def finish(self, member: Member) -> None:
        arrival = member.arrival
        answered = self.now + self.node.downlink_seconds
        due = arrival.arrival_seconds + arrival.deadline_seconds * (1.0 + 1e-9)
        self.fates[arrival.number] = (
            Outcome.IN_TIME if answered <= due else Outcome.LATE,
            Reason.NONE,
            member.joined_at,
            member.first_token_at,
            self.now,
            answered,
        )


def drawn_arrivals(seed: int, count: int, rate: float, shorter: bool) -> list[Arrival]:
    """Return arrivals whose times tie with nothing, so that rounding decides nothing."""
    generator = np.random.default_rng(seed)
    times = np.cumsum(generator.exponential(1.0 / rate, count))
    arrivals = []
    for number, at in enumerate(times.tolist()):
        prompt, output = (int(length) for length in generator.integers(1, 12, 2))
        actual = int(generator.integers(1, output + 1)) if shorter else output
        deadline = float(generator.uniform(1.0, 40.0))
        arrivals.append(Arrival(number, at, prompt, output, actual, deadline))
    return arrivals


@settings(max_examples=300)
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(1, 14),
    rate=st.sampled_from((0.1, 1.0, 5.0)),
    shorter=st.booleans(),
    order=st.sampled_from(("fcfs", "edf", "sjf")),
    batch_cap=st.sampled_from((None, 1, 2, 4)),
    queue_limit=st.sampled_from((None, 1, 3)),
    expire=st.booleans(),
    cached_tokens=st.sampled_from((18, 40, 1000)),
    bandwidth=st.sampled_from((None, 37.7)),
    radio_seconds=st.sampled_from((0.0, 0.3)),
    overhead=st.sampled_from((0.0, 0.0137)),
    factor=st.sampled_from((1.0, 1.21, 0.83)),
    precision=st.sampled_from((W16, MEASURED)),
)
def test_every_request_meets_the_same_fate_at_the_same_time(
    seed: int,
    count: int,
    rate: float,
    shorter: bool,
    order: str,
    batch_cap: int | None,
    queue_limit: int | None,
    expire: bool,
    cached_tokens: int,
    bandwidth: float | None,
    radio_seconds: float,
    overhead: float,
    factor: float,
    precision: Precision,
) -> None:
    arrivals = drawn_arrivals(seed, count, rate, shorter)
    node = Node(
        memory_bytes=WEIGHT_BYTES + CACHE_BYTES * cached_tokens,
        flops=71.3,
        memory_bandwidth=bandwidth,
        uplink_seconds=radio_seconds,
        downlink_seconds=radio_seconds / 2.0,
        step_overhead_seconds=overhead,
        batch_overhead_seconds=overhead,
    )
    rules = JoinRules(order, batch_cap, expire)
    scheduler = ContinuousScheduler(
        Hosting(node, TINY_MODEL, (precision,)),
        rules,
        WaitingQueue(Ledger(), queue_limit=queue_limit),
    )
    log = ContinuousSimulation(
        NodePool([scheduler]), ListedWorkload(tuple(arrivals)), Reality(time_factor=factor)
    ).run()
    reference = TokenByToken(node, precision, rules, queue_limit, factor)
    # rounding would decide between different lengths that take equally long
    durations = {
        each[2:4]: round(reference.alone_seconds(each), 9) for each in arrivals if order == "sjf"
    }
    assume(len(set(durations.values())) == len(durations))
    reference.run(arrivals)
    for record in records(log):
        outcome, reason, *instants = reference.fates[record.number]
        assert (record.outcome, record.reason) == (outcome, reason), record
        assert [
            record.decided_at_seconds,
            record.first_token_at_seconds,
            record.last_token_at_seconds,
            record.finished_at_seconds,
        ] == pytest.approx(instants, rel=1e-9, nan_ok=True), record
    assert len(log.ledger) == len(arrivals)
    assert log.busy_seconds == pytest.approx(reference.busy_seconds, rel=1e-9)
    assert log.running_seconds == pytest.approx(reference.running_seconds, rel=1e-9)
