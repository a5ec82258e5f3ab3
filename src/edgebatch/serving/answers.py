"""Answers in OpenAI's form, whole or as server-sent events, and what this gateway adds to them."""

from __future__ import annotations

import json
import math
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from edgebatch.scheduling import Outcome
from edgebatch.serving.refusals import Refusal, not_ready, refused_by_engine
from edgebatch.serving.ticket import Ticket


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """How the answers of one endpoint look.

    Attributes:
        is_chat: whether it is ``/v1/chat/completions``.
        model: name of the model, as it is served.
        with_usage: whether a stream ends with the numbers of tokens.
        answer_id, created: of this answer.
    """

    is_chat: bool
    model: str
    with_usage: bool = False
    answer_id: str = field(default_factory=lambda: uuid4().hex)
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, ticket: Ticket) -> dict[str, Any]:
        """Return an answer that is sent in one piece."""
        text = ticket.whole_text()
        content: dict[str, Any] = (
            {"message": {"role": "assistant", "content": text}} if self.is_chat else {"text": text}
        )
        choice = {"index": 0, **content, "logprobs": None, "finish_reason": ticket.finish}
        kind = "chat.completion" if self.is_chat else "text_completion"
        return {
            **self._head(kind),
            "choices": [choice],
            "usage": usage(ticket),
            "edgebatch": fulfilment(ticket),
        }

    def chunk(
        self, ticket: Ticket, text: str | None, *, first: bool = False, last: bool = False
    ) -> dict[str, Any]:
        """Return one chunk of a stream."""
        if self.is_chat:
            delta: dict[str, Any] = {"role": "assistant"} if first else {}
            if text is not None:
                delta["content"] = text
            content: dict[str, Any] = {"delta": delta}
        else:
            content = {"text": text or ""}
        choice = {
            "index": 0,
            **content,
            "logprobs": None,
            "finish_reason": ticket.finish if last else None,
        }
        kind = "chat.completion.chunk" if self.is_chat else "text_completion"
        chunk = {**self._head(kind), "choices": [choice]}
        if last:
            chunk["edgebatch"] = fulfilment(ticket)
        return chunk

    async def events(self, ticket: Ticket) -> AsyncIterator[bytes]:
        """Yield the answer as server-sent events while it comes."""
        if self.is_chat:
            yield _event(self.chunk(ticket, "", first=True))
        async for text in ticket.texts():
            yield _event(self.chunk(ticket, text))
        # each piece that is sent wakes whoever reads it
        yield b"".join([*map(_event, self._ending(ticket)), b"data: [DONE]\n\n"])

    def _ending(self, ticket: Ticket) -> list[dict[str, Any]]:
        """Return what comes after the text of a request that has ended."""
        if not is_whole(ticket):
            return [_cut_short(ticket).body()]
        last = self.chunk(ticket, None, last=True)
        if not self.with_usage:
            return [last]
        kind = "chat.completion.chunk" if self.is_chat else "text_completion"
        return [last, {**self._head(kind), "choices": [], "usage": usage(ticket)}]

    def _head(self, kind: str) -> dict[str, Any]:
        prefix = "chatcmpl" if self.is_chat else "cmpl"
        return {
            "id": f"{prefix}-{self.answer_id}",
            "object": kind,
            "created": self.created,
            "model": self.model,
        }


def is_whole(ticket: Ticket) -> bool:
    """Return whether a request that has ended got its whole answer."""
    return ticket.record is not None and ticket.record.outcome in (Outcome.IN_TIME, Outcome.LATE)


def usage(ticket: Ticket) -> dict[str, int]:
    """Return the numbers of tokens."""
    prompt = ticket.prompt_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": ticket.num_tokens,
        "total_tokens": prompt + ticket.num_tokens,
    }


def fulfilment(ticket: Ticket) -> dict[str, Any]:
    """Return which precision answered, what was believed and what came of it, in milliseconds.

    Times end with the last token here; the promise has been kept if the answer's way to its client,
    as it is believed to be, ends before the deadline too.
    """
    arrived_at = ticket.arrival.arrival_seconds
    fulfilled: dict[str, Any] = {"deadline_ms": round(1e3 * ticket.arrival.deadline_seconds, 1)}
    if ticket.arrival.ttft_seconds < math.inf:
        fulfilled["ttft_deadline_ms"] = round(1e3 * ticket.arrival.ttft_seconds, 1)
    if ticket.joined is not None:
        fulfilled["precision"] = ticket.joined.precision
        fulfilled["queued_ms"] = round(1e3 * (ticket.joined.at_seconds - arrived_at), 3)
        believed = ticket.joined.believed_end_seconds - arrived_at
        fulfilled["predicted_ms"] = round(1e3 * believed, 3)
    if ticket.record is not None and is_whole(ticket):
        record = ticket.record
        fulfilled["ttft_ms"] = round(1e3 * (record.first_token_at_seconds - arrived_at), 3)
        fulfilled["actual_ms"] = round(1e3 * (record.last_token_at_seconds - arrived_at), 3)
        fulfilled["deadline_met"] = record.outcome == Outcome.IN_TIME
    return fulfilled


def fulfilment_headers(ticket: Ticket) -> dict[str, str]:
    """Return the same as headers; of a stream only what is known at its beginning."""
    return {
        f"x-edgebatch-{name.replace('_', '-')}": _header(value)
        for name, value in fulfilment(ticket).items()
    }


def _header(value: str | float) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _cut_short(ticket: Ticket) -> Refusal:
    if ticket.refused_because:
        return refused_by_engine(ticket.refused_because)
    return not_ready("the engine broke before the answer was whole")


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"
