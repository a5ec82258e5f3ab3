"""Whom ``rolling`` lets in, in which order, and what it tells the others."""

from __future__ import annotations

import pytest

from edgebatch.cost import Budget
from edgebatch.errors import InputError, UnknownNameError
from edgebatch.scheduling import (
    Ledger,
    Outcome,
    Reason,
    RollingRules,
    RollingScheduler,
    Waiting,
    WaitingQueue,
)
from edgebatch.workload import Arrival
from toy_runs import ONE_SECOND_A_TOKEN, W8, W16, arrival, expire, hosting, submit

# a prompt of one token takes 1 s, of two 40/16 = 2.5 s, of three 72/16 = 4.5 s;
# a decode step at context c takes (12 + 4·c)/16 s: 1.25, 1.5, 1.75, … from c = 2 on


def scheduler_for(rules: RollingRules | None = None, cached_tokens: int = 1000) -> RollingScheduler:
    node = ONE_SECOND_A_TOKEN.replace(memory_bytes=12.0 + 4.0 * cached_tokens)
    return RollingScheduler(hosting(node), rules or RollingRules(reserve=0.0))


def asking_for_first_token(ttft_seconds: float, of: Arrival) -> Arrival:
    return of._replace(ttft_seconds=ttft_seconds)


def numbers(joined: list[Waiting]) -> list[int]:
    return [waiting.arrival.number for waiting in joined]


def finish(scheduler: RollingScheduler, waiting: Waiting) -> None:
    scheduler.complete(waiting, joined_at=0.0, first_token_at=1.0, last_token_at=2.0, join=0)


def test_nobody_joins_who_would_make_a_member_late() -> None:
    scheduler = scheduler_for()
    submit(scheduler, arrival(0, 0.0, 1, 2, deadline=2.25), 0.0)  # no slack
    assert numbers(scheduler.join(0.0, 0)) == [0]
    assert not submit(scheduler, arrival(1, 0.0), 0.0)
    assert scheduler.join(1.0, 1) == []
    assert scheduler.binding() is Budget.LATENCY


def test_a_pass_that_runs_is_counted_from_its_beginning() -> None:
    scheduler = scheduler_for()
    submit(scheduler, arrival(0, 0.0, 1, 3, deadline=3.75), 0.0)  # 1 + 1.25 + 1.5, no slack
    assert numbers(scheduler.join(0.0, 0)) == [0]
    submit(scheduler, arrival(1, 1.5, deadline=100.0), 1.5)
    # counted from 2.0 the member would seem lost, and so bar nobody
    assert scheduler.join(2.0, 1, pass_began_at=1.0) == []


def test_who_joins_while_a_pass_runs_waits_for_its_end() -> None:
    # from 1.0 on 1.25 s for the pass that runs, then 1.5 s for the member's next token and 1 s for
    # the joiner's prompt; counted from 1.5 on it would be 4.0
    for deadline, joins in ((4.75, [1]), (4.7, [])):
        scheduler = scheduler_for()
        submit(scheduler, arrival(0, 0.0, 1, 3, deadline=100.0), 0.0)
        scheduler.join(0.0, 0)
        submit(scheduler, arrival(1, 0.0, 1, 1, deadline=deadline), 1.5)
        assert numbers(scheduler.join(1.5, 1, pass_began_at=1.0)) == joins


def test_a_joiner_may_use_up_a_members_slack_to_the_last() -> None:
    scheduler = scheduler_for()
    submit(scheduler, arrival(0, 0.0, 1, 2, deadline=3.25), 0.0)  # 2.25 s and one to spare
    scheduler.join(0.0, 0)
    assert submit(scheduler, arrival(1, 0.0), 0.0)  # takes just that one second
    assert numbers(scheduler.join(1.0, 1)) == [1]


def test_a_joiner_must_itself_be_in_time_beside_the_members() -> None:
    for deadline, joins in ((4.75, [1]), (4.7, [])):
        scheduler = scheduler_for()
        submit(scheduler, arrival(0, 0.0, 1, 9), 0.0)
        scheduler.join(0.0, 0)
        # one pass: the member's step at context 2, 1.25 s, and the prefill of two tokens, 2.5 s
        submit(scheduler, arrival(1, 1.0, 2, 1, deadline=deadline - 1.0), 1.0)
        assert numbers(scheduler.join(1.0, 1)) == joins


