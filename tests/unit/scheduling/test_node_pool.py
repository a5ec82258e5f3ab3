"""One queue before several nodes: who is asked, in which order, and what each reckons with."""

from __future__ import annotations

import pytest

from edgebatch.errors import InputError
from edgebatch.problem import Node, Precision
from edgebatch.scheduling import (
    ContinuousScheduler,
    JoiningScheduler,
    JoinRules,
    Ledger,
    NodePool,
    Outcome,
    Reason,
    RollingRules,
    RollingScheduler,
    WaitingQueue,
)
from toy_runs import ONE_SECOND_A_TOKEN, W8, W16, arrival, hosting

FAST = ONE_SECOND_A_TOKEN.replace(flops=32.0)


def rolling(*nodes: tuple[Node, Precision], queue_limit: int | None = None) -> NodePool:
    queue = WaitingQueue(Ledger(), queue_limit=queue_limit)
    return NodePool(
        [
            RollingScheduler(hosting(node, precision), RollingRules(reserve=0.0), queue)
            for node, precision in nodes
        ]
    )


def joined(scheduler: JoiningScheduler, now: float) -> list[int]:
    return [each.arrival.number for each in scheduler.join(now, step=0)]


def test_the_node_that_is_faster_as_things_are_is_asked_first() -> None:
    pool = rolling((ONE_SECOND_A_TOKEN, W16), (FAST, W16))
    slow, fast = pool.schedulers
    for number in range(2):
        assert pool.submit(arrival(number, 0.0, 1, 9), 0.0) == [1, 0]
    assert joined(fast, 0.0) == [0, 1]
    # a step of three takes it longer than one alone takes the other, which is half as fast
    assert pool.submit(arrival(2, 0.0, 1, 9), 0.0) == [0, 1]
    assert joined(slow, 0.0) == [2]


def test_a_request_runs_only_where_the_precision_is_good_enough() -> None:
    pool = rolling((FAST, W8), (ONE_SECOND_A_TOKEN, W16))
    good, better = pool.schedulers
    assert pool.submit(arrival(0, 0.0, quality=0.95), 0.0) == [1]
    assert joined(good, 0.0) == []
    assert joined(better, 0.0) == [0]
    pool.submit(arrival(1, 0.0, quality=1.01), 0.0)
    assert pool.ledger.column("reason").tolist() == [Reason.QUALITY]


def test_who_could_be_served_by_one_of_the_nodes_is_not_turned_away() -> None:
    pool = rolling((ONE_SECOND_A_TOKEN, W16), (FAST, W16))
    pool.submit(arrival(0, 0.0, deadline=0.75), 0.0)  # half a second on the fast one
    pool.submit(arrival(1, 0.0, deadline=0.4), 0.0)
    assert [each.arrival.number for each in pool.queue] == [0]
    assert pool.queue.next_expiry_seconds() == pytest.approx(0.25)
    assert pool.ledger.column("reason").tolist() == [Reason.DEADLINE]


def test_too_many_who_wait_for_one_node_keep_nobody_from_another() -> None:
    pool = rolling((FAST, W8), (ONE_SECOND_A_TOKEN, W16), queue_limit=2)
    for number in range(3):
        pool.submit(arrival(number, 0.0, quality=0.95), 0.0)
    assert pool.ledger.column("reason").tolist() == [Reason.QUEUE_FULL]
    assert pool.shortest_line() == 0
    for number in range(3, 6):
        pool.submit(arrival(number, 0.0), 0.0)
    assert pool.shortest_line() == 2
    assert pool.ledger.column("number").tolist() == [2, 5]
    pool.is_up[0] = False
    assert pool.shortest_line() == 4


