"""Keys of scenarios: as the schema has them, and as the page on scenarios lists them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pydantic.fields import FieldInfo

from edgebatch.problem.file_schema import PrecisionSection
from edgebatch.scenario.schema import ScenarioDocument, ServerSection
from edgebatch.schema import Section

_HEADING = re.compile(r"##+ (.*)")
_ROW = re.compile(r"\| `(\w+)` \| (.*?) \| (.+) \|")


class Key(NamedTuple):
    """A key under a heading of the page, and what it must be."""

    section: str
    name: str
    must_be: str


def schema_keys() -> Iterator[Key]:
    """Yield every key that the schema knows."""
    sections: dict[str, type[Section]] = {
        "precisions.custom": PrecisionSection,
        "servers": ServerSection,
    }
    for name, field in ScenarioDocument.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            sections[name] = field.annotation
    top = {key: each for key, each in ScenarioDocument.model_fields.items() if key not in sections}
    yield from _described("Top level", top)
    for name, section in sections.items():
        yield from _described(name, section.model_fields)


def _described(section: str, fields: Mapping[str, FieldInfo]) -> Iterator[Key]:
    for name, field in fields.items():
        yield Key(section, name, str(field.description))


def page_keys(page: str) -> Iterator[Key]:
    """Yield every key that the tables of the page list."""
    heading = ""
    for line in page.splitlines():
        if title := _HEADING.fullmatch(line):
            heading = title[1]
        elif row := _ROW.fullmatch(line):
            yield Key(heading, row[1], row[2])


def refreshed(page: str) -> str:
    """Return the page with what keys must be taken from the schema."""
    must_be = {(key.section, key.name): key.must_be for key in schema_keys()}
    lines, heading = [], ""
    for line in page.splitlines():
        if title := _HEADING.fullmatch(line):
            heading = title[1]
        row = _ROW.fullmatch(line)
        if row and (heading, row[1]) in must_be:
            line = f"| `{row[1]}` | {must_be[heading, row[1]]} | {row[3]} |"
        lines.append(line)
    return "\n".join(lines) + "\n"
