"""What is learnt of the node's pace and of the demand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgebatch.scheduling.observed import ObservedDemand, ObservedPace, PaceBySize, PromiseMargin


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.2])
def test_a_constant_pace_is_known_after_the_first_observation(factor: float) -> None:
    pace = ObservedPace()
    for believed in (0.5, 3.0, 0.01):
        pace.observe(believed, factor * believed)
        assert pace.pace == pytest.approx(factor)


def test_long_stretches_weigh_more() -> None:
    pace = ObservedPace()
    pace.observe(1.0, 1.0)
    pace.observe(3.0, 6.0)
    kept = math.exp(-3.0 / 20.0)
    assert pace.pace == pytest.approx((kept * 1.0 + 6.0) / (kept * 1.0 + 3.0))


def test_noise_of_mean_one_leaves_the_pace_and_shows_as_scatter() -> None:
    pace, generator = PaceBySize(), np.random.default_rng(1)
    noise = 0.2
    for factor in generator.lognormal(-(noise**2) / 2.0, noise, 2000):
        pace.observe(0.1, 0.1 * factor, 4)
    # 200 stretches lie within the memory of 20 s: standard error 0.2/√200 ≈ 0.014
    assert pace.pace == pytest.approx(1.0, abs=0.04)
    # mean absolute deviation of a normal: √(2/π)·0.2 = 0.16
    assert pace.scatter == pytest.approx(0.16, abs=0.03)


def test_a_stretch_that_was_believed_to_take_no_time_does_not_make_all_doubtful() -> None:
    pace = PaceBySize()
    for _ in range(10):
        pace.observe(0.05, 0.05, 1.0)
    pace.observe(1e-6, 0.6, 1.0)
    assert pace.scatter < 1.0


def test_a_change_of_pace_is_approached_from_one_side_without_overshooting() -> None:
    pace = ObservedPace()
    for _ in range(100):
        pace.observe(1.0, 1.0)
    paces = []
    for _ in range(300):
        pace.observe(1.0, 1.5)
        paces.append(pace.pace)
    assert all(np.diff(paces) > 0.0)
    assert paces[-1] < 1.5
    # what was before counts e^(−20/20) after 20 s, and next to nothing after 300 s
    assert paces[19] == pytest.approx(1.5 - 0.5 * math.exp(-1.0), abs=0.01)
    assert paces[-1] == pytest.approx(1.5, abs=1e-5)


def test_each_size_has_a_pace_of_its_own_once_enough_was_seen() -> None:
    pace = PaceBySize()
    for _ in range(100):  # alone twice as fast as believed, by eights half as slow again
        pace.observe(0.25, 0.125, 1.0)
        pace.observe(0.25, 0.375, 8.0)
    assert pace.pace == pytest.approx(1.0, abs=0.02)
    assert pace.at(1) == pytest.approx(0.5, abs=0.03)
    assert pace.at(8) == pytest.approx(1.5, abs=0.03)
    # nothing was seen by fours, so there all counts; by sixes what was seen by eights does
    assert pace.at(4) == pytest.approx(pace.pace)
    assert pace.pace < pace.at(6) < pace.at(8) + 1e-9
    assert pace.scatter < 0.1


def test_a_pace_that_is_the_same_at_every_size_is_that_at_every_size() -> None:
    pace = PaceBySize()
    for size in (1.0, 1.5, 3.0, 70.0, 1e9):
        pace.observe(0.3, 0.36, size)
    assert [pace.at(size) for size in (0, 1, 5, 33, 10**9)] == pytest.approx([1.2] * 5)
    assert pace.scatter == pytest.approx(0.0, abs=1e-12)


def test_nothing_is_learnt_from_no_time() -> None:
    pace = PaceBySize()
    pace.observe(0.0, 1.0, 1)
    pace.observe(1.0, 0.0, 1)
    pace.overall.observe(1.0, 0.0)
    assert (pace.pace, pace.at(1), pace.scatter) == (1.0, 1.0, 0.0)


def demand_of(*arrivals: tuple[float, float, float]) -> ObservedDemand:
    demand = ObservedDemand()
    for arrival in arrivals:
        demand.observe(*arrival)
    return demand


def test_nothing_is_asked_before_the_second_arrival() -> None:
    for demand in (demand_of(), demand_of((5.0, 3.0, 1.0))):
        assert demand.work_per_second() == 0.0
        assert demand.price(1.0) == math.inf


def test_work_per_second_counts_as_many_arrivals_as_gaps() -> None:
    # 3 + 5 seconds of work in the four seconds since the first
    assert demand_of((0.0, 99.0, 1.0), (1.0, 3.0, 1.0), (4.0, 5.0, 1.0)).work_per_second() == 2.0


def test_arrivals_all_at_once_ask_for_more_than_any_node_has() -> None:
    demand = demand_of((1.0, 1.0, 1.0), (1.0, 1.0, 1.0))
    assert demand.work_per_second() == math.inf
    assert demand.price(1.0) == 1.0


def test_the_price_is_the_first_that_cannot_be_paid_for_all_that_are_no_dearer() -> None:
    demand = demand_of((0.0, 9.0, 1.0), (1.0, 1.0, 1.0), (2.0, 4.0, 1.0), (5.0, 2.0, 1.0))
    assert demand.price(1.0) == 4.0  # 1 + 2 ≤ 5 < 1 + 2 + 4
    assert demand.price(2.0) == 2.0  # on a node half as fast 2 ≤ 5 < 2 + 4
    assert demand.price(0.5) == math.inf  # on one twice as fast 3.5 ≤ 5


def test_the_price_is_work_for_a_unit_of_value() -> None:
    demand = demand_of((0.0, 9.0, 1.0), (2.0, 4.0, 8.0), (4.0, 2.0, 1.0))
    assert demand.price(1.0) == 2.0  # 0.5 a unit comes first and takes the four seconds


def test_what_was_long_ago_is_forgotten() -> None:
    demand = demand_of(*((float(second), 50.0, 1.0) for second in range(100)))
    for second in range(100, 300):
        demand.observe(float(second), 0.25, 1.0)
    assert demand.work_per_second() == pytest.approx(0.25)


def test_a_late_answer_raises_the_margin_until_two_hundred_are_in_time() -> None:
    promises = PromiseMargin()
    promises.note(0.0, 1.0, in_time=False)
    assert promises.margin == pytest.approx(0.05)
    for number in range(199):  # 0.05 · 0.005/0.995 each
        assert promises.margin > 0.0
        promises.note(float(number), number + 1.0, in_time=True)
    assert promises.margin == pytest.approx(0.0, abs=1e-12)


def test_many_late_of_one_cause_raise_the_margin_once() -> None:
    promises = PromiseMargin()
    for joined_at in (0.0, 1.0, 2.0):
        promises.note(joined_at, 5.0, in_time=False)
    assert promises.margin == pytest.approx(0.05)
    promises.note(5.0, 6.0, in_time=False)
    assert promises.margin == pytest.approx(0.1)


def test_the_margin_has_a_limit() -> None:
    promises = PromiseMargin()
    for number in range(100):
        promises.note(float(number), number + 0.5, in_time=False)
    assert promises.margin == 0.5


def test_the_share_of_late_answers_becomes_the_one_aimed_at() -> None:
    # with margin m one in exp(−20·m − 2) is late: 13.5 % without, 0.5 % at m = 0.165
    promises, generator = PromiseMargin(), np.random.default_rng(1)
    late = [False] * 20_000
    for number in range(len(late)):
        late[number] = bool(generator.random() < math.exp(-20.0 * promises.margin - 2.0))
        promises.note(float(number), number + 0.5, in_time=not late[number])
    assert np.mean(late[10_000:]) == pytest.approx(0.005, rel=0.2)