def test_least_work_goes_first_and_more_value_counts_as_less_work() -> None:
    for value, order in ((1.0, [0, 2, 1]), (3.0, [1, 0, 2])):
        scheduler = scheduler_for()
        submit(scheduler, arrival(0, 0.0, 1), 0.0)  # 1 s
        submit(scheduler, arrival(1, 0.0, 2)._replace(value=value), 0.0)  # 2.5 s
        submit(scheduler, arrival(2, 0.0, 1, 2), 0.0)  # 2.25 s
        scheduler.rules = RollingRules(reserve=0.0, batch_cap=3)
        assert numbers(scheduler.join(0.0, 0))[0] == order[0]


def test_equals_go_by_age() -> None:
    scheduler = scheduler_for(RollingRules(batch_cap=1))
    for number in range(3):
        submit(scheduler, arrival(number, float(number)), float(number))
    assert numbers(scheduler.join(5.0, 0)) == [0]


def test_with_ageing_who_has_waited_long_goes_before_who_is_a_little_cheaper() -> None:
    # the old one has used up half its deadline: 2.5/(1 + 4·0.5) = 0.83 s a unit against 1
    for ageing, first in ((0.0, 1), (4.0, 0)):
        scheduler = scheduler_for(RollingRules(batch_cap=1, ageing=ageing))
        submit(scheduler, arrival(0, 0.0, 2, deadline=20.0), 0.0)
        submit(scheduler, arrival(1, 10.0, deadline=20.0), 10.0)
        assert numbers(scheduler.join(10.0, 0)) == [first]


def test_no_more_run_than_the_cap_allows() -> None:
    scheduler = scheduler_for(RollingRules(batch_cap=2, reserve=0.0))
    for number in range(4):
        submit(scheduler, arrival(number, 0.0), 0.0)
    first, _ = scheduler.join(0.0, 0)
    assert scheduler.join(1.0, 1) == []
    assert not submit(scheduler, arrival(4, 1.0), 1.0)
    finish(scheduler, first)
    assert len(scheduler.join(2.0, 2)) == 1


def test_no_more_run_than_the_cache_holds_to_their_ends() -> None:
    scheduler = scheduler_for(cached_tokens=5)
    for number, output in enumerate((2, 1, 2)):
        submit(scheduler, arrival(number, 9.0 * number, 1, output), 9.0 * number)
    assert numbers(scheduler.join(18.0, 0)) == [1, 0]  # 2 + 3 tokens


def test_the_reserve_keeps_out_who_would_leave_no_room_for_others() -> None:
    # beside the member its pass takes 1.25 + 1 = 2.25 s; with half as much again 3.375 s
    for reserve, joins in ((0.0, [1]), (0.5, []), (0.3, [1])):
        scheduler = scheduler_for(RollingRules(reserve=reserve))
        submit(scheduler, arrival(0, 0.0, 1, 9), 0.0)
        scheduler.join(0.0, 0)
        submit(scheduler, arrival(1, 1.0, deadline=3.0), 1.0)
        assert numbers(scheduler.join(1.0, 1)) == joins


def test_the_reserve_asks_nothing_of_the_first_in_an_empty_batch() -> None:
    scheduler = scheduler_for(RollingRules(reserve=9.0))
    submit(scheduler, arrival(0, 0.0, 1, 2, deadline=2.25), 0.0)
    assert numbers(scheduler.join(0.0, 0)) == [0]


def test_what_is_dear_stays_out_while_more_is_asked_than_can_be_served() -> None:
    # 1 s and 4.5 s in four gaps, which is time enough for both, or for the first only
    for gap, joins in ((2.0, [1, 2, 0]), (0.25, [1, 2])):
        scheduler = scheduler_for()
        submit(scheduler, arrival(0, 0.0, 4), 0.0)  # 112/16 = 7 s
        submit(scheduler, arrival(1, gap), gap)
        submit(scheduler, arrival(2, 4 * gap, 3), 4 * gap)
        assert numbers(scheduler.join(4 * gap, 0)) == joins


def test_what_is_dear_may_have_a_node_that_nobody_else_wants() -> None:
    scheduler = scheduler_for()
    for number in range(3):
        submit(scheduler, arrival(number, 0.0, 1 if number else 4, deadline=7.0), 0.0)
    assert numbers(scheduler.join(0.0, 0)) == [1, 2]
    assert 0 in scheduler.queue
    alone = scheduler_for()
    alone.demand = scheduler.demand
    submit(alone, arrival(3, 0.0, 4), 0.0)
    assert numbers(alone.join(0.0, 0)) == [3]