def test_places_are_counted_among_those_for_the_very_same_nodes() -> None:
    pool = rolling((FAST, W8), (ONE_SECOND_A_TOKEN, W16))
    for number, (quality, tenant) in enumerate(((0.95, 0), (0.95, 1), (0.0, 1), (0.95, 1))):
        pool.submit(arrival(number, 0.0, quality=quality)._replace(tenant=tenant), 0.0)
    queue, picky = pool.queue, pool.who_could_serve(arrival(9, 0.0, quality=0.95))
    assert picky == (1,)
    assert (queue.num_beside(picky), queue.num_beside(picky, 1), queue.num_beside(picky, 0)) == (
        (3, 2, 1)
    )
    assert (queue.num_for(0), queue.num_for(1)) == (1, 4)
    joined(pool.schedulers[1], 0.0)
    assert (queue.num_beside(picky), queue.num_for(0)) == (0, 0)


def test_only_nodes_that_are_fast_enough_say_when_to_retry() -> None:
    pool = rolling((ONE_SECOND_A_TOKEN, W16), (FAST, W16))
    assert pool.who_is_fast_enough(arrival(0, 0.0, deadline=1.5)) == (0, 1)
    assert pool.who_is_fast_enough(arrival(0, 0.0, deadline=0.75)) == (1,)
    assert pool.who_is_fast_enough(arrival(0, 0.0, deadline=0.1)) == (0, 1)


def test_a_slow_node_keeps_what_it_has_learnt_while_others_wait_for_a_fast_one() -> None:
    pool = rolling((ONE_SECOND_A_TOKEN, W16), (FAST, W16))
    slow, _ = pool.schedulers
    assert isinstance(slow, RollingScheduler)
    slow.observe(1.0, 1.3, 1.0)
    pool.submit(arrival(0, 100.0, deadline=0.9), 100.0)  # half a second on the fast one
    assert joined(slow, 100.0) == []
    assert slow.believed_pace == pytest.approx(1.3)
    pool.submit(arrival(1, 100.0, deadline=1.2), 100.0)  # but here it may have been a pause
    assert joined(slow, 100.0) == [1]
    assert slow.believed_pace == 1.0


def test_the_limit_counts_those_who_wait_for_any_node() -> None:
    pool = rolling((FAST, W16), (FAST, W16), queue_limit=1)
    pool.submit(arrival(0, 0.0), 0.0)
    assert pool.submit(arrival(1, 0.0), 0.0) == []
    assert pool.ledger.column("reason").tolist() == [Reason.QUEUE_FULL]


def test_demand_falls_to_the_nodes_by_how_fast_each_is() -> None:
    pool = rolling((ONE_SECOND_A_TOKEN, W16), (FAST, W16))
    for number in range(11):
        pool.submit(arrival(number, float(number)), float(number))
    # one second of work a second for the slow one alone, half of it for the fast one: together
    # they can do three seconds of the slow one's work a second, so each is a third full
    for scheduler in pool.schedulers:
        assert isinstance(scheduler, RollingScheduler)
        assert scheduler.demand.work_per_second() == pytest.approx(1.0 / 3.0)


def test_a_node_that_is_down_is_not_asked_and_its_part_falls_to_the_others() -> None:
    pool = rolling((ONE_SECOND_A_TOKEN, W16), (FAST, W8))
    pool.is_up[0] = False
    for number in range(3):
        assert pool.submit(arrival(number, float(number)), float(number)) == [1]
    down, up = pool.schedulers
    assert isinstance(up, RollingScheduler)
    assert isinstance(down, RollingScheduler)
    assert up.demand.work_per_second() > 0.0
    assert down.demand.work_per_second() == 0.0
    assert pool.can_serve_now(arrival(3, 3.0))
    assert not pool.can_serve_now(arrival(3, 3.0, quality=0.95))
    # nobody ever could: that is for the queue to say
    assert pool.can_serve_now(arrival(3, 3.0, quality=1.01))


def test_only_a_node_that_is_fast_enough_could_serve_now() -> None:
    pool = rolling((ONE_SECOND_A_TOKEN, W16), (FAST, W16))
    pool.is_up[1] = False
    assert pool.can_serve_now(arrival(0, 0.0, deadline=1.5))
    assert not pool.can_serve_now(arrival(0, 0.0, deadline=0.75))
    assert pool.can_serve_now(arrival(0, 0.0, deadline=0.25))  # it is hopeless anyway


