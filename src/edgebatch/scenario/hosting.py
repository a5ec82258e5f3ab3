"""From a scenario's sections to what is hosted where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from edgebatch.calibration.profile import Profile
from edgebatch.calibration.profile_schema import Source
from edgebatch.errors import InputError
from edgebatch.presets import (
    CostForm,
    device_preset,
    model_preset,
    precision_preset,
)
from edgebatch.problem import Model, Node, Precision
from edgebatch.radio import Channel, RadioScenario, radio_scenario
from edgebatch.registry import lookup
from edgebatch.scenario.schema import ScenarioDocument
from edgebatch.scheduling import Hosting

_OF_DEVICES = ("count", "efficiency", "bandwidth_efficiency", "roofline")
_EXPLICIT = ("memory_bytes", "flops", "memory_bandwidth")
_BESIDE_PROFILE = (
    "uplink_seconds",
    "downlink_seconds",
    "reserved_bytes",
    "memory_bytes",
    "max_running",
)


def build_node(section: dict[str, Any]) -> Node:
    """Return the node of a checked ``[node]`` section; ``max_running`` is not the node's own.

    Explicit ``memory_bytes``, ``flops`` and ``memory_bandwidth`` are those of the whole node and
    outweigh the device's.
    """
    given = _of_node(section)
    name = given.pop("device", None)
    if name is None:
        for key in _OF_DEVICES:
            if key in given:
                raise InputError(f"node.{key}", "only goes with node.device")
        for key in ("memory_bytes", "flops"):
            if key not in given:
                raise InputError(f"node.{key}", "is missing; give it or node.device")
        return Node(**given)
    if "memory_bandwidth" in given and given.get("roofline") is False:
        raise InputError("node.memory_bandwidth", "must not stand beside node.roofline = false")
    explicit = {key: given.pop(key) for key in _EXPLICIT if key in given}
    return device_preset(name, "node.device").node(**given).replace(**explicit)


def _of_node(section: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in section.items() if key != "max_running"}


def build_model(section: dict[str, Any]) -> Model:
    """Return the model of a checked ``[model]`` section."""
    given = dict(section)
    name, parameters = given.pop("name", None), given.pop("parameters", "total")
    if name is None:
        for key in ("layers", "hidden_size", "ffn_size", "heads"):
            if key not in given:
                raise InputError(f"model.{key}", "is missing; give it or model.name")
        model = Model(**given)
    elif given:
        raise InputError(f"model.{next(iter(given))}", "must not stand beside model.name")
    else:
        model = model_preset(name, "model.name").model
    if parameters == "published":
        return model.replace(parameters=model.published_parameters)
    return model if parameters == "total" else model.replace(parameters=parameters)


def build_precisions(section: dict[str, Any], model_name: str | None) -> tuple[Precision, ...]:
    """Return the precisions of a checked ``[precisions]`` section, named ones first."""
    form = cast("CostForm", section.get("form", "roofline"))
    named = [
        precision_preset(name, f"precisions.hosted[{position}]").precision(model_name, form)
        for position, name in enumerate(section.get("hosted", []))
    ]
    custom = [Precision(**entry) for entry in section.get("custom", [])]
    paths = [f"precisions.hosted[{position}]" for position in range(len(named))]
    paths += [f"precisions.custom[{position}].name" for position in range(len(custom))]
    _require_distinct([*named, *custom], paths)
    return (*named, *custom)


def _require_distinct(precisions: Sequence[Precision], paths: Sequence[str]) -> None:
    """Raise unless there is a precision and none is there twice; each has a path."""
    if not precisions:
        raise InputError("precisions.hosted", "must name at least one precision")
    seen: set[str] = set()
    for path, precision in zip(paths, precisions, strict=True):
        if precision.name in seen:
            raise InputError(path, f"must be unique, but {precision.name!r} is there already")
        seen.add(precision.name)


def build_hosting(document: dict[str, Any]) -> Hosting:
    """Return what a checked scenario hosts: its own word, else the profile's."""
    said = {}
    if "batching" in document.get("scheduler", {}):
        said["batching"] = document["scheduler"]["batching"]
    if "max_running" in document.get("node", {}):
        said["max_running"] = document["node"]["max_running"]
    if "profile" in document:
        return replace(_from_profile(document), **said)
    for name in ("node", "model", "precisions"):
        if name not in document:
            expected = ScenarioDocument.model_fields[name].description
            raise InputError(name, f"is missing; expected {expected}, or the key profile")
    return Hosting(
        node=build_node(document["node"]),
        model=build_model(document["model"]),
        precisions=build_precisions(document["precisions"], document["model"].get("name")),
        **said,
    )


