"""Who joins a running batch, who waits, and what for."""

from __future__ import annotations

import gc
from dataclasses import replace

import pytest

from edgebatch.cost import Budget
from edgebatch.errors import CannotHostError, InputError, UnknownNameError
from edgebatch.scheduling import ContinuousScheduler, JoinRules, Outcome, Reason, Waiting
from toy_runs import ONE_SECOND_A_TOKEN, W8, W16, arrival, expire, hosting, submit


def scheduler_for(rules: JoinRules | None = None, cached_tokens: int = 1000) -> ContinuousScheduler:
    node = ONE_SECOND_A_TOKEN.replace(memory_bytes=12.0 + 4.0 * cached_tokens)
    return ContinuousScheduler(hosting(node), rules or JoinRules())


def numbers(joined: list[Waiting]) -> list[int]:
    return [waiting.arrival.number for waiting in joined]


def finish(scheduler: ContinuousScheduler, waiting: Waiting) -> None:
    scheduler.complete(waiting, joined_at=0.0, first_token_at=1.0, last_token_at=2.0, join=0)


@pytest.mark.parametrize(
    ("order", "joined"), [("fcfs", [0, 1]), ("edf", [2, 0]), ("sjf", [1, 2]), ("SJF", [1, 2])]
)
def test_the_order_decides_who_joins_first(order: str, joined: list[int]) -> None:
    scheduler = scheduler_for(JoinRules(order, batch_cap=2))
    submit(scheduler, arrival(0, 0.0, 9, deadline=50.0), 0.0)
    submit(scheduler, arrival(1, 1.0, 1, deadline=60.0), 1.0)
    submit(scheduler, arrival(2, 2.0, 2, deadline=40.0), 2.0)
    assert numbers(scheduler.join(3.0, 0)) == joined
    assert scheduler.binding() is Budget.SIZE


@pytest.mark.parametrize(("cap", "running"), [(None, 3), (2, 2), (9, 3)])
def test_no_more_run_than_the_engine_runs_at_once(cap: int | None, running: int) -> None:
    of_three = replace(hosting(), max_running=3)
    scheduler = ContinuousScheduler(of_three, JoinRules(batch_cap=cap))
    for number in range(5):
        submit(scheduler, arrival(number, 0.0), 0.0)
    assert len(scheduler.join(0.0, 0)) == running


def test_equal_keys_go_to_the_older() -> None:
    scheduler = scheduler_for(JoinRules("sjf", batch_cap=1))
    for number in range(3):
        submit(scheduler, arrival(number, float(number)), float(number))
    assert numbers(scheduler.join(5.0, 0)) == [0]


def test_an_arrival_that_can_join_ends_the_step_and_one_that_cannot_does_not() -> None:
    scheduler = scheduler_for(cached_tokens=5)
    assert submit(scheduler, arrival(0, 0.0, 1, 2), 0.0)
    scheduler.join(0.0, 0)
    assert not submit(scheduler, arrival(1, 1.0, 2, 1), 1.0)  # 3 + 3 > 5
    assert not submit(scheduler, arrival(2, 2.0, 1, 1), 2.0)  # would fit, but stands behind
    assert scheduler.binding() is Budget.MEMORY


def test_the_whole_answer_is_reserved_until_its_end() -> None:
    scheduler = scheduler_for(cached_tokens=5)
    submit(scheduler, arrival(0, 0.0, 1, 3, actual=1), 0.0)
    submit(scheduler, arrival(1, 0.0, 1, 1), 0.0)
    (first,) = scheduler.join(0.0, 0)
    assert (scheduler.reserved_tokens, scheduler.num_running) == (4, 1)
    assert scheduler.join(1.0, 0) == []
    finish(scheduler, first)
    assert (scheduler.reserved_tokens, scheduler.num_running) == (0, 0)
    assert numbers(scheduler.join(2.0, 0)) == [1]
    assert scheduler.binding() is None


def test_an_expired_head_lets_the_next_one_join() -> None:
    scheduler = scheduler_for(JoinRules(expire=True), cached_tokens=5)
    submit(scheduler, arrival(0, 0.0, 1, 2), 0.0)
    scheduler.join(0.0, 0)
    submit(scheduler, arrival(1, 0.0, 2, 1, deadline=3.0), 0.0)  # takes 2.5 s
    submit(scheduler, arrival(2, 0.0), 0.0)
    assert not expire(scheduler, 0.4)
    assert expire(scheduler, 0.6)
    assert numbers(scheduler.join(0.6, 0)) == [2]
    assert scheduler.ledger.column("outcome").tolist() == [Outcome.EXPIRED]


def test_only_the_chosen_precision_takes_memory() -> None:
    node = ONE_SECOND_A_TOKEN.replace(memory_bytes=12.0 + 4.0 * 2)
    for rules, name, tokens in (
        (JoinRules(), "w16", 2.0),  # the better one serves everyone
        (JoinRules(precision="w8"), "w8", 3.5),
    ):
        scheduler = ContinuousScheduler(hosting(node, W8, W16), rules)
        assert scheduler.cost.precision.name == name
        assert scheduler.token_budget == pytest.approx(tokens, rel=1e-8)


def test_a_precision_that_is_not_hosted_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="precision"):
        ContinuousScheduler(hosting(), JoinRules(precision="w8"))


def test_weights_that_do_not_fit_are_refused() -> None:
    with pytest.raises(CannotHostError):
        ContinuousScheduler(hosting(ONE_SECOND_A_TOKEN.replace(memory_bytes=11.0)), JoinRules())


def test_rules_that_are_none_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'fcfs'"):
        JoinRules("fcsf")
    with pytest.raises(InputError, match="batch_cap"):
        JoinRules(batch_cap=0)


def test_who_has_gone_from_the_back_of_the_line_is_forgotten() -> None:
    scheduler = scheduler_for(JoinRules("sjf", batch_cap=1))
    submit(scheduler, arrival(0, 0.0), 0.0)
    scheduler.join(0.0, 0)
    for number in range(1, 4):
        submit(scheduler, arrival(number, 0.0), 0.0)
    for number in range(4, 1004):  # longer, so that they never come to the front
        submit(scheduler, arrival(number, 0.0, 2), 0.0)
        scheduler.queue.withdraw(number, Outcome.CANCELLED, Reason.CLIENT_GONE, 0.0)
    gc.collect()
    kept = [each for each in gc.get_objects() if type(each) is Waiting]
    assert sum(each.arrival.prompt_tokens == 2 for each in kept) < 200
