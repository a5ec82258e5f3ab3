"""Saying no: which status, which reason, when to retry."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from pydantic import BaseModel

from edgebatch.scheduling import Outcome, Reason, RequestRecord

REASON_HEADER = "x-llm-d-request-dropped-reason"


class ErrorTold(BaseModel):
    """What went wrong: for people, and by ``type``, ``param`` and ``code`` for programs."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(BaseModel):
    """An error as OpenAI's API writes it."""

    error: ErrorTold


class Refusal(Exception):  # noqa: N818 - it is an answer, not an error of ours
    """A request that gets no answer, in OpenAI's form.

    Attributes:
        status: HTTP status.
        message: for people.
        code: for programs.
        kind: OpenAI's ``type``.
        param: which part of the request it is about; None for none.
        retry_after_seconds: when a retry could succeed; None where retrying cannot help.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str,
        kind: str = "invalid_request_error",
        param: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message = status, message
        self.code, self.kind, self.param = code, kind, param
        self.retry_after_seconds = retry_after_seconds

    def body(self) -> dict[str, Any]:
        """Return the error as OpenAI's API writes it."""
        return {
            "error": {
                "message": self.message,
                "type": self.kind,
                "param": self.param,
                "code": self.code,
            }
        }

    def headers(self) -> dict[str, str]:
        """Return the reason, and when to retry in whole seconds, rounded up."""
        headers = {REASON_HEADER: self.code}
        if self.retry_after_seconds is not None:
            headers["retry-after"] = str(max(1, math.ceil(self.retry_after_seconds)))
        if self.status == 401:
            headers["www-authenticate"] = "Bearer"
        return headers


def invalid(message: str, param: str | None = None, code: str = "invalid_value") -> Refusal:
    """Return the refusal of a request that is wrong."""
    return Refusal(400, message, code=code, param=param)


def not_ready(message: str, retry_after_seconds: float | None = 1.0) -> Refusal:
    """Return the refusal of a gateway without a running engine."""
    return Refusal(
        503,
        message,
        code="engine_unavailable",
        kind="server_error",
        retry_after_seconds=retry_after_seconds,
    )


def try_later(told: str, code: str, retry_after_seconds: float) -> Refusal:
    """Return the refusal of what there is no place for now.

    Args:
        told: why, for people.
        code: why, for programs.
        retry_after_seconds: when there may be one.
    """
    return Refusal(
        429,
        f"{told}; try again in {max(1, math.ceil(retry_after_seconds))} s",
        code=code,
        kind="rate_limit_error",
        retry_after_seconds=retry_after_seconds,
    )


def refused_by_engine(reason: str) -> Refusal:
    """Return the refusal of a request that the engine will not answer, however often asked."""
    return invalid(f"the engine refuses this request: {reason}", code="engine_refused")


def internal_error() -> Refusal:
    """Return what clients are told of an error in the gateway itself."""
    return Refusal(500, "the gateway failed", code="internal_error", kind="server_error")


class Advice(NamedTuple):
    """What would be possible for a request that can never be served as asked.

    Attributes:
        told: for people.
        param: which part of the request is to change.
    """

    told: str
    param: str


def refusal_of(record: RequestRecord, possible: Advice, retry_after_seconds: float) -> Refusal:
    """Return why a request that has ended got no answer.

    Args:
        record: how it ended; neither in time nor late.
        possible: what would be possible for what can never be served as asked.
        retry_after_seconds: the scheduler's estimate for what is contended now.
    """
    if record.outcome in (Outcome.FAILED, Outcome.CANCELLED):
        return not_ready("the engine broke while this request was served; please try again")
    never = {
        Reason.QUALITY: (422, "quality_unavailable"),
        Reason.MEMORY: (400, "context_length_exceeded"),
        Reason.DEADLINE: (422, "deadline_too_short"),
    }
    reason = Reason(record.reason)
    if reason in never:
        status, code = never[reason]
        told = f"cannot be served here: {possible.told}"
        return Refusal(status, told, code=code, param=possible.param)
    code = "queue_full" if reason is Reason.QUEUE_FULL else "deadline_unreachable"
    told = (
        "too many requests are waiting"
        if reason is Reason.QUEUE_FULL
        else "it can no longer be answered by its deadline"
    )
    return try_later(told, code, retry_after_seconds)
