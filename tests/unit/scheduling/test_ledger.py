"""The ledger: columns out of records, and a check that finds what is lost or doubled."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgebatch.scheduling import Ledger, Outcome, Reason, RequestRecord, Waiting
from edgebatch.scheduling.waiting import not_served, served
from toy_runs import arrival


def answered(number: int, finished_at: float, deadline: float = 10.0) -> RequestRecord:
    request = arrival(number, 1.0, 2, 5, deadline=deadline, actual=3)
    return served(
        Waiting(request, 1.0 + deadline, 9.0),
        decided_at=2.0,
        first_token_at=3.0,
        last_token_at=4.0,
        finished_at=finished_at,
        batch=7,
        precision=1,
    )


def test_columns_hold_the_fields_of_the_records() -> None:
    ledger = Ledger()
    for _ in range(2):
        ledger.open()
    ledger.close(answered(1, 5.0))
    ledger.close(not_served(arrival(0, 0.5), Outcome.REJECTED, Reason.QUEUE_FULL, 0.5))
    assert ledger.column("number").tolist() == [1, 0]
    assert ledger.column("outcome").tolist() == [Outcome.IN_TIME, Outcome.REJECTED]
    assert ledger.column("batch").tolist() == [7, -1]
    assert ledger.column("actual_output_tokens").tolist() == [3, 1]
    finished = ledger.column("finished_at_seconds")
    assert finished.dtype == np.float64
    assert finished[0] == 5.0
    assert math.isnan(finished[1])
    ledger.check_conservation()


@pytest.mark.parametrize(
    ("finished_at", "outcome"),
    [
        (11.0, Outcome.IN_TIME),  # due at 1 + 10
        (11.0 + 5e-9, Outcome.IN_TIME),  # 1e-9 of the deadline of 10 is 1e-8
        (11.0 + 2e-8, Outcome.LATE),
        (12.0, Outcome.LATE),
    ],
)
def test_an_answer_is_in_time_until_its_deadline(finished_at: float, outcome: Outcome) -> None:
    assert answered(0, finished_at).outcome is outcome


def test_a_request_without_an_end_is_found() -> None:
    ledger = Ledger()
    ledger.open()
    with pytest.raises(AssertionError, match="1 requests came in, but 0 ended and 0 are left"):
        ledger.check_conservation()
    ledger.check_conservation(unfinished=1)


def test_a_request_that_ended_twice_is_found() -> None:
    ledger = Ledger()
    for _ in range(2):
        ledger.open()
    for _ in range(2):
        ledger.close(answered(4, 5.0))
    with pytest.raises(AssertionError, match="a request ended twice"):
        ledger.check_conservation()


def test_an_end_without_a_request_is_found() -> None:
    ledger = Ledger()
    ledger.close(answered(0, 5.0))
    with pytest.raises(AssertionError, match="0 requests came in, but 1 ended"):
        ledger.check_conservation()


def test_a_ledger_that_keeps_few_records_still_counts_all() -> None:
    ledger = Ledger()
    ledger.keep(3)
    for number in range(100):
        ledger.open()
        ledger.close(not_served(arrival(number, 0.0), Outcome.REJECTED, Reason.QUEUE_FULL, 0.0))
        assert len(ledger) < 6
    assert ledger.column("number").tolist()[-3:] == [97, 98, 99]
    assert (ledger.opened, ledger.closed) == (100, 100)
    ledger.check_conservation()