def test_demand_that_finds_no_place_is_demand_all_the_same() -> None:
    node = ONE_SECOND_A_TOKEN
    scheduler = RollingScheduler(
        hosting(node), RollingRules(), WaitingQueue(Ledger(), queue_limit=1)
    )
    for number in range(5):  # 18 s of work each second
        submit(scheduler, arrival(number, float(number), 1, 9), float(number))
    assert len(scheduler.queue) == 1
    assert scheduler.demand.work_per_second() == 18.0


def test_what_can_never_be_served_neither_raises_the_price_nor_the_reserve() -> None:
    scheduler = scheduler_for(RollingRules())
    for number in range(50):
        at = 0.1 * number
        submit(scheduler, arrival(number, at, 1, 9, deadline=1.0), at)  # takes 18 s
        submit(scheduler, arrival(100 + number, at, quality=2.0), at)
    assert scheduler.demand.work_per_second() == 0.0
    submit(scheduler, arrival(200, 6.0, 1, 9), 6.0)
    submit(scheduler, arrival(201, 90.0, 1, 9, deadline=40.0), 90.0)
    assert numbers(scheduler.join(90.0, 0)) == [200, 201]


def test_what_cannot_be_served_in_time_even_alone_is_rejected_at_once() -> None:
    scheduler = scheduler_for()
    assert not submit(scheduler, arrival(0, 0.0, 1, 2, deadline=2.2), 0.0)
    assert scheduler.ledger.column("outcome").tolist() == [Outcome.REJECTED]
    assert scheduler.ledger.column("reason").tolist() == [Reason.DEADLINE]


def test_who_cannot_join_waits_and_expires_when_it_is_too_late() -> None:
    scheduler = scheduler_for()
    submit(scheduler, arrival(0, 0.0, 1, 2, deadline=2.25), 0.0)
    scheduler.join(0.0, 0)
    submit(scheduler, arrival(1, 0.0, deadline=2.0), 0.0)
    assert scheduler.join(1.0, 1) == []
    assert len(scheduler.queue) == 1  # until 1.0 s it could still have been served alone
    expire(scheduler, 1.1)
    assert scheduler.ledger.column("outcome").tolist() == [Outcome.EXPIRED]


def test_a_retry_makes_sense_when_the_member_without_slack_has_ended() -> None:
    scheduler = scheduler_for()
    assert scheduler.retry_after_seconds(0.0, 0) == 0.0
    submit(scheduler, arrival(0, 0.0, 1, 4, deadline=1e3), 0.0)
    submit(scheduler, arrival(1, 9.0, 1, 2, deadline=4.5), 9.0)
    assert len(scheduler.join(9.0, 0)) == 2
    # two passes: two prefills, 2 s, and two steps at context 2, 2.5 s
    assert scheduler.retry_after_seconds(9.0, 0) == 4.5
    # after the first of them the second pass is left
    assert scheduler.retry_after_seconds(11.0, 1) == 2.5


def test_a_retry_makes_sense_at_the_first_end_where_every_promise_has_slack() -> None:
    scheduler = scheduler_for()
    submit(scheduler, arrival(0, 0.0, 1, 4, deadline=50.0), 0.0)  # has the least slack
    submit(scheduler, arrival(1, 9.0, 1, 2, deadline=1e3), 9.0)
    assert len(scheduler.join(9.0, 0)) == 2
    assert scheduler.retry_after_seconds(9.0, 0) == 4.5


def test_a_retry_makes_no_sense_before_an_end_where_no_more_may_run() -> None:
    scheduler = scheduler_for(RollingRules(reserve=0.0, batch_cap=1))
    submit(scheduler, asking_for_first_token(1.0, arrival(0, 0.0, 1, 2)), 0.0)  # no slack
    assert len(scheduler.join(0.0, 0)) == 1
    assert scheduler.retry_after_seconds(0.0, 0) == 2.25


def test_a_retry_takes_as_long_as_the_node_was_seen_to_take() -> None:
    scheduler = scheduler_for()
    scheduler.observe(1.0, 2.0, 1)
    submit(scheduler, arrival(0, 0.0, 1, 2), 0.0)
    scheduler.join(0.0, 0)
    assert scheduler.retry_after_seconds(0.0, 0) == 4.5  # twice 2.25 s


