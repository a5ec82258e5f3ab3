"""Searches whose tasks are spread over processes."""

from __future__ import annotations

import os
import signal

import pytest

from edgebatch.errors import EdgebatchError
from edgebatch.study.rounds import Search, carried_out


class Add:
    """Adds two numbers, in whatever process."""

    def __init__(self, one: int, other: int) -> None:
        self._one, self._other = one, other

    def __call__(self) -> int:
        return self._one + self._other


class Die:
    """Is killed, as by a system that has no memory left."""

    def __call__(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def total(*numbers: int) -> Search[int]:
    result = 0
    for number in numbers:
        [result] = yield [Add(result, number)]
    return result


def doomed() -> Search[int]:
    yield [Add(1, 1), Die()]
    return 0


def test_every_search_is_told_the_outcomes_of_its_own_tasks() -> None:
    assert carried_out([total(1, 2, 3), total(), total(10)]) == [6, 0, 10]


def test_a_process_that_is_killed_is_one_clear_error() -> None:
    with pytest.raises(EdgebatchError, match="was killed, perhaps for want of memory"):
        carried_out([doomed()], jobs=2)