def test_who_comes_back_may_be_served_by_another_node() -> None:
    queue = WaitingQueue(Ledger())
    pool = NodePool(
        [ContinuousScheduler(hosting(), JoinRules(batch_cap=1), queue) for _ in range(2)]
    )
    first, second = pool.schedulers
    pool.submit(arrival(0, 0.0), 0.0)
    [waiting] = first.join(0.0, 0)
    assert second.join(0.0, 0) == []
    first.release(waiting)
    pool.put_back(waiting)
    assert joined(second, 1.0) == [0]
    second.complete(waiting, joined_at=1.0, first_token_at=2.0, last_token_at=2.0, join=0)
    assert (first.num_running, second.num_running) == (0, 0)
    assert pool.ledger.column("outcome").tolist() == [Outcome.IN_TIME]


def test_an_expiry_lets_someone_in_wherever_there_is_room() -> None:
    queue = WaitingQueue(Ledger())
    cramped = ONE_SECOND_A_TOKEN.replace(memory_bytes=12.0 + 4.0 * 5)
    rules = JoinRules(expire=True)
    pool = NodePool([ContinuousScheduler(hosting(cramped), rules, queue) for _ in range(2)])
    for number in range(2):
        pool.submit(arrival(number, 0.0, 1, 2), 0.0)
        assert joined(pool.schedulers[number], 0.0) == [number]
    pool.submit(arrival(2, 0.0, 2, 1, deadline=3.0), 0.0)  # takes 2.5 s
    pool.submit(arrival(3, 0.0), 0.0)
    assert pool.expire(0.4) == []
    assert pool.expire(0.6) == [0, 1]


def test_who_stood_behind_the_head_that_another_node_takes_can_join() -> None:
    queue = WaitingQueue(Ledger())
    cramped = ONE_SECOND_A_TOKEN.replace(memory_bytes=12.0 + 4.0 * 5)
    pool = NodePool([ContinuousScheduler(hosting(cramped), JoinRules(), queue) for _ in range(2)])
    first, second = pool.schedulers
    pool.submit(arrival(0, 0.0, 1, 2), 0.0)
    assert joined(first, 0.0) == [0]
    pool.submit(arrival(1, 0.0, 2, 2), 0.0)  # does not fit beside it
    pool.submit(arrival(2, 0.0), 0.0)
    assert pool.who_is_freed() == [1]
    second.limit_running(1)
    assert joined(second, 0.0) == [1]
    assert pool.who_is_freed() == [0]
    assert joined(first, 0.0) == [2]


def test_a_slow_node_does_not_serve_late_whom_a_fast_one_could_serve_in_time() -> None:
    queue, rules = WaitingQueue(Ledger()), JoinRules(expire=True)
    nodes = (ONE_SECOND_A_TOKEN, FAST)
    pool = NodePool([ContinuousScheduler(hosting(node), rules, queue) for node in nodes])
    slow, fast = pool.schedulers
    pool.submit(arrival(0, 0.0, deadline=1.2), 0.0)  # one second on the slow one
    pool.submit(arrival(1, 0.0, deadline=9.0), 0.0)
    # who stands behind is not kept out
    assert joined(slow, 0.5) == [1]
    assert joined(fast, 0.5) == [0]


def test_nodes_must_go_together() -> None:
    with pytest.raises(InputError, match=r"^nodes: must have at least one"):
        NodePool([])
    alone = [RollingScheduler(hosting(), RollingRules()) for _ in range(2)]
    with pytest.raises(InputError, match=r"^nodes\[1\]: must have the same queue"):
        NodePool(alone)
    with pytest.raises(InputError, match=r"^nodes\[1\].uplink_seconds: must be 0 as that of"):
        rolling((FAST, W16), (FAST.replace(uplink_seconds=0.5), W16))
