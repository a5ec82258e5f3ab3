"""The queue: who is turned away at once, who later, and when."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebatch.errors import CannotHostError, InputError
from edgebatch.problem import Node, Precision
from edgebatch.scheduling import (
    FastestAnswer,
    Ledger,
    Outcome,
    Prospects,
    Reason,
    Waiting,
    WaitingQueue,
)
from edgebatch.scheduling.waiting import served
from edgebatch.workload import Arrival
from toy_runs import ONE_SECOND_A_TOKEN, TINY_MODEL, W8, W16, arrival


class QueueOfNode(WaitingQueue):
    """Takes in requests with what one node offers them."""

    def __init__(self, ledger: Ledger, prospects: Prospects, queue_limit: int | None) -> None:
        super().__init__(ledger, queue_limit=queue_limit)
        self._prospects = prospects

    def come(self, arrival: Arrival, now: float) -> Waiting | None:
        return self.submit(arrival, now, self._prospects.of(arrival))


def queue_on(
    node: Node = ONE_SECOND_A_TOKEN,
    precisions: tuple[Precision, ...] = (W16,),
    queue_limit: int | None = None,
    expire: bool = True,
) -> tuple[QueueOfNode, Ledger]:
    ledger = Ledger()
    fastest = FastestAnswer(node, TINY_MODEL, precisions)
    prospects = Prospects(fastest, heeds_deadlines=expire)
    return QueueOfNode(ledger, prospects, queue_limit), ledger


def ends(ledger: Ledger) -> list[tuple[int, Outcome, Reason, float]]:
    fields = ("number", "outcome", "reason", "decided_at_seconds")
    columns = (ledger.column(field).tolist() for field in fields)
    return [
        (number, Outcome(outcome), Reason(reason), at)
        for number, outcome, reason, at in zip(*columns, strict=True)
    ]


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (arrival(0, 3.0, quality=0.95), Reason.QUALITY),
        (arrival(0, 3.0, prompt=5), Reason.MEMORY),  # 6 + 4·(5 + 1) = 30 > 22
        (arrival(0, 3.0, deadline=0.99), Reason.DEADLINE),  # one second
    ],
)
def test_what_is_hopeless_is_rejected_on_arrival(request_: Arrival, reason: Reason) -> None:
    node = ONE_SECOND_A_TOKEN.replace(memory_bytes=22.0)
    queue, ledger = queue_on(node, (W8,))
    assert queue.come(request_, now=3.0) is None
    assert ends(ledger) == [(0, Outcome.REJECTED, reason, 3.0)]
    assert len(queue) == 0
    ledger.check_conservation()


def test_who_came_here_too_late_has_expired_and_is_not_hopeless() -> None:
    for deadline, outcome, reason in (
        (1.5, Outcome.EXPIRED, Reason.WAITED_TOO_LONG),  # a second alone, and 0.7 s have gone
        (0.9, Outcome.REJECTED, Reason.DEADLINE),
    ):
        queue, ledger = queue_on()
        assert queue.come(arrival(0, 1.0, deadline=deadline), 1.7) is None
        assert ledger.column("outcome").tolist() == [outcome]
        assert ledger.column("reason").tolist() == [reason]


def test_a_full_queue_rejects() -> None:
    queue, ledger = queue_on(queue_limit=1)
    assert queue.come(arrival(0, 0.0), 0.0) is not None
    assert queue.come(arrival(1, 1.0), 1.0) is None
    assert ends(ledger) == [(1, Outcome.REJECTED, Reason.QUEUE_FULL, 1.0)]
    ledger.check_conservation(unfinished=1)


def test_the_hopeless_are_told_so_even_by_a_full_queue() -> None:
    queue, ledger = queue_on(queue_limit=1)
    queue.come(arrival(0, 0.0), 0.0)
    queue.come(arrival(1, 1.0, deadline=0.5), 1.0)
    assert ends(ledger)[0][2] is Reason.DEADLINE


def test_expiry_is_recorded_at_the_instant_of_the_last_chance() -> None:
    queue, ledger = queue_on(ONE_SECOND_A_TOKEN.replace(uplink_seconds=0.5, downlink_seconds=0.25))
    waiting = queue.come(arrival(0, 2.0, deadline=4.0), 2.0)
    assert waiting is not None
    assert waiting.deadline_at_seconds == 6.0
    # 6 − (0.5 + 1 + 0.25), and 1e-9 of the deadline of 4
    assert waiting.latest_decision_seconds == pytest.approx(4.25 + 4e-9, abs=1e-12)
    assert queue.expire(4.25) == []
    assert queue.expire(waiting.latest_decision_seconds) == []
    assert queue.expire(7.0) == [waiting]
    assert ends(ledger) == [
        (0, Outcome.EXPIRED, Reason.WAITED_TOO_LONG, waiting.latest_decision_seconds)
    ]


def test_without_expiry_only_the_impossible_is_rejected() -> None:
    queue, ledger = queue_on(expire=False)
    assert queue.come(arrival(0, 0.0, deadline=0.1), 0.0) is not None
    assert queue.come(arrival(1, 0.0, quality=1.0, prompt=10**6), 0.0) is None
    assert queue.expire(1e9) == []
    assert queue.next_expiry_seconds() == math.inf
    assert ends(ledger) == [(1, Outcome.REJECTED, Reason.MEMORY, 0.0)]


def test_those_who_were_chosen_do_not_expire() -> None:
    queue, ledger = queue_on()
    first = queue.come(arrival(0, 0.0, deadline=2.0), 0.0)
    second = queue.come(arrival(1, 0.0, deadline=3.0), 0.0)
    assert first is not None
    assert second is not None
    queue.remove([first])
    assert queue.next_expiry_seconds() == second.latest_decision_seconds
    assert 0 not in queue
    assert 1 in queue
    assert queue.expire(10.0) == [second]
    assert len(ledger) == 1


def test_no_deadline_never_expires() -> None:
    queue, _ = queue_on()
    waiting = queue.come(arrival(0, 0.0, deadline=math.inf), 0.0)
    assert waiting is not None
    assert waiting.latest_decision_seconds == math.inf
    assert queue.expire(1e300) == []


def test_the_oldest_comes_first() -> None:
    queue, _ = queue_on()
    for number in range(3):
        queue.come(arrival(number, float(number)), float(number))
    assert queue.oldest().arrival.number == 0
    queue.remove([queue.oldest()])
    assert [waiting.arrival.number for waiting in queue] == [1, 2]


def test_a_queue_limit_below_one_is_refused() -> None:
    with pytest.raises(InputError, match="queue_limit"):
        queue_on(queue_limit=0)


@given(
    deadlines=st.lists(st.floats(1.0, 20.0), max_size=12),
    chosen=st.sets(st.integers(0, 11)),
    at=st.floats(0.0, 20.0),
)
def test_exactly_those_too_late_expire_in_the_order_of_their_last_chance(
    deadlines: list[float], chosen: set[int], at: float
) -> None:
    queue, ledger = queue_on()
    waiting = [
        queue.come(arrival(number, 0.0, deadline=deadline), 0.0)
        for number, deadline in enumerate(deadlines)
    ]
    present = [each for each in waiting if each is not None]
    assert len(present) == len(deadlines)
    queue.remove([each for each in present if each.arrival.number in chosen])
    left = [each for each in present if each.arrival.number not in chosen]
    expired = queue.expire(at)
    assert expired == sorted(
        (each for each in left if each.latest_decision_seconds < at),
        key=lambda each: (each.latest_decision_seconds, each.arrival.number),
    )
    assert list(queue) == [each for each in left if each not in expired]
    ledger.check_conservation(unfinished=len(present) - len(expired))


def test_the_fastest_answer_takes_the_fastest_good_precision() -> None:
    fastest = FastestAnswer(ONE_SECOND_A_TOKEN.replace(uplink_seconds=0.5), TINY_MODEL, (W16, W8))
    # prefill 1 s in both, the step of 20 FLOP at 0.6 of its time in w8
    assert fastest.look_up(1, 2, 0.0)[0] == pytest.approx(0.5 + 1.0 + 0.75)
    assert fastest.look_up(1, 2, 0.95)[0] == pytest.approx(0.5 + 1.0 + 1.25)


def test_weights_that_do_not_fit_are_refused() -> None:
    with pytest.raises(CannotHostError):
        FastestAnswer(ONE_SECOND_A_TOKEN.replace(memory_bytes=11.0), TINY_MODEL, (W16,))


def test_the_first_token_may_have_a_deadline_of_its_own() -> None:
    queue, ledger = queue_on()
    # the first token takes 1 s, so waiting makes sense until 1.5 s
    assert queue.come(arrival(0, 0.0, output=3)._replace(ttft_seconds=2.5), 0.0) is not None
    assert queue.next_expiry_seconds() == pytest.approx(1.5)
    assert queue.come(arrival(1, 0.0)._replace(ttft_seconds=0.9), 0.0) is None
    assert ends(ledger) == [(1, Outcome.REJECTED, Reason.DEADLINE, 0.0)]


@pytest.mark.parametrize(("ttft_seconds", "outcome"), [(2.0, Outcome.IN_TIME), (1.9, Outcome.LATE)])
def test_an_answer_whose_first_token_came_late_is_late(
    ttft_seconds: float, outcome: Outcome
) -> None:
    request = arrival(0, 1.0, deadline=9.0)._replace(ttft_seconds=ttft_seconds)
    waiting = Waiting(request, deadline_at_seconds=10.0, latest_decision_seconds=9.0)
    record = served(
        waiting,
        decided_at=1.0,
        first_token_at=3.0,
        last_token_at=4.0,
        finished_at=4.0,
        batch=0,
        precision=0,
    )
    assert record.outcome is outcome


def test_whoever_is_withdrawn_or_put_back_ends_once() -> None:
    queue, ledger = queue_on()
    waiting = queue.come(arrival(0, 0.0, deadline=5.0), 0.0)
    assert waiting is not None
    queue.remove([waiting])
    assert queue.next_expiry_seconds() == math.inf
    queue.put_back(waiting)
    assert queue.next_expiry_seconds() == pytest.approx(4.0)
    assert queue.withdraw(0, Outcome.CANCELLED, Reason.CLIENT_GONE, 2.0)
    assert not queue.withdraw(0, Outcome.CANCELLED, Reason.CLIENT_GONE, 3.0)
    assert queue.expire(9.0) == []
    assert ends(ledger) == [(0, Outcome.CANCELLED, Reason.CLIENT_GONE, 2.0)]


def test_it_is_known_how_many_wait_of_each_tenant() -> None:
    queue, _ = queue_on(queue_limit=4)
    arrivals = [
        arrival(number, 0.0, deadline=9.0 - number)._replace(tenant=number % 2)
        for number in range(5)
    ]
    waiting = [queue.come(each, 0.0) for each in arrivals]
    assert waiting[0] is not None
    assert waiting[4] is None  # there is no place
    assert (queue.num_of(0), queue.num_of(1), queue.num_of(2)) == (2, 2, 0)
    queue.remove([waiting[0]])
    queue.withdraw(1, Outcome.CANCELLED, Reason.CLIENT_GONE, 1.0)
    assert (queue.num_of(0), queue.num_of(1)) == (1, 1)
    queue.put_back(waiting[0])
    assert len(queue.expire(6.5)) == 2  # the last chances are at 5 and 6 s
    assert (queue.num_of(0), queue.num_of(1)) == (1, 0)


def test_who_waits_again_has_the_old_place() -> None:
    queue, _ = queue_on()
    first, *_ = [queue.come(arrival(number, float(number)), float(number)) for number in range(3)]
    assert first is not None
    queue.remove([first])
    queue.put_back(first)
    assert queue.oldest() is first
    assert [waiting.arrival.number for waiting in queue] == [0, 1, 2]