def test_on_a_node_seen_to_be_slow_less_is_promised() -> None:
    for pace, joins in ((1.0, [0]), (1.2, []), (0.9, [0])):
        scheduler = scheduler_for()
        scheduler.observe(10.0, pace * 10.0, 1)
        submit(scheduler, arrival(0, 0.0, 1, 2, deadline=2.5), 0.0)  # 2.25 s as believed
        assert numbers(scheduler.join(0.0, 0)) == joins


def test_one_long_pause_does_not_keep_everyone_out_for_ever() -> None:
    scheduler = scheduler_for()
    scheduler.observe(1.0, 1000.0, 1)  # at that pace nobody who may take 10 s can be served
    joined = {}
    for number in range(8):
        at = 10.0 * number
        submit(scheduler, arrival(number, at, deadline=10.0), at)
        for waiting in scheduler.join(at, number):
            joined[at] = waiting
            finish(scheduler, waiting)
            scheduler.observe(1.0, 1000.0 if at < 30.0 else 1.0, 1)
    # tried after 20 s, then after 40; what is learnt at 60 lets in everyone after
    assert list(joined) == [20.0, 60.0, 70.0]


def test_scatter_is_kept_as_a_margin() -> None:
    for safety, joins in ((0.0, [0]), (1.0, [])):
        scheduler = scheduler_for(RollingRules(safety=safety))
        for actual in (0.5, 1.5) * 50:
            scheduler.observe(1.0, actual, 1)
        submit(scheduler, arrival(0, 0.0, 1, 2, deadline=2.5), 0.0)
        assert numbers(scheduler.join(0.0, 0)) == joins


def test_after_a_late_answer_less_is_promised() -> None:
    for safety, joins in ((0.0, [1]), (1.0, [])):
        scheduler = scheduler_for(RollingRules(safety=safety))
        submit(scheduler, arrival(0, 0.0, 1, 2, deadline=2.25), 0.0)
        [waiting] = scheduler.join(0.0, 0)
        scheduler.complete(waiting, joined_at=0.0, first_token_at=1.0, last_token_at=2.5, join=0)
        submit(scheduler, arrival(1, 3.0, 1, 2, deadline=2.3), 3.0)  # 2.25 s as believed
        assert numbers(scheduler.join(3.0, 2)) == joins


def test_who_is_late_for_certain_bars_nobody() -> None:
    scheduler = scheduler_for()
    submit(scheduler, arrival(0, 0.0, 1, 3, deadline=3.75), 0.0)
    scheduler.join(0.0, 0)
    submit(scheduler, arrival(1, 1.0), 1.0)
    assert scheduler.join(1.0, 1) == []  # 1 s gone, 1.25 + 1.5 to go: still just in time
    assert numbers(scheduler.join(2.0, 1)) == [1]  # a second was lost, and with it the deadline


def test_one_hosted_precision_runs_the_best_unless_another_is_named() -> None:
    both = hosting(ONE_SECOND_A_TOKEN, W8, W16)
    assert RollingScheduler(both, RollingRules()).cost.precision is W16
    assert RollingScheduler(both, RollingRules(precision="w8")).cost.precision is W8
    with pytest.raises(UnknownNameError, match="precision"):
        RollingScheduler(hosting(), RollingRules(precision="w8"))


def test_rules_that_are_none_are_refused() -> None:
    with pytest.raises(InputError, match="batch_cap"):
        RollingRules(batch_cap=0)
    with pytest.raises(InputError, match="reserve"):
        RollingRules(reserve=-1.0)
    with pytest.raises(InputError, match="safety"):
        RollingRules(safety=-1.0)
    with pytest.raises(InputError, match="ageing"):
        RollingRules(ageing=-1.0)


def of_tenant(tenant: int, number: int, at: float, prompt: int = 1) -> Arrival:
    return arrival(number, at, prompt, 9)._replace(tenant=tenant)


@pytest.mark.parametrize(
    ("shares", "joined"),
    [
        ((), [0, 1, 2, 3]),
        # 18 s of the first tenant, 21.5 s of the other, 36 s, 43 s
        ((1.0, 1.0), [0, 3, 1, 4]),
        # two thirds of 18 s, of 39.5 s, and of 57.5 s are 12 s, 26.3 s and 38.3 s
        ((2.0, 1.0), [0, 3, 1, 2]),
    ],
)
def test_a_tenant_above_its_share_waits_while_another_with_less_running_does(
    shares: tuple[float, ...], joined: list[int]
) -> None:
    scheduler = scheduler_for(RollingRules(reserve=0.0, shares=shares, batch_cap=4))
    for number in range(6):  # the other tenant's are dearer, and come last without shares
        tenant, prompt = (0, 1) if number < 3 else (1, 2)
        submit(scheduler, of_tenant(tenant, number, 100.0 * number, prompt), 100.0 * number)
    assert numbers(scheduler.join(500.0, 0)) == joined


