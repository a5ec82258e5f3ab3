"""Scenario files: where they come from, and how single keys are overridden."""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from edgebatch.errors import InputError
from edgebatch.registry import lookup
from edgebatch.schema import parsed_toml, read_toml

_RADIO_PHASES = ("uplink_seconds", "downlink_seconds")
_FILE_KEYS = ("trace", "lengths")
"""Keys of the workload that hold a path; so does ``path`` in the table of a distribution."""


def builtin_names() -> list[str]:
    """Return the names of the scenarios that ship with the package."""
    folder = files("edgebatch.scenario") / "builtin"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir())


def builtin_text(name: str, path: str = "scenario") -> str:
    """Return the commented text of a built-in scenario.

    Raises:
        UnknownNameError: none is called so.
    """
    known = lookup({each: each for each in builtin_names()}, name, path)
    resource = files("edgebatch.scenario") / "builtin" / f"{known}.toml"
    return resource.read_text(encoding="utf-8")


def read_document(source: str) -> dict[str, Any]:
    """Return the document of a scenario file, or of the built-in scenario of that name.

    Paths in a file are taken from the folder that it is in.

    Raises:
        InputError: there is neither, or it is not TOML.
    """
    if source in builtin_names():
        return parsed_toml(builtin_text(source))
    path = Path(source)
    if not path.exists() and path.suffix == "" and path.parent == Path():
        builtin_text(source, "scenario")
    document = read_toml(path)
    if isinstance(document.get("profile"), str):
        document["profile"] = str(path.parent / document["profile"])
    servers = document.get("servers")
    for server in servers if isinstance(servers, list) else []:
        if isinstance(server, dict) and isinstance(server.get("profile"), str):
            server["profile"] = str(path.parent / server["profile"])
    workload = document.get("workload")
    if isinstance(workload, dict):
        _resolve_paths(workload, path.parent)
    return document


def _resolve_paths(workload: dict[str, Any], folder: Path) -> None:
    for key, value in workload.items():
        if key in _FILE_KEYS and isinstance(value, str):
            workload[key] = str(folder / value)
        elif isinstance(value, dict) and isinstance(value.get("path"), str):
            value["path"] = str(folder / value["path"])


def overridden(document: Mapping[str, Any], settings: Sequence[str]) -> dict[str, Any]:
    """Return a copy of a document with keys set as in ``workload.rate_per_second=2``.

    A value is read as TOML, and as plain text if it is none; an empty one removes the key. A
    profile takes the place of what the document itself says about node, model and precisions.

    Raises:
        InputError: a setting has no ``=``, or goes through something that is not a table.
    """
    result = copy.deepcopy(dict(document))
    for setting in settings:
        key, separator, value = setting.partition("=")
        keys = key.strip().split(".")
        if not separator or not all(re.fullmatch(r"[A-Za-z0-9_-]+", each) for each in keys):
            raise InputError("--set", f"must be like workload.rate_per_second=2, got {setting!r}")
        if keys == ["profile"] and value.strip():
            _make_room_for_profile(result)
        _set(result, keys, value.strip())
    return result


def _make_room_for_profile(document: dict[str, Any]) -> None:
    """Remove what a profile says; the radio phases are not the machine's."""
    node = document.pop("node", {})
    for section in ("model", "precisions"):
        document.pop(section, None)
    if isinstance(node, dict):
        document["node"] = {key: node[key] for key in _RADIO_PHASES if key in node}


def _set(document: dict[str, Any], keys: list[str], value: str) -> None:
    table = document
    for position, key in enumerate(keys[:-1]):
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            raise InputError("--set", f"{'.'.join(keys[: position + 1])} is not a table")
    if value:
        table[keys[-1]] = _toml_value(value)
    else:
        table.pop(keys[-1], None)


def _toml_value(text: str) -> object:
    if text.startswith("."):  # TOML wants 0.5 where people write .5
        text = f"0{text}"
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text
