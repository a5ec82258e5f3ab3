"""Study files: TOML that says what a sweep runs, instead of many options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from edgebatch.errors import InputError
from edgebatch.scenario import builtin_names
from edgebatch.schema import ABSENT, Flag, Name, Section, Size, read_toml, validated
from edgebatch.study.axes import Axis, parse_axis

_Policies = Annotated[
    list[Annotated[str, Field(description="a policy")]],
    Field(min_length=1, description="a list of at least one policy"),
]
_Axes = Annotated[
    dict[str, Any], Field(description="a table with a list of values or a range for each axis")
]
_Settings = Annotated[
    list[Annotated[str, Field(description="a setting such as 'node.count=2'")]],
    Field(description="a list of settings such as 'node.count=2'"),
]


class _StudyDocument(Section):
    title: Name = ABSENT
    question: Name = ABSENT
    scenario: Name = ABSENT
    needs_trace: Flag = ABSENT
    settings: _Settings = ABSENT
    policies: _Policies = ABSENT
    seeds: Size = ABSENT
    axes: _Axes = ABSENT


@dataclass(frozen=True, slots=True)
class StudyFile:
    """What a study file says; every entry may be left out.

    Attributes:
        title, question: for readers.
        scenario: a scenario file, or a built-in scenario's name.
        needs_trace: whether it means nothing without a trace, which options must then name.
        settings: keys of the scenario to override, such as ``node.count=2``.
        policies: who decides.
        seeds: how many seeds.
        axes: what is varied.
    """

    title: str = ""
    question: str = ""
    scenario: str | None = None
    needs_trace: bool = False
    settings: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    seeds: int | None = None
    axes: tuple[Axis, ...] = ()


def is_study_file(source: str) -> bool:
    """Return whether ``source`` is a TOML file of a study rather than of a scenario.

    Raises:
        InputError: it is a file that cannot be read, or is not TOML.
    """
    path = Path(source)
    if source in builtin_names() or not path.exists():
        return False
    document = read_toml(path)
    return "node" not in document and not document.keys().isdisjoint(_StudyDocument.model_fields)


def read_study_file(path: Path) -> StudyFile:
    """Return what a study file says; a scenario's path is taken from the file's folder.

    Raises:
        InputError: the file cannot be read, or something in it is wrong.
    """
    document = read_toml(path)
    try:
        given = validated(document, _StudyDocument).model_dump(exclude_unset=True)
        axes = tuple(_axis(key, values) for key, values in given.pop("axes", {}).items())
    except InputError as error:
        raise error.within(str(path)) from None
    scenario = given.get("scenario")
    if scenario is not None and (scenario.endswith(".toml") or "/" in scenario):
        given["scenario"] = str(path.parent / scenario)
    for name in ("settings", "policies"):
        given[name] = tuple(given.get(name, ()))
    return StudyFile(**given, axes=axes)


def _axis(key: str, values: Any) -> Axis:
    if isinstance(values, str):
        return parse_axis(f"{key}={values}")
    if not isinstance(values, list):
        raise InputError(f"axes.{key}", "must be a list of values, or a range in quotes")
    return Axis(key, tuple(values))
