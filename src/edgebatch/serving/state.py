"""What the operator's page shows: who waits, who runs, how it goes; no word of any prompt."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from typing import Any, NamedTuple

from edgebatch.scheduling import Outcome, Reason, RequestRecord
from edgebatch.serving.gateway import Gateway, State
from edgebatch.serving.ticket import Ticket
from edgebatch.workload import Arrival

_MOST_SHOWN = 200
_MOST_RECENT = 500
_WINDOW_SECONDS = 60.0


class Ended(NamedTuple):
    """A request that has ended; instants on the dispatcher's clock.

    Attributes:
        at_seconds: when.
        record: how.
        joined_at_seconds, believed_end_seconds: what was believed; NaN if it never joined.
        precision: who answered; empty if nobody.
    """

    at_seconds: float
    record: RequestRecord
    joined_at_seconds: float
    believed_end_seconds: float
    precision: str


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
        self._busy_before = (0.0, 0.0)
        gateway.on_end.append(self._note)

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
        return {
            **told,
            "model": gateway.settings.served_name or gateway.info.model,
            "engine": gateway.info.engine,
            "precisions": [
                {"name": each.name, "quality": each.quality}
                for each in gateway.scenario.hosting.precisions
            ],
            "num_waiting": dispatcher.num_waiting,
            "num_running": len(dispatcher.members),
            "waiting": self._waiting(now),
            "running": self._running(now),
            "use": self._use(now),
            "pace": dispatcher.believed_pace,
            "retry_after_seconds": dispatcher.retry_after_seconds(),
            "last_minute": self._last_minute(now),
            "since_start": _counts(gateway.outcomes),
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
            )
        )

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
                "deadline_in_seconds": member.waiting.deadline_at_seconds - now,
                "believed_end_in_seconds": member.believed_end_seconds - now,
            }
            for member in self._gateway.dispatcher.members[:_MOST_SHOWN]
        ]

    def _use(self, now: float) -> dict[str, float]:
        """Return parts in use: of memory by what is reserved now, of time since the last look."""
        log, (busy, at) = self._gateway.dispatcher.log, self._busy_before
        self._busy_before = (log.busy_seconds, now)
        node = self._gateway.scenario.hosting.node
        return {
            "compute": min(1.0, (log.busy_seconds - busy) / max(now - at, 1e-3)),
            "memory": self._gateway.dispatcher.memory_use,
            "uplink_seconds": node.uplink_seconds,
            "downlink_seconds": node.downlink_seconds,
        }

    def _last_minute(self, now: float) -> dict[str, Any]:
        latest = [each for each in self._ended if now - each.at_seconds <= _WINDOW_SECONDS]
        counts = Counter(
            (Outcome(each.record.outcome), Reason(each.record.reason)) for each in latest
        )
        in_time = sum(count for (end, _), count in counts.items() if end is Outcome.IN_TIME)
        return {
            "requests": len(latest),
            "in_time_share": in_time / len(latest) if latest else None,
            "ends": _counts(counts),
        }


def _counts(counts: Counter[tuple[Outcome, Reason]]) -> list[dict[str, Any]]:
    return [
        {"outcome": outcome.name.lower(), "reason": reason.name.lower(), "count": count}
        for (outcome, reason), count in sorted(counts.items())
    ]


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
        "actual_seconds": _finite(record.finished_at_seconds - arrived_at),
        "ttft_seconds": _finite(record.first_token_at_seconds - arrived_at),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
