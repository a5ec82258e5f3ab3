"""From settings to a gateway."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import structlog

from edgebatch.engines.http_server import ServerAddress
from edgebatch.engines.registry import EngineSpec, make_engine, parse_engine
from edgebatch.errors import InputError
from edgebatch.scenario import ROLLING, Policy, Scenario, parse_policy, read_document
from edgebatch.serving.first_profile import DEFAULT_MODEL, check_measurable, measured_profile
from edgebatch.serving.gateway import Gateway
from edgebatch.serving.places import Places
from edgebatch.serving.settings import GatewaySettings, Server
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
    specs = _filled(engine, settings, scenario, policy)
    makers = [functools.partial(make_engine, each) for each in specs]
    names = _names(settings) if scenario.servers else [""]
    return Gateway(settings, scenario, policy, makers, names)


def check_settings(settings: GatewaySettings) -> None:
    """Raise what :func:`build_gateway` would, but start and measure nothing.

    Raises:
        EdgebatchError: a setting is wrong, or does not go with another.
        MissingExtraError: a library is not installed.
    """
    engine, _ = _parsed(settings)
    has_profile = settings.profile is not None or any(each.profile for each in settings.servers)
    if not has_profile and engine.name != "simulated":
        check_measurable(settings)
    else:
        build_gateway(settings)


def _parsed(settings: GatewaySettings) -> tuple[EngineSpec, Policy]:
    if settings.tracing:
        check_tracing()
    engine = EngineSpec(*parse_engine(settings.engine))
    policy = parse_policy(settings.policy)
    if engine.name == "openai":
        _check_servers(settings, policy)
    elif settings.servers:
        raise InputError("servers", f"go with engine 'openai', not with {engine.name!r}")
    _check_shares(settings, policy)
    return engine, policy


def _check_servers(settings: GatewaySettings, policy: Policy) -> None:
    if not settings.servers:
        raise InputError("servers", "must say where the model is served: --url PRECISION=URL")
    served = [each.precision for each in settings.servers]
    for precision in settings.precisions:
        if precision not in served:
            said = f"must say where {precision!r} is served: --url {precision}=URL"
            raise InputError("servers", said)
    for position, server in enumerate(settings.servers):
        path = f"servers[{position}]"
        if not _is_url(server.url):
            said = f"must be a URL like http://127.0.0.1:8001/v1, got {server.url!r}"
            raise InputError(f"{path}.url", said)
        if _place(server) in [_place(each) for each in settings.servers[:position]]:
            raise InputError(path, "is there twice; what may run at once is for the profile to say")
        if server.profile is None and settings.profile is None and len(settings.servers) > 1:
            said = "is missing: edgebatch calibrate writes one; or give one for all, --profile"
            raise InputError(f"{path}.profile", said)
        if not policy.is_continuous:
            _check_server_in_epochs(settings, position, policy)


def _check_server_in_epochs(settings: GatewaySettings, position: int, policy: Policy) -> None:
    server, path = settings.servers[position], f"servers[{position}]"
    in_epochs = f"{policy.name} decides in epochs, to which all servers together are one node"
    if server.precision in [each.precision for each in settings.servers[:position]]:
        raise InputError(
            f"{path}.precision",
            f"must not be there twice: {in_epochs}; {ROLLING} lets several serve the same",
        )
    for name in ("profile", "model", "key"):
        if getattr(server, name) is not None:
            raise InputError(f"{path}.{name}", f"must not be there: {in_epochs}, with one {name}")


def _place(server: Server) -> tuple[str, str]:
    """Return what is the same for equal servers."""
    return f"{server.precision} {server.model or ''}", ServerAddress(server.url).root


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # such as a port that is no number
        return False


def _check_all_are_asked(settings: GatewaySettings, scenario: Scenario, policy: Policy) -> None:
    hosted = settings.precisions or [each.precision for each in settings.servers]
    run = [each.name for each in scenario.precisions_run(policy)]
    for position, server in enumerate(settings.servers):
        name = server.precision
        if name not in hosted or name not in run:
            why = f"{name!r} is not among the precisions to host"
            raise InputError(
                f"servers[{position}].precision", f"would never be asked, because {why}"
            )


def _names(settings: GatewaySettings) -> list[str]:
    """Return what tells the servers apart, as short as can be."""
    parts = [urlsplit(_place(each)[1]) for each in settings.servers]
    places = [each.netloc.rpartition("@")[2] for each in parts]
    if len(set(places)) == len(places):
        return places
    return [
        f"{position}: {server.precision} {place}{part.path}"
        for position, (server, place, part) in enumerate(
            zip(settings.servers, places, parts, strict=True), start=1
        )
    ]


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
    own_profile = next((each.profile for each in settings.servers if each.profile), None)
    if settings.profile is None and engine == "simulated":
        known = read_document(_SIMULATED_SCENARIO)
        document |= {name: known[name] for name in ("node", "model", "precisions")}
    else:
        document["profile"] = str(settings.profile or own_profile or measured_profile(settings))
    if settings.servers and policy.is_continuous:
        document["servers"] = [_server(each) for each in settings.servers]
    elif hosted := settings.precisions or [each.precision for each in settings.servers]:
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


def _server(server: Server) -> dict[str, Any]:
    own = {} if server.profile is None else {"profile": str(server.profile)}
    return {"precision": server.precision, **own}


def _filled(
    engine: EngineSpec, settings: GatewaySettings, scenario: Scenario, policy: Policy
) -> list[EngineSpec]:
    """Return what each engine is made of."""
    hosting, run = scenario.hosting, scenario.precisions_run(policy)
    model = settings.model or ("" if engine.name in ("openai", "simulated") else DEFAULT_MODEL)
    engine = replace(engine, model=model, api_key=settings.upstream_key)
    if scenario.servers:
        return [
            replace(
                engine,
                precisions=(each.precision,),
                urls={each.precision: each.url},
                model=each.model or model,
                api_key=each.key or settings.upstream_key,
            )
            for each in settings.servers
        ]
    idle = [each.name for each in hosting.precisions if each not in run]
    if idle:
        log.warning("precisions not loaded", policy=policy.name, runs=run[0].name, unused=idle)
    return [
        replace(
            engine,
            precisions=tuple(each.name for each in run),
            urls={each.precision: each.url for each in settings.servers},
            costs=scenario.step_costs(policy),
        )
    ]
