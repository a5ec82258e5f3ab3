"""What the operator's page shows: who waits, who runs, how it goes; no word of any prompt."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from edgebatch.realtime.engine_driver import Member
from edgebatch.scheduling import Outcome, Reason, RequestRecord
from edgebatch.serving.fleet import State
from edgebatch.serving.gateway import Gateway
from edgebatch.serving.last_minute import LastMinute, told_counts
from edgebatch.serving.ticket import Ticket
from edgebatch.workload import Arrival

_MOST_SHOWN = 200
_MOST_RECENT = 500
_USE_SECONDS = 5.0
"""Over how long the use of compute is taken, so that several who look do not disturb each other."""


class Ended(NamedTuple):
    """A request that has ended; instants on the dispatcher's clock.

    Attributes:
        at_seconds: when.
        record: how.
        joined_at_seconds, believed_end_seconds: what was believed; NaN if it never joined.
        precision: who answered; empty if nobody.
        num_tokens: how long the answer was.
    """

    at_seconds: float
    record: RequestRecord
    joined_at_seconds: float
    believed_end_seconds: float
    precision: str
    num_tokens: int


class StateBoard:
    """Watches a gateway and tells its state.

    Args:
        gateway: which.

    Attributes:
        arrivals: the latest requests, however they ended.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._began_at = time.monotonic()
        self._ended: deque[Ended] = deque(maxlen=_MOST_RECENT)
        self.arrivals: deque[Arrival] = deque(maxlen=_MOST_RECENT)
        self._busy: deque[tuple[float, float]] = deque([(0.0, 0.0)])
        self._last_minute = LastMinute()
        gateway.on_end.append(self._note)
        gateway.on_count.append(self._count)

    def snapshot(self) -> dict[str, Any]:
        """Return the state of now, as plain data for JSON."""
        gateway = self._gateway
        told: dict[str, Any] = {
            "state": str(gateway.state),
            "policy": gateway.policy.label,
            "uptime_seconds": time.monotonic() - self._began_at,
            "restarts": gateway.num_restarts,
        }
        if gateway.state is State.STARTING:
            return told
        dispatcher = gateway.dispatcher
        now = dispatcher.timers.now
        running = [each for each in dispatcher.drivers if each.is_on] or dispatcher.drivers
        return {
            **told,
            "model": gateway.settings.served_name or gateway.info.model,
            "engine": gateway.info.engine,
            "precisions": [
                {"name": each.name, "quality": each.quality} for each in gateway.precisions
            ],
            "num_waiting": dispatcher.num_waiting,
            "num_running": len(dispatcher.members),
            "waiting": self._waiting(now),
            "running": self._running(now),
            "use": self._use(now),
            "servers": self._servers(),
            "pace": _mean([each.believed_pace for each in running]),
            "retry_after_seconds": dispatcher.retry_after_seconds(),
            "last_minute": self._last_minute.told(now),
            "since_start": told_counts(gateway.outcomes),
            "recent": [_shown(each) for each in list(self._ended)[-_MOST_SHOWN:]],
        }

    def _note(self, ticket: Ticket, record: RequestRecord) -> None:
        joined = ticket.joined
        self.arrivals.append(ticket.arrival)
        self._ended.append(
            Ended(
                self._gateway.dispatcher.timers.now,
                record,
                math.nan if joined is None else joined.at_seconds,
                math.nan if joined is None else joined.believed_end_seconds,
                "" if joined is None else joined.precision,
                ticket.num_tokens,
            )
        )

    def _count(self, outcome: Outcome, reason: Reason) -> None:
        self._last_minute.note(self._gateway.dispatcher.timers.now, outcome, reason)

    def _key(self, tenant: int) -> str:
        keys = self._gateway.settings.keys
        return keys[tenant].name if keys else ""

    def _waiting(self, now: float) -> list[dict[str, Any]]:
        shown = []
        for _, waiting in zip(range(_MOST_SHOWN), self._gateway.dispatcher.waiting(), strict=False):
            arrival = waiting.arrival
            shown.append(
                {
                    "number": arrival.number,
                    "key": self._key(arrival.tenant),
                    "prompt_tokens": arrival.prompt_tokens,
                    "output_tokens": arrival.output_tokens,
                    "waited_seconds": now - arrival.arrival_seconds,
                    "deadline_in_seconds": waiting.deadline_at_seconds - now,
                    "last_chance_in_seconds": _finite(waiting.latest_decision_seconds - now),
                }
            )
        return shown

    def _running(self, now: float) -> list[dict[str, Any]]:
        return [
            {
                "number": member.waiting.arrival.number,
                "key": self._key(member.waiting.arrival.tenant),
                "prompt_tokens": member.waiting.arrival.prompt_tokens,
                "output_tokens": member.waiting.arrival.output_tokens,
                "num_tokens": member.num_tokens,
                "age_seconds": now - member.waiting.arrival.arrival_seconds,
                "deadline_in_seconds": member.waiting.deadline_at_seconds - now,
                "believed_end_in_seconds": end - now,
            }
            for member, end in self._believed()
        ]

    def _believed(self) -> list[tuple[Member, float]]:
        """Return who is in the engine, and until when."""
        dispatcher = self._gateway.dispatcher
        both = zip(dispatcher.members, dispatcher.believed_ends(), strict=True)
        return list(both)[:_MOST_SHOWN]

    def _servers(self) -> list[dict[str, Any]]:
        """Return what is said of each server where there are several, else nothing."""
        keepers = self._gateway.fleet.keepers
        if len(keepers) == 1:
            return []
        return [
            {
                "name": each.name,
                "precision": each.driver.precision,
                "is_running": each.is_running,
                "num_running": len(each.driver.members),
                "memory": each.driver.memory_use,
                "pace": each.driver.believed_pace,
                "restarts": each.num_restarts,
            }
            for each in keepers
        ]

    def _use(self, now: float) -> dict[str, float]:
        """Return parts in use: memory by what is reserved now, the radio by the latest batch.

        Of several servers compute is the mean, memory that of the fullest.
        """
        dispatcher = self._gateway.dispatcher
        drivers = dispatcher.drivers
        busy_now = sum(each.busy_seconds for each in drivers) / len(drivers)
        while len(self._busy) > 1 and self._busy[1][0] <= now - _USE_SECONDS:
            self._busy.popleft()
        at, busy = self._busy[0]
        self._busy.append((now, busy_now))
        node = self._gateway.scenario.hosting.node
        batches = dispatcher.log.batches
        latest = batches[-1] if batches else None
        return {
            "compute": min(1.0, (busy_now - busy) / max(now - at, 1e-3)),
            "memory": max(each.memory_use for each in drivers),
            "uplink_seconds": node.uplink_seconds,
            "downlink_seconds": node.downlink_seconds,
            "uplink": 0.0 if latest is None else latest.uplink_use,
            "downlink": 0.0 if latest is None else latest.downlink_use,
        }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _shown(ended: Ended) -> dict[str, Any]:
    record = ended.record
    arrived_at = record.arrival_seconds
    return {
        "number": record.number,
        "at_seconds": ended.at_seconds,
        "outcome": Outcome(record.outcome).name.lower(),
        "reason": Reason(record.reason).name.lower(),
        "precision": ended.precision,
        "deadline_seconds": _finite(record.deadline_at_seconds - arrived_at),
        "predicted_seconds": _finite(ended.believed_end_seconds - arrived_at),
        "actual_seconds": _finite(record.last_token_at_seconds - arrived_at),
        "output_tokens": record.output_tokens,
        "num_tokens": ended.num_tokens,
        "ttft_seconds": _finite(record.first_token_at_seconds - arrived_at),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
