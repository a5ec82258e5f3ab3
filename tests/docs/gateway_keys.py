"""Settings of the gateway: as the code has them, and as the page on them lists them.

``python tests/docs/gateway_keys.py`` writes what they must be and their defaults anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from console_sessions import REPOSITORY
from pydantic import BaseModel

from edgebatch.serving.settings import Demands, GatewaySettings, Key, Lengths, Limits, Server

PAGE = REPOSITORY / "docs" / "gateway-settings.md"
_SECTIONS: dict[str, type[BaseModel]] = {
    "Top level": GatewaySettings,
    "defaults": Demands,
    "limits": Limits,
    "lengths": Lengths,
    "servers": Server,
    "keys": Key,
}
_HEADING = re.compile(r"## (.*)")
_ROW = re.compile(r"\| `(\w+)` \| (.*?) \| (.*?) \| (.+) \|")
_KINDS = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true, false"}
_BOUNDS = (("exclusiveMinimum", ">"), ("minimum", "≥"), ("exclusiveMaximum", "<"), ("maximum", "≤"))


class Setting(NamedTuple):
    """A setting under a heading of the page, what it must be, and what it is if not given."""

    section: str
    name: str
    must_be: str
    default: str


def known_settings() -> Iterator[Setting]:
    """Yield every setting that a gateway has."""
    for section, model in _SECTIONS.items():
        properties = model.model_json_schema()["properties"]
        for name, described in properties.items():
            if model is Key or name not in _SECTIONS:
                yield Setting(section, name, _must_be(described), _default(section, model, name))


def page_settings(page: str) -> Iterator[Setting]:
    """Yield every setting that the tables of the page list."""
    section = ""
    for line in page.splitlines():
        if title := _HEADING.fullmatch(line):
            section = title[1]
        elif row := _ROW.fullmatch(line):
            yield Setting(section, row[1], row[2], row[3])


def refreshed(page: str) -> str:
    """Return the page with what settings must be, and their defaults, taken from the code."""
    known = {(each.section, each.name): each for each in known_settings()}
    lines, section = [], ""
    for line in page.splitlines():
        if title := _HEADING.fullmatch(line):
            section = title[1]
        row = _ROW.fullmatch(line)
        if row and (section, row[1]) in known:
            setting = known[section, row[1]]
            line = f"| `{row[1]}` | {setting.must_be} | {setting.default} | {row[4]} |"
        lines.append(line)
    return "\n".join(lines) + "\n"


def _must_be(described: dict[str, Any]) -> str:
    if "anyOf" in described:
        kinds = [each for each in described["anyOf"] if each.get("type") != "null"]
        return ", ".join(_must_be(each) for each in kinds)
    if "$ref" in described:
        return "table"
    if described.get("type") == "array":
        return f"list: {_must_be(described['items'])}"
    if described.get("type") == "object":
        return "table of texts"
    pattern = described.get("pattern", "")
    if choices := re.fullmatch(r"\^\(([\w|]+)\)\$", pattern):
        return ", ".join(f"`{choice}`" for choice in choices[1].split("|"))
    bounds = [f"{sign} {described[name]:g}" for name, sign in _BOUNDS if name in described]
    kind = _KINDS[described["type"]]
    if pattern:
        kind += f" like `{pattern}`"
    return " ".join([kind, ", ".join(bounds)]).strip()


def _default(section: str, model: type[BaseModel], name: str) -> str:
    field = model.model_fields[name]
    if field.is_required():
        return "needed"
    value = field.get_default(call_default_factory=True)
    if section == "defaults":  # a gateway's own, not a key's
        value = getattr(GatewaySettings.model_fields["defaults"].default, name)
    if value in (None, (), {}) or isinstance(value, BaseModel):
        return ""
    return f"`{json.dumps(value)}`"


if __name__ == "__main__":
    PAGE.write_text(refreshed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