def build_servers(document: dict[str, Any]) -> tuple[Hosting, ...]:
    """Return what each server behind the queue of a checked scenario hosts: one precision.

    A server is on a node as the scenario's, or as the profile of its own says.
    """
    hostings: list[Hosting] = []
    for position, server in enumerate(document.get("servers", [])):
        path = f"servers[{position}]"
        own = document
        if "profile" in server:
            node = {
                key: value
                for key, value in document.get("node", {}).items()
                if key in ("uplink_seconds", "downlink_seconds")
            }
            own = {"profile": server["profile"], "node": node}
        try:
            hosting = build_hosting(own)
        except InputError as error:
            raise (error.within(path) if "profile" in server else error) from error
        known = {each.name: each for each in hosting.precisions}
        name = server.get("precision", next(iter(known)))
        if "precision" not in server and len(known) > 1:
            raise InputError(f"{path}.precision", f"is missing; give one of {', '.join(known)}")
        alone = replace(hosting, precisions=(lookup(known, name, f"{path}.precision"),))
        hostings += [alone] * server.get("count", 1)
    return tuple(hostings)


def profile_source(document: dict[str, Any]) -> Source | None:
    """Return where the profile of a checked scenario comes from; None if it has no profile."""
    return _profile(document).source if "profile" in document else None


def server_sources(document: dict[str, Any]) -> tuple[Source | None, ...]:
    """Return where the profile of each server behind the queue comes from."""
    sources: list[Source | None] = []
    for server in document.get("servers", []):
        source = profile_source(server if "profile" in server else document)
        sources += [source] * server.get("count", 1)
    return tuple(sources)


def _profile(document: dict[str, Any]) -> Profile:
    try:
        return Profile.load(document["profile"])
    except InputError as error:
        raise error.within("profile") from error


def _from_profile(document: dict[str, Any]) -> Hosting:
    node, chosen = document.get("node", {}), document.get("precisions", {})
    for section, given, allowed in (
        ("node", node, _BESIDE_PROFILE),
        ("model", document.get("model", {}), ()),
        ("precisions", chosen, ("hosted",)),
    ):
        for key in given:
            if key not in allowed:
                raise InputError(f"{section}.{key}", "must not stand beside profile, which says it")
    profile = _profile(document)
    hosted = profile.precisions
    if "hosted" in chosen:
        known = {precision.name: precision for precision in hosted}
        hosted = tuple(
            lookup(known, name, f"precisions.hosted[{position}]")
            for position, name in enumerate(chosen["hosted"])
        )
    _require_distinct(hosted, [f"precisions.hosted[{place}]" for place in range(len(hosted))])
    return Hosting(
        profile.node.replace(**_of_node(node)),
        profile.model,
        hosted,
        profile.batching,
        profile.max_running,
    )


def build_channel(section: dict[str, Any] | None, seed: int) -> Channel | None:
    """Return the channel of a checked ``[radio]`` section; None if there is no such section."""
    if section is None:
        return None
    changes = dict(section)
    base: RadioScenario = radio_scenario(changes.pop("scenario", "umi"))
    return Channel(base.replace(**changes), seed)
