"""From settings to a gateway."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import structlog

from edgebatch.engines.registry import EngineSpec, make_engine, parse_engine
from edgebatch.errors import InputError
from edgebatch.scenario import ROLLING, Policy, Scenario, parse_policy, read_document
from edgebatch.serving.first_profile import DEFAULT_MODEL, check_measurable, measured_profile
from edgebatch.serving.gateway import Gateway
from edgebatch.serving.places import Places
from edgebatch.serving.settings import GatewaySettings
from edgebatch.serving.tracing_check import check_tracing

log = structlog.get_logger("edgebatch.gateway")

_SIMULATED_SCENARIO = "tiny-chat"
_LONGEST_DECISION_SECONDS = 0.05
"""Also where it is simulated what would have been: else a search might have no end."""
_NO_WORKLOAD = {  # a gateway's requests come from outside
    "rate_per_second": 1.0,
    "num_requests": 1,
    "prompt_tokens": 1,
    "output_tokens": 1,
    "deadline_seconds": 1.0,
}


def build_gateway(settings: GatewaySettings) -> Gateway:
    """Return the gateway that settings describe, not started.

    Raises:
        EdgebatchError: a setting does not go with another, or with the profile.
        MissingExtraError: requests are to be traced, but OpenTelemetry is not installed.
    """
    engine, policy = _parsed(settings)
    scenario = Scenario(_document(settings, engine.name, policy))
    if engine.name == "openai":
        _check_all_are_asked(settings, scenario, policy)
    spec = _filled(engine, settings, scenario, policy)
    make_engine(spec)  # whatever is wrong with it is to be told now
    return Gateway(settings, scenario, policy, lambda: make_engine(spec))


def check_settings(settings: GatewaySettings) -> None:
    """Raise what :func:`build_gateway` would, but start and measure nothing.

    Raises:
        EdgebatchError: a setting is wrong, or does not go with another.
        MissingExtraError: a library is not installed.
    """
    engine, _ = _parsed(settings)
    if settings.profile is None and engine.name != "simulated":
        check_measurable(settings)
    else:
        build_gateway(settings)


def _parsed(settings: GatewaySettings) -> tuple[EngineSpec, Policy]:
    if settings.tracing:
        check_tracing()
    engine = EngineSpec(*parse_engine(settings.engine))
    if engine.name == "openai":
        _check_urls(settings)
    policy = parse_policy(settings.policy)
    _check_shares(settings, policy)
    return engine, policy


def _check_urls(settings: GatewaySettings) -> None:
    if not settings.urls:
        raise InputError("urls", "must say where each precision is served: --url PRECISION=URL")
    for precision in settings.precisions:
        if precision not in settings.urls:
            said = f"must say where {precision!r} is served: --url {precision}=URL"
            raise InputError("urls", said)
    for precision, url in settings.urls.items():
        if not _is_url(url):
            said = f"must be a URL like http://127.0.0.1:8001/v1, got {url!r}"
            raise InputError(f"urls.{precision}", said)


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # such as a port that is no number
        return False


def _check_all_are_asked(settings: GatewaySettings, scenario: Scenario, policy: Policy) -> None:
    hosted = [each.name for each in scenario.hosting.precisions]
    run = [each.name for each in scenario.precisions_run(policy)]
    for name in settings.urls:
        if name in run:
            continue
        if name not in hosted:
            why = f"{name!r} is not among the precisions to host"
        else:
            where = ", here and in precisions," if name in settings.precisions else ","
            why = (
                f"{policy.name} runs {run[0]} alone: leave it out{where} "
                "or take a policy that runs several, such as --policy dftsp"
            )
        raise InputError(f"urls.{name}", f"would never be asked, because {why}")


def _check_shares(settings: GatewaySettings, policy: Policy) -> None:
    for position, key in enumerate(settings.keys):
        if "share" in key.model_fields_set and policy.name != ROLLING:
            raise InputError(
                f"keys[{position}].share",
                f"is heeded by {ROLLING} alone, not by {policy.name}: leave it out, "
                f"or take {ROLLING}",
            )


def _document(settings: GatewaySettings, engine: str, policy: Policy) -> dict[str, Any]:
    document: dict[str, Any] = {"workload": _NO_WORKLOAD}
    if settings.profile is None and engine == "simulated":
        known = read_document(_SIMULATED_SCENARIO)
        document |= {name: known[name] for name in ("node", "model", "precisions")}
    else:
        document["profile"] = str(settings.profile or measured_profile(settings))
        served_elsewhere = tuple(settings.urls) if engine == "openai" else ()
        if hosted := settings.precisions or served_elsewhere:
            document["precisions"] = {"hosted": list(hosted)}
    document["node"] = document.get("node", {}) | {"downlink_seconds": settings.downlink_seconds}
    document["scheduler"] = {
        "batching": "ragged",
        "queue_limit": Places(settings).most_waiting,
        "time_limit_seconds": _LONGEST_DECISION_SECONDS,
    }
    if settings.keys and policy.name == ROLLING:
        document["scheduler"]["tenant_shares"] = [key.share for key in settings.keys]
    return document


def _filled(
    engine: EngineSpec, settings: GatewaySettings, scenario: Scenario, policy: Policy
) -> EngineSpec:
    hosting, run = scenario.hosting, scenario.precisions_run(policy)
    idle = [each.name for each in hosting.precisions if each not in run]
    if idle:
        log.warning("precisions not loaded", policy=policy.name, runs=run[0].name, unused=idle)
    return replace(
        engine,
        model=settings.model or ("" if engine.name in ("openai", "simulated") else DEFAULT_MODEL),
        precisions=tuple(each.name for each in run),
        urls=settings.urls,
        api_key=settings.upstream_key,
        costs=scenario.step_costs(policy),
    )
