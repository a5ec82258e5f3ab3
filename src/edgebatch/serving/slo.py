"""What a request demands: from its headers, its body, its key's defaults and the gateway's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from edgebatch.serving.openai_requests import ChatRequest, CompletionRequest
from edgebatch.serving.refusals import invalid
from edgebatch.serving.settings import MOST_PRIORITY, Demands, GatewaySettings

E2E_HEADER = "x-slo-e2e-ms"
TTFT_HEADERS = ("x-llm-d-slo-ttft-ms", "x-slo-ttft-ms")
QUALITY_HEADER = "x-min-quality"
CLIENT_TIMEOUT_HEADER = "x-stainless-timeout"
"""Seconds after which OpenAI's own clients give up."""


@dataclass(frozen=True, slots=True)
class Slo:
    """What a request demands, filled in.

    Attributes:
        e2e_seconds: deadline of the whole answer, from arrival.
        ttft_seconds: deadline of the first token; may be infinite.
        min_quality: a_i.
        value: v_i, twice as much for each step of urgency.
        max_tokens: n_i, output limit.
    """

    e2e_seconds: float
    ttft_seconds: float
    min_quality: float
    value: float
    max_tokens: int


def slo_of(
    body: ChatRequest | CompletionRequest,
    headers: Mapping[str, str],
    key_defaults: Demands,
    settings: GatewaySettings,
) -> Slo:
    """Return what a request demands.

    Headers outweigh the body, the body the key's defaults, these the gateway's. A client that says
    when it will give up is not answered later than that.

    Raises:
        Refusal: a header is no number, or more is asked for than is allowed.
    """
    limits = settings.limits
    e2e_ms = _number(headers, E2E_HEADER) or body.slo_e2e_ms
    e2e_seconds = (
        e2e_ms / 1000.0
        if e2e_ms is not None
        else key_defaults.e2e_seconds or settings.defaults.e2e_seconds or limits.e2e_seconds
    )
    gives_up_after = _number(headers, CLIENT_TIMEOUT_HEADER, lenient=True)
    if gives_up_after is not None and e2e_ms is None:
        e2e_seconds = min(e2e_seconds, gives_up_after)
    ttft_ms = next((ms for name in TTFT_HEADERS if (ms := _number(headers, name))), None)
    ttft_ms = ttft_ms or body.slo_ttft_ms
    ttft_seconds = (
        ttft_ms / 1000.0
        if ttft_ms is not None
        else key_defaults.ttft_seconds or settings.defaults.ttft_seconds or math.inf
    )
    return Slo(
        e2e_seconds=min(e2e_seconds, limits.e2e_seconds),
        ttft_seconds=ttft_seconds,
        min_quality=_quality(body, headers, key_defaults, settings),
        value=value_of(_priority(body, key_defaults, settings)),
        max_tokens=_max_tokens(body, key_defaults, settings),
    )


def value_of(priority: int) -> float:
    """Return v_i of OpenAI-style priorities, of which the lower is the more urgent."""
    bounded = max(-MOST_PRIORITY, min(MOST_PRIORITY, priority))
    return float(2.0**-bounded)


def _priority(
    body: ChatRequest | CompletionRequest, key_defaults: Demands, settings: GatewaySettings
) -> int:
    """Return what is given first; 0 may be, and outweighs like any other number."""
    given = (body.priority, key_defaults.priority, settings.defaults.priority, 0)
    return next(priority for priority in given if priority is not None)


def _quality(
    body: ChatRequest | CompletionRequest,
    headers: Mapping[str, str],
    key_defaults: Demands,
    settings: GatewaySettings,
) -> float:
    quality = _number(headers, QUALITY_HEADER, least=0.0)
    if quality is None:
        quality = body.min_quality
    if quality is None:
        quality = key_defaults.min_quality
    if quality is None:
        quality = settings.defaults.min_quality or 0.0
    if quality > 1.0:
        raise invalid(f"{QUALITY_HEADER} must be from 0 to 1, got {quality:g}", QUALITY_HEADER)
    return quality


def _max_tokens(
    body: ChatRequest | CompletionRequest, key_defaults: Demands, settings: GatewaySettings
) -> int:
    most = settings.limits.max_tokens
    asked = body.limit()
    if asked is not None and asked > most:
        raise invalid(f"max_tokens must be at most {most} here, got {asked}", "max_tokens")
    return min(asked or key_defaults.max_tokens or settings.defaults.max_tokens or most, most)


def _number(
    headers: Mapping[str, str], name: str, *, least: float | None = None, lenient: bool = False
) -> float | None:
    """Return a header's number, above 0 or at least ``least``; None if it is not there."""
    text = headers.get(name)
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    fits = number > 0.0 if least is None else number >= least
    if math.isfinite(number) and fits:
        return number
    if lenient:
        return None
    wanted = "above 0" if least is None else f"of at least {least:g}"
    raise invalid(f"{name} must be a number {wanted}, got {text[:40]!r}", name)