def test_a_tenant_alone_may_have_the_whole_node() -> None:
    scheduler = scheduler_for(RollingRules(reserve=0.0, shares=(1.0, 1.0)))
    for number in range(3):
        submit(scheduler, of_tenant(0, number, 100.0 * number), 200.0)
    assert numbers(scheduler.join(200.0, 0)) == [0, 1, 2]


def test_a_tenant_within_its_share_pays_any_price() -> None:
    for shares, joined in (((), [1, 2]), ((1.0, 1.0), [1, 0, 2])):
        scheduler = scheduler_for(RollingRules(reserve=0.0, shares=shares))
        submit(scheduler, of_tenant(1, 0, 0.0, 4), 0.0)
        submit(scheduler, of_tenant(0, 1, 0.25), 0.25)
        submit(scheduler, of_tenant(0, 2, 1.0), 1.0)
        assert numbers(scheduler.join(1.0, 0)) == joined


def test_a_tenant_without_a_share_is_refused() -> None:
    scheduler = scheduler_for(RollingRules(shares=(1.0, 1.0)))
    with pytest.raises(InputError, match="tenant: must be 0 to 1, who have shares, got 2"):
        submit(scheduler, of_tenant(2, 0, 0.0), 0.0)
    with pytest.raises(InputError, match=r"shares\[1\]"):
        scheduler_for(RollingRules(shares=(1.0, 0.0)))


def test_a_node_quicker_with_few_than_believed_lets_in_what_would_seem_too_long() -> None:
    # believed to take 1 + 1.25 s, and to end at 2.25; alone the node takes half of that
    scheduler = scheduler_for()
    for _ in range(50):
        scheduler.observe(1.0, 0.5, 1)
        scheduler.observe(1.0, 1.5, 8)
    submit(scheduler, arrival(0, 0.0, 1, 2, deadline=2.0), 0.0)
    assert numbers(scheduler.join(0.0, 0)) == [0]
    # with seven others it would end at 1.5 times what is believed
    assert scheduler.pace_at(1) < 0.55 < 1.45 < scheduler.pace_at(8)


def test_a_margin_that_keeps_everyone_out_is_not_kept_for_ever() -> None:
    scheduler = scheduler_for()
    for number in range(10):
        scheduler.promises.note(float(number), number + 0.5, in_time=False)
    served = []
    for number in range(4):
        at = 10.0 * number
        # 2.25 s as believed, and half as much again with the margin
        submit(scheduler, arrival(number, at, 1, 2, deadline=2.5), at)
        for waiting in scheduler.join(at, number):
            served.append(at)
            finish(scheduler, waiting)
    assert served == [20.0, 30.0]
    assert scheduler.promises.margin == 0.0


@pytest.mark.parametrize(("first_at", "last_at"), [(2.0, 3.0), (1.0, 4.5)])
def test_a_late_first_token_raises_the_margin_as_a_late_end_does(
    first_at: float, last_at: float
) -> None:
    scheduler = scheduler_for()
    submit(scheduler, asking_for_first_token(1.5, arrival(0, 0.0, 1, 2, deadline=4.0)), 0.0)
    [waiting] = scheduler.join(0.0, 0)
    scheduler.complete(
        waiting, joined_at=0.0, first_token_at=first_at, last_token_at=last_at, join=0
    )
    assert scheduler.promises.margin == 0.05


@pytest.mark.parametrize(("ttft_seconds", "joins"), [(3.75, [1]), (3.7, [])])
def test_a_joiners_first_token_must_come_in_time_beside_the_members(
    ttft_seconds: float, joins: list[int]
) -> None:
    scheduler = scheduler_for()
    submit(scheduler, arrival(0, 0.0, 1, 9), 0.0)
    scheduler.join(0.0, 0)
    # one pass: the member's step at context 2, 1.25 s, and the prefill of two tokens, 2.5 s
    submit(scheduler, asking_for_first_token(ttft_seconds, arrival(1, 1.0, 2, 5)), 1.0)
    assert numbers(scheduler.join(1.0, 1)) == joins


