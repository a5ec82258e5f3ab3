"""What a plan compares: combinations of a device, a model and the precisions that it hosts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from edgebatch.calibration.profile import Profile
from edgebatch.errors import InputError, UnknownNameError
from edgebatch.presets import device_preset, devices, models, precisions
from edgebatch.registry import lookup
from edgebatch.scenario import Policy, overridden
from edgebatch.scenario.hosting import build_hosting
from edgebatch.scenario.schema import ScenarioDocument
from edgebatch.scheduling import Hosting
from edgebatch.schema import validated

ALL = "all"
"""Stands for every device that is known by name."""

_TOGETHER = "+"
_FIGURES = ("memory_bytes", "flops", "memory_bandwidth")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One combination.

    Attributes:
        device: name of the device; of the profile's machine, or what people call a node without.
        model: name of the model.
        precisions: names of those hosted together.
        power_watts: greatest power setting of all its devices; None if not known.
        document: the scenario document with this combination in it.
    """

    device: str
    model: str
    precisions: tuple[str, ...]
    power_watts: float | None
    document: dict[str, Any]

    @property
    def label(self) -> str:
        """What it is called on one line."""
        return f"{self.device}, {self.model}, {_TOGETHER.join(self.precisions)}"


@dataclass(frozen=True, slots=True)
class Choice:
    """What was asked for; empty means what the scenario has.

    Attributes:
        devices, models: names, as they were typed; spaces and hyphens count alike.
        precisions: names, or several joined by ``+`` that are hosted together.
        profile: path of a profile that says node and model; None without.
        settings: of ``--set``; those of the node outweigh every candidate's.
    """

    devices: Sequence[str] = ()
    models: Sequence[str] = ()
    precisions: Sequence[str] = ()
    profile: str | None = None
    settings: Sequence[str] = ()


def candidates(document: Mapping[str, Any], choice: Choice, policy: Policy) -> list[Candidate]:
    """Return every combination that was asked for, device by device.

    A device takes the place of the scenario's; its count, efficiencies, overheads and radio phases
    stay, explicit figures of the node go.

    Raises:
        UnknownNameError: no such device, model or precision.
        InputError: something is asked for twice, or beside what excludes it.
    """
    if "servers" in document:
        raise InputError("servers", "must not be there: what is planned is one node")
    document = with_profile(document, choice)
    chosen_devices = _device_names(choice.devices)
    chosen_models = [lookup(models(), name, "--model").name for name in choice.models]
    groups = _precision_groups(choice.precisions, document)
    for option, asked in (("--device", chosen_devices), ("--model", chosen_models)):
        _require_distinct(option, asked)
    _require_distinct("--precision", [_TOGETHER.join(group) for group in groups])
    for group in groups:
        if len(group) > 1 and policy.is_continuous:
            raise InputError(
                "--precision",
                f"{_TOGETHER.join(group)!r}: {policy.name} runs one precision; several hosted "
                "together need a policy that forms batches, such as --policy dftsp",
            )
    devices_or_own: Sequence[str | None] = chosen_devices or [None]
    models_or_own: Sequence[str | None] = chosen_models or [None]
    return [
        _candidate(document, device, model, group, choice.settings)
        for device, model, group in product(devices_or_own, models_or_own, groups)
    ]


def hosting_of(document: Mapping[str, Any]) -> Hosting:
    """Return what a scenario document says is hosted where, whether it fits or not."""
    return build_hosting(validated(document, ScenarioDocument).model_dump(exclude_unset=True))


def with_profile(document: Mapping[str, Any], choice: Choice) -> dict[str, Any]:
    """Return a scenario document with the chosen profile in place of node, model and precisions.

    Raises:
        InputError: a device or model is asked for beside a profile.
    """
    result = dict(document)
    if choice.profile is not None:
        result = {**overridden(result, ["profile=file"]), "profile": choice.profile}
    if "profile" in result:
        for option, asked in (("--device", choice.devices), ("--model", choice.models)):
            if asked:
                raise InputError(option, "must not stand beside a profile, which says it")
    return result


def _device_names(asked: Sequence[str]) -> list[str]:
    if ALL in asked:
        if len(asked) > 1:
            raise InputError("--device", f"{ALL} must stand alone")
        return list(devices())
    by_slug = {slug(name): name for name in devices()}
    for name in asked:
        if slug(name) not in by_slug:
            raise UnknownNameError("--device", name, devices())
    return [by_slug[slug(name)] for name in asked]


def slug(name: str) -> str:
    """Return a device's name in small letters and hyphens, to be typed without quotes."""
    return re.sub(r"[^a-z0-9.]+", "-", name.casefold()).strip("-")


def _require_distinct(option: str, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise InputError(option, f"{name!r} is given twice")


def _precision_groups(asked: Sequence[str], document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return the precisions of each combination; without any asked for, the scenario's singly."""
    if not asked:
        return [(each.name,) for each in hosting_of(document).precisions]
    if "profile" in document:
        known = [each.name for each in Profile.load(document["profile"]).precisions]
    else:
        known = [*precisions(), *(each["name"] for each in _custom(document))]
    table = {name: name for name in known}
    groups = []
    for group in asked:
        names = [lookup(table, name.strip(), "--precision") for name in group.split(_TOGETHER)]
        _require_distinct("--precision", names)
        groups.append(tuple(names))
    return groups


def _custom(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = document["precisions"].get("custom", [])
    return entries


def _candidate(
    document: Mapping[str, Any],
    device: str | None,
    model: str | None,
    group: tuple[str, ...],
    settings: Sequence[str],
) -> Candidate:
    result = dict(document)
    if device is not None:
        node = {key: value for key, value in document["node"].items() if key not in _FIGURES}
        result["node"] = {**node, "device": device}
        of_node = [each for each in settings if each.strip().startswith("node.")]
        result = overridden(result, of_node)
    if model is not None:
        published = document["model"].get("parameters") == "published"
        result["model"] = {"name": model, **({"parameters": "published"} if published else {})}
    result["precisions"] = _precision_section(document, group)
    hosting, section = hosting_of(result), result.get("node", {})
    name = section.get("device")
    watts = None if name is None else device_preset(name).power_watts
    return Candidate(
        device=hosting.node.name or "the node",
        model=hosting.model.name or "the model",
        precisions=tuple(each.name for each in hosting.precisions),
        power_watts=None if watts is None else watts[-1] * section.get("count", 1),
        document=result,
    )


def _precision_section(document: Mapping[str, Any], group: tuple[str, ...]) -> dict[str, Any]:
    if "profile" in document:
        return {"hosted": list(group)}
    own = document["precisions"]
    custom = [each for each in _custom(document) if each["name"] in group]
    spelt_out = {each["name"] for each in custom}
    section: dict[str, Any] = {"hosted": [name for name in group if name not in spelt_out]}
    if custom:
        section["custom"] = custom
    if "form" in own:
        section["form"] = own["form"]
    return section
