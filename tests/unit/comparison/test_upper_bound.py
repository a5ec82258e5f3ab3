"""The bound on what even a scheduler that knows the future could serve in time."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebatch.comparison.upper_bound import upper_bound
from edgebatch.cost import BatchCost
from edgebatch.scenario import Policy, Scenario
from edgebatch.scheduling import Hosting
from edgebatch.simulation import summarise
from edgebatch.workload import Arrival
from toy_runs import ONE_SECOND_A_TOKEN, TINY_MODEL, W8, W16, arrival, hosting


def bound(*arrivals: Arrival, hosted: Hosting | None = None, slot: float | None = None) -> float:
    return upper_bound(hosted or hosting(), arrivals, slot_seconds=slot).value


def test_nobody_arrives() -> None:
    assert bound() == 0.0


def test_who_can_be_served_alone_counts_and_who_cannot_does_not() -> None:
    assert bound(arrival(0, 0.0, 1, 2, deadline=2.25)) == pytest.approx(1.0)  # 16/16 + 20/16
    assert bound(arrival(0, 0.0, 1, 2, deadline=2.24)) == 0.0


def test_radio_phases_leave_less_time_to_compute() -> None:
    hosted = hosting(ONE_SECOND_A_TOKEN.replace(uplink_seconds=0.25, downlink_seconds=0.5))
    assert bound(arrival(0, 0.0, deadline=1.75), hosted=hosted) == pytest.approx(1.0)
    assert bound(arrival(0, 0.0, deadline=1.74), hosted=hosted) == 0.0


def test_one_second_serves_one_of_two_that_take_a_second_each() -> None:
    both = [arrival(number, 0.0, deadline=1.0) for number in range(2)]
    assert bound(*both) == pytest.approx(1.0)
    assert bound(*both, slot=0.3) == pytest.approx(1.0)


def test_the_more_valuable_of_two_is_counted() -> None:
    both = [arrival(number, 0.0, deadline=1.0)._replace(value=1.0 + number) for number in range(2)]
    assert bound(*both) == pytest.approx(2.0)


def test_passes_are_shared_but_each_gives_a_member_one_token_only() -> None:
    # an overhead of a second a pass makes the arithmetic of two tokens, 2.25 s, take 4.25 s
    hosted = hosting(ONE_SECOND_A_TOKEN.replace(step_overhead_seconds=1.0))
    several = [arrival(number, 0.0, 1, 2, deadline=6.5) for number in range(3)]
    # two passes and twice 2.25 s are 6.5 s
    assert bound(*several[:2], hosted=hosted) == pytest.approx(2.0)
    # what a relaxation gives away: parts x of all three in 2·x passes, 2·x + 3·2.25·x = 6.5
    assert bound(*several, hosted=hosted) == pytest.approx(3 * 6.5 / 8.75)


def test_a_scheduler_that_knows_the_future_knows_how_long_answers_will_be() -> None:
    assert bound(arrival(0, 0.0, 1, 9, deadline=1.0, actual=1)) == pytest.approx(1.0)


def test_those_without_a_deadline_count_as_served() -> None:
    unhurried = arrival(0, 0.0, deadline=float("inf"))._replace(value=2.5)
    assert bound(unhurried, arrival(1, 0.0, deadline=1.0)) == pytest.approx(3.5)


def test_it_says_which_part_of_each_request_it_counts() -> None:
    both = [arrival(0, 0.0, deadline=1.0), arrival(1, 0.0, deadline=0.9), arrival(2, 5.0)]
    assert upper_bound(hosting(), both).shares == pytest.approx([1.0, 0.0, 1.0])


def test_a_precision_counts_where_it_is_good_enough_and_there_is_room() -> None:
    strict = arrival(0, 0.0, 1, 2, deadline=2.0, quality=1.0)
    easy = arrival(0, 0.0, 1, 2, deadline=2.0, quality=0.5)
    both = hosting(ONE_SECOND_A_TOKEN, W16, W8)  # at 8 bits 16/16 + 0.6·20/16 = 1.75 s
    assert bound(strict, hosted=both) == 0.0
    assert bound(easy, hosted=both) == pytest.approx(1.0)
    small = ONE_SECOND_A_TOKEN.replace(memory_bytes=12.0 + 4.0 * 2)
    assert bound(arrival(0, 0.0, 1, 2), hosted=hosting(small)) == 0.0
    assert bound(arrival(0, 0.0, 1, 1), hosted=hosting(small)) == pytest.approx(1.0)


def test_memory_has_the_tolerance_of_the_formulation() -> None:
    # 8 bytes of cache where 7 are free: within 1e-9 of a memory of 1e12 bytes
    node = ONE_SECOND_A_TOKEN.replace(memory_bytes=1e12 + 12.0 + 7.0, reserved_bytes=1e12)
    assert bound(arrival(0, 0.0, 1, 1), hosted=hosting(node)) == pytest.approx(1.0)


class EveryOrder:
    """Tries every way to let requests into a running batch, step by step."""

    def __init__(self, hosted: Hosting, arrivals: list[Arrival]) -> None:
        self.cost = BatchCost(hosted.node, TINY_MODEL, W16)
        self.arrivals = arrivals

    def most(
        self,
        now: float = 0.0,
        waiting: frozenset[int] | None = None,
        running: tuple[tuple[int, int], ...] = (),
    ) -> int:
        """Return how many of those who wait or run, (index, tokens so far), can be in time."""
        left = frozenset(range(len(self.arrivals))) if waiting is None else waiting
        here = [each for each in left if self.arrivals[each].arrival_seconds <= now]
        best = 0
        for size in range(len(here) + 1):
            for joining in combinations(here, size):
                members = (*running, *((each, 0) for each in joining))
                if members:
                    best = max(best, self.after_step(now, left - set(joining), members))
        if not running:
            to_come = [self.arrivals[each].arrival_seconds for each in left - set(here)]
            best = max(best, self.most(min(to_come), left) if to_come else 0)
        return best

    def after_step(
        self, now: float, left: frozenset[int], members: tuple[tuple[int, int], ...]
    ) -> int:
        end = now + self.cost.step_seconds
        for index, done in members:
            prompt = float(self.arrivals[index].prompt_tokens)
            end += (
                self.cost.decode_steps_seconds(prompt + done, 1.0)
                if done
                else self.cost.prefill_seconds(prompt)
            )
        in_time, staying = 0, []
        for index, done in members:
            each = self.arrivals[index]
            if done + 1 < each.actual_output_tokens:
                staying.append((index, done + 1))
            elif end <= (each.arrival_seconds + each.deadline_seconds) * (1.0 + 1e-12):
                in_time += 1
        return in_time + self.most(end, left, tuple(staying))


@st.composite
def crowded(draw: st.DrawFn) -> list[Arrival]:
    sizes = st.integers(1, 3)
    return [
        arrival(
            number,
            draw(st.sampled_from((0.0, 0.5, 1.0, 2.0, 3.5))),
            draw(sizes),
            draw(sizes),
            deadline=draw(st.sampled_from((1.0, 2.25, 3.0, 4.75, 6.5, 9.0, 12.0))),
        )
        for number in range(draw(st.integers(2, 4)))
    ]


@given(crowded(), st.sampled_from((0.0, 0.25, 1.0)), st.sampled_from((None, 0.7, 100.0)))
def test_no_order_of_admissions_serves_more_than_the_bound(
    arrivals: list[Arrival], overhead: float, slot: float | None
) -> None:
    hosted = hosting(ONE_SECOND_A_TOKEN.replace(step_overhead_seconds=overhead))
    most = EveryOrder(hosted, arrivals).most()
    assert most <= bound(*arrivals, hosted=hosted, slot=slot) + 1e-6


@pytest.mark.parametrize(
    "policy", ["rolling", "continuous", "continuous-edf", "continuous-sjf", "dftsp", "sjf"]
)
def test_no_policy_serves_more_than_the_bound(policy: str) -> None:
    for name, rate in (("peers-7b", 15.0), ("orin-chat", 6.0)):
        settings = [f"workload.rate_per_second={rate}", "workload.num_requests=150"]
        scenario = Scenario.load(name, settings)
        in_time = summarise(scenario.run(Policy(policy))).in_time
        most = upper_bound(scenario.hosting, scenario.workload).value
        assert in_time <= most + 1e-6
        assert most < 140  # fewer than arrive, so that it says something


def test_shorter_slots_tighten_the_bound() -> None:
    settings = ["workload.rate_per_second=15", "workload.num_requests=150"]
    scenario = Scenario.load("peers-7b", settings)
    coarse, fine = (
        upper_bound(scenario.hosting, scenario.workload, slot_seconds=seconds).value
        for seconds in (12.0, 1.0)
    )
    assert fine < coarse - 0.5