@pytest.mark.parametrize(("ttft_seconds", "joins"), [(2.0, [0, 1]), (1.9, [0])])
def test_who_joins_with_others_does_not_delay_their_first_tokens_too_long(
    ttft_seconds: float, joins: list[int]
) -> None:
    scheduler = scheduler_for()
    submit(scheduler, asking_for_first_token(ttft_seconds, arrival(0, 0.0, 1, 5)), 0.0)
    submit(scheduler, arrival(1, 0.0, 1, 9), 0.0)  # two prompts in one pass: 2 s
    assert numbers(scheduler.join(0.0, 0)) == joins
    if joins == [0]:  # once the first token has come, nothing keeps the other out
        assert numbers(scheduler.join(1.0, 1)) == [1]


def test_who_joins_after_a_pass_does_not_delay_first_tokens_that_it_brings() -> None:
    scheduler = scheduler_for()
    submit(scheduler, asking_for_first_token(1.0, arrival(0, 0.0, 1, 5)), 0.0)  # no slack
    scheduler.join(0.0, 0)
    submit(scheduler, arrival(1, 0.5), 0.5)
    assert numbers(scheduler.join(0.5, 0, pass_began_at=0.0)) == [1]


@pytest.mark.parametrize(("ttft_seconds", "joins"), [(4.55, [1, 2]), (4.5, [1])])
def test_first_tokens_that_wait_for_a_pass_are_not_delayed_too_long(
    ttft_seconds: float, joins: list[int]
) -> None:
    scheduler = scheduler_for()
    submit(scheduler, arrival(0, 0.0, 1, 9), 0.0)
    scheduler.join(0.0, 0)
    # the pass that began at 1.0 takes 1.25 s, the next one 1.5 s and a second for each prompt
    submit(scheduler, asking_for_first_token(ttft_seconds, arrival(1, 1.2, 1, 2)), 1.2)
    submit(scheduler, arrival(2, 1.5, 1, 2), 1.5)
    assert numbers(scheduler.join(1.5, 1, pass_began_at=1.0)) == joins


def test_a_first_token_that_is_late_for_certain_bars_nobody() -> None:
    scheduler = scheduler_for()
    submit(scheduler, asking_for_first_token(1.0, arrival(0, 0.0, 1, 5)), 0.0)
    scheduler.join(0.0, 0)
    submit(scheduler, arrival(1, 1.5), 1.5)
    scheduler.progressed(0, 0, 1)  # the engine has not read its prompt yet
    assert numbers(scheduler.join(1.5, 1)) == [1]


def test_who_is_past_the_deadline_bars_nobody_however_wide_the_margin() -> None:
    scheduler = scheduler_for(RollingRules(reserve=0.0, safety=30.0))
    # 1 s, and 1.25 + 1.5 + … + 3 s for eight more tokens: 18 s in all
    submit(scheduler, arrival(0, 0.0, 1, 9, deadline=18.0), 0.0)
    assert numbers(scheduler.join(0.0, 0)) == [0]
    scheduler.promises.note(0.0, 0.5, in_time=False)  # a margin of 30 · 0.05
    submit(scheduler, arrival(1, 18.1, deadline=1000.0), 18.1)
    assert numbers(scheduler.join(18.1, 1)) == [1]


def test_the_slack_of_who_has_left_bars_nobody() -> None:
    scheduler = scheduler_for()
    submit(scheduler, arrival(0, 0.0, 1, 2, deadline=2.25), 0.0)  # no slack
    [lost] = scheduler.join(0.0, 0)
    scheduler.abandon(lost, Outcome.FAILED, Reason.ENGINE, 1.0)
    assert submit(scheduler, arrival(1, 1.0), 1.0)


def test_an_engines_own_limit_holds_until_it_has_another() -> None:
    scheduler = scheduler_for(RollingRules(reserve=0.0, batch_cap=3))
    for number in range(5):
        submit(scheduler, arrival(number, 0.0), 0.0)
    assert scheduler.binding() is Budget.LATENCY  # nobody has been asked yet
    for most, joined in ((1, [0]), (2, [1]), (1, []), (None, [2]), (9, [])):
        scheduler.limit_running(most)
        assert numbers(scheduler.join(0.0, 0)) == joined
    assert scheduler.binding() is Budget.SIZE


def test_arrivals_at_almost_the_same_instant_are_more_than_any_node_can_serve() -> None:
    scheduler = scheduler_for(RollingRules())
    for number in range(2):
        at = number * 1e-200
        submit(scheduler, arrival(number, at, 1, 9, deadline=60.0), at)
    assert numbers(scheduler.join(1.0, 0)) == [0]  # a reserve of 1 is asked of the other
