"""How requests end, and the book in which every end is written once."""

from __future__ import annotations

import math
from array import array
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable


class Outcome(IntEnum):
    """The ways in which a request ends; the last two only on a real engine."""

    IN_TIME = 0
    """Its whole answer arrived by its deadline."""
    LATE = 1
    """Its whole answer arrived after its deadline."""
    REJECTED = 2
    """It was told on arrival that it cannot be served."""
    EXPIRED = 3
    """It waited until it could no longer be served in time, and was told so."""
    FAILED = 4
    """The engine broke, or could not go on with it."""
    CANCELLED = 5
    """Whoever asked went away."""


class Reason(IntEnum):
    """Why a request was not served."""

    NONE = 0
    QUALITY = 1
    """No hosted precision is good enough for it."""
    MEMORY = 2
    """It does not fit beside the weights even alone."""
    DEADLINE = 3
    """Its deadline is shorter than its fastest possible answer."""
    QUEUE_FULL = 4
    """As many wait already as may wait."""
    RADIO = 5
    """It has no deadline, and even the best channel could not carry it in a phase."""
    WAITED_TOO_LONG = 6
    """It was passed over until even alone it would have been late."""
    ENGINE = 7
    """The engine broke, or could not go on with it."""
    CLIENT_GONE = 8
    """Whoever asked went away."""


NO_TIME = math.nan
NO_BATCH = -1


class RequestRecord(NamedTuple):
    """What became of one request; times are instants on the run's clock, NaN where they never came.

    Attributes:
        number: which request.
        outcome, reason: how it ended, and why if it was not served.
        arrival_seconds, deadline_at_seconds: when it came and when its answer was due.
        decided_at_seconds: when it was chosen, rejected or expired.
        first_token_at_seconds: when the node had produced its first token.
        last_token_at_seconds: when the node had produced its last token.
        finished_at_seconds: when its whole answer had reached the user.
        prompt_tokens, output_tokens, actual_output_tokens: its lengths.
        value: v_i.
        batch: number of the batch that served it; -1 if none did.
        precision: position of that batch's precision in the hosted list; -1 if none served it.
    """

    number: int
    outcome: Outcome
    reason: Reason
    arrival_seconds: float
    deadline_at_seconds: float
    decided_at_seconds: float
    first_token_at_seconds: float
    last_token_at_seconds: float
    finished_at_seconds: float
    prompt_tokens: int
    output_tokens: int
    actual_output_tokens: int
    value: float
    batch: int
    precision: int


_FLOAT_FIELDS = {name for name in RequestRecord._fields if name.endswith("_seconds")} | {"value"}


class Ledger:
    """Records of all requests of a run as columns, 8 bytes a number.

    Attributes:
        opened: how many requests have come in.
        closed: how many have ended.
    """

    def __init__(self) -> None:
        self.opened = self.closed = 0
        self._most_records: int | None = None
        self._columns: tuple[array[Any], ...] = tuple(
            array("d" if name in _FLOAT_FIELDS else "q") for name in RequestRecord._fields
        )
        self._listener: Callable[[RequestRecord], None] | None = None

    def __len__(self) -> int:
        return len(self._columns[0])

    def keep(self, most_records: int) -> None:
        """Forget the oldest records from now on, so that at least so many of the latest stay."""
        self._most_records = most_records

    def open(self) -> None:
        """Count a request that has come in."""
        self.opened += 1

    def listen(self, listener: Callable[[RequestRecord], None]) -> None:
        """Let ``listener`` be told of every record when it is written; there is one at most."""
        self._listener = listener

    def close(self, record: RequestRecord) -> None:
        """Write down how a request ended."""
        for column, value in zip(self._columns, record, strict=True):
            column.append(value)
        self.closed += 1
        if self._most_records is not None and len(self) >= 2 * self._most_records:
            for column in self._columns:
                del column[: -self._most_records]
        if self._listener is not None:
            self._listener(record)

    def column(self, field: str) -> npt.NDArray[Any]:
        """Return one field of all records in the order in which they were closed.

        Shape (N,); float64 for times and values, else int64.
        """
        return np.array(self._columns[RequestRecord._fields.index(field)])

    def check_conservation(self, unfinished: int = 0) -> None:
        """Raise AssertionError unless every request that came in ended once or is unfinished."""
        if self.opened != self.closed + unfinished:
            raise AssertionError(
                f"{self.opened} requests came in, but {self.closed} ended and {unfinished} are left"
            )
        numbers = np.sort(self.column("number"))
        if len(numbers) and (np.diff(numbers) == 0).any():
            raise AssertionError("a request ended twice")
