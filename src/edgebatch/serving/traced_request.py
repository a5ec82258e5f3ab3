"""What is noted of a request that is traced: facts and figures, never its text."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from starlette.requests import Request

from edgebatch.realtime import Dispatcher
from edgebatch.scheduling import Outcome, Reason
from edgebatch.serving.answers import fulfilment, is_whole
from edgebatch.serving.guard import Scope
from edgebatch.serving.openai_requests import ChatRequest, CompletionRequest
from edgebatch.serving.slo import Slo
from edgebatch.serving.ticket import Ticket

Attributes = dict[str, str | int | float | bool | list[str]]

_TURNED_AWAY = {"queue_full": Reason.QUEUE_FULL, "engine_unavailable": Reason.ENGINE}
"""Refusals of those whom the scheduler never saw, and yet are in the books."""


@dataclass(slots=True)
class TracedRequest:
    """One request, from when it came in until its span is sent.

    Attributes:
        headers: hand the trace on to whoever is asked in turn.
        began_unix_ns, began_at_seconds: when it came in, by the calendar and by
            :func:`time.monotonic`.
        attributes: what is known of it; names by OpenTelemetry's conventions where there is one.
        is_streamed: whether the answer is sent as it comes.
        tenant: who asks; None if that is not known.
        ticket: None if it was not put to the scheduler.
        refusal_code: why it was refused, for programs; empty if it was not.
        status: HTTP status; 0 if nothing was sent.
        over_at_seconds: when the connection had done with it; on the clock of ``began_at_seconds``.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    began_unix_ns: int = field(default_factory=time.time_ns)
    began_at_seconds: float = field(default_factory=time.monotonic)
    attributes: Attributes = field(default_factory=dict)
    is_streamed: bool = False
    tenant: int | None = None
    ticket: Ticket | None = None
    refusal_code: str = ""
    status: int = 0
    over_at_seconds: float = 0.0

    def unix_ns(self, at_seconds: float) -> int:
        """Return an instant of :func:`time.monotonic` by the calendar."""
        return self.began_unix_ns + round(1e9 * (at_seconds - self.began_at_seconds))


class Phase(NamedTuple):
    """A part of a request's life, on the dispatcher's clock.

    Attributes:
        name: ``queued``, ``prefill`` or ``decode``.
        from_seconds, to_seconds: when it began and ended.
    """

    name: str
    from_seconds: float
    to_seconds: float


def traced(request: Request) -> TracedRequest | None:
    """Return what is noted of a request; None if it is not traced."""
    found: TracedRequest | None = request.scope.get("state", {}).get("traced")
    return found


def note_tenant(scope: Scope, tenant: int) -> None:
    """Take note of who asks."""
    about: TracedRequest | None = scope.get("state", {}).get("traced")
    if about is not None:
        about.tenant = tenant


def note_asked(
    request: Request, body: ChatRequest | CompletionRequest, slo: Slo, model: str
) -> Mapping[str, str]:
    """Take note of what is asked for; return what to send on to whoever is asked in turn."""
    about = traced(request)
    if about is None:
        return {}
    about.is_streamed = bool(body.stream)
    given: dict[str, str | int | float | None] = {
        "gen_ai.request.model": body.model or model,
        "gen_ai.request.max_tokens": slo.max_tokens,
        "gen_ai.request.temperature": body.temperature,
        "gen_ai.request.top_p": body.top_p,
        "gen_ai.request.seed": body.seed,
        "gen_ai.request.stream": about.is_streamed,
        "gen_ai.response.model": model,
        "edgebatch.deadline_ms": round(1e3 * slo.e2e_seconds, 3),
        "edgebatch.ttft_deadline_ms": _finite(1e3 * slo.ttft_seconds),
        "edgebatch.min_quality": slo.min_quality,
    }
    about.attributes |= {name: value for name, value in given.items() if value is not None}
    return about.headers


def note_ticket(request: Request, ticket: Ticket) -> None:
    """Take note of how the scheduler names a request."""
    about = traced(request)
    if about is not None:
        about.ticket = ticket


def attributes_at_end(about: TracedRequest) -> Attributes:
    """Return how a request ended, in attributes of its span."""
    ended: Attributes = {}
    if about.status:
        ended["http.response.status_code"] = about.status
    if about.refusal_code:
        ended["edgebatch.refusal"] = about.refusal_code
    ticket = about.ticket
    if ticket is None:
        if about.refusal_code in _TURNED_AWAY:
            ended |= _outcome(Outcome.REJECTED, _TURNED_AWAY[about.refusal_code])
    elif ticket.record is not None:
        ended |= _outcome(Outcome(ticket.record.outcome), Reason(ticket.record.reason))
        ended |= _served(about, ticket)
    if problem := problem_of(about):
        ended["error.type"] = problem
    return ended


def problem_of(about: TracedRequest) -> str:
    """Return what went wrong on this side, as ``error.type``; empty if nothing did."""
    ticket = about.ticket
    if ticket is not None and ticket.record is not None and not ticket.refused_because:
        record = ticket.record
        if record.outcome == Outcome.FAILED:
            return Reason(record.reason).name.lower()
    return str(about.status) if about.status >= 500 else ""


def phases(about: TracedRequest, dispatcher: Dispatcher) -> Iterator[Phase]:
    """Yield the parts of the life of a request that has ended, by the scheduler's times."""
    ticket = about.ticket
    if ticket is None or ticket.record is None or ticket.record.outcome == Outcome.REJECTED:
        return
    record, since_origin = ticket.record, dispatcher.timers.since_origin
    if is_whole(ticket) and ticket.num_tokens:
        first, end = record.first_token_at_seconds, record.last_token_at_seconds
    else:
        came = ticket.first_token_at_seconds
        first = math.nan if came is None else since_origin(came)
        end = since_origin(about.over_at_seconds)
        if not is_whole(ticket):
            end = record.decided_at_seconds
    # who expires waits, also if an engine that broke had taken it in before
    was_in = None if record.outcome == Outcome.EXPIRED else ticket.joined
    joined = math.nan if was_in is None else was_in.at_seconds
    instants = (record.arrival_seconds, joined, first)
    names = ("queued", "prefill", "decode")
    known = [(name, at) for name, at in zip(names, instants, strict=True) if not math.isnan(at)]
    ends = [at for _, at in known[1:]] + [end]
    for (name, begin), to in zip(known, ends, strict=True):
        yield Phase(name, begin, max(begin, to))


def _outcome(outcome: Outcome, reason: Reason) -> Attributes:
    return {
        "edgebatch.outcome": outcome.name.lower(),
        "edgebatch.reason": reason.name.lower(),
    }


def _served(about: TracedRequest, ticket: Ticket) -> Attributes:
    served: Attributes = {f"edgebatch.{name}": each for name, each in fulfilment(ticket).items()}
    served["gen_ai.usage.input_tokens"] = ticket.prompt_tokens
    served["gen_ai.usage.output_tokens"] = ticket.num_tokens
    if ticket.finish is not None and is_whole(ticket):
        served["gen_ai.response.finish_reasons"] = [ticket.finish]
    if about.is_streamed and "edgebatch.ttft_ms" in served:
        seconds = fulfilment(ticket)["ttft_ms"] / 1e3
        served["gen_ai.response.time_to_first_chunk"] = seconds
    return served


def _finite(value: float) -> float | None:
    return round(value, 3) if math.isfinite(value) else None
