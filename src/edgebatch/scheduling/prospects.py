"""Whether a request can be served at all, and until when waiting for that makes sense."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from edgebatch.scheduling.fastest import FastestAnswer
from edgebatch.scheduling.outcomes import Reason
from edgebatch.units import RELATIVE_TOLERANCE
from edgebatch.workload import Arrival


class Prospect(NamedTuple):
    """What can become of a request.

    Attributes:
        latest_decision_seconds: last instant at which choosing it, alone, would still do; infinity
            if deadlines are not looked at.
        reason: why it can never be served as it is, even by an idle node; ``Reason.NONE`` if it
            can be.
    """

    latest_decision_seconds: float
    reason: Reason = Reason.NONE

    @property
    def fits(self) -> bool:
        """Whether quality and memory are there, whatever the deadline."""
        return self.reason is Reason.NONE or self.reason is Reason.DEADLINE


_MILDER = (Reason.NONE, Reason.DEADLINE, Reason.MEMORY, Reason.QUALITY)
"""The nearer a node comes to serving a request, the earlier its reason stands here."""


def best_prospect(prospects: Iterable[Prospect]) -> Prospect:
    """Return the best of what several nodes offer: who serves it, and who longest can."""
    return min(
        prospects, key=lambda each: (_MILDER.index(each.reason), -each.latest_decision_seconds)
    )


class Prospects:
    """What one node offers.

    Args:
        fastest: its least time from decision to answer.
        heeds_deadlines: whether deadlines are looked at. Without, only what can never be served
            whatever its deadline is hopeless, as in today's engines.
        uplink_seconds: from arrival until a request can be chosen at the earliest.
    """

    def __init__(
        self, fastest: FastestAnswer, *, heeds_deadlines: bool = True, uplink_seconds: float = 0.0
    ) -> None:
        self._fastest = fastest
        self._heeds_deadlines, self._uplink_seconds = heeds_deadlines, uplink_seconds

    def of(self, arrival: Arrival, alone_pace: float = 1.0) -> Prospect:
        """Return what can become of a request.

        Args:
            arrival: the request.
            alone_pace: true over believed seconds of a request alone, so far as is known.
        """
        prompt, quality = arrival.prompt_tokens, arrival.min_quality
        seconds, reason = self._fastest.look_up(prompt, arrival.output_tokens, quality)
        if reason is not Reason.NONE or not self._heeds_deadlines:
            return Prospect(math.inf, reason)
        latest = _latest(arrival, arrival.deadline_seconds, alone_pace * seconds)
        if arrival.ttft_seconds < math.inf:
            seconds = self._fastest.first_token_seconds(prompt, quality)
            latest = min(latest, _latest(arrival, arrival.ttft_seconds, alone_pace * seconds))
        is_late = latest < arrival.arrival_seconds + self._uplink_seconds
        return Prospect(latest, Reason.DEADLINE if is_late else Reason.NONE)


def _latest(arrival: Arrival, allowed_seconds: float, seconds: float) -> float:
    """Return when something must begin that takes so long and is allowed so long in all."""
    latest = arrival.arrival_seconds + allowed_seconds - seconds
    return latest + allowed_seconds * RELATIVE_TOLERANCE
