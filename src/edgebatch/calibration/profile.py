"""Profiles: a node, a model and its precisions as they were measured on an engine, in a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import tomli_w

from edgebatch.calibration.profile_schema import (
    FitFigures,
    Measure,
    MemoryFigures,
    ProfileDocument,
    QualityFigures,
    SampleFigures,
    Source,
)
from edgebatch.errors import InputError
from edgebatch.files import write_text
from edgebatch.problem import Batching, Model, Node, Precision
from edgebatch.problem.files import model_section, node_section, precision_section
from edgebatch.schema import Section, read_toml, validated

FORMAT = 1
"""Number of the file format; readers refuse greater ones."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What was measured of an engine, ready to plan and schedule with.

    Attributes:
        source: engine, machine, date.
        node, model: their names are those of the machine and the served model.
        precisions: in all that was fitted, quality included.
        quality_measure: what :attr:`edgebatch.problem.Precision.quality` and so ``min_quality``
            means: ``perplexity-ratio``, ``agreement``, or ``assumed`` if it was not measured.
        fit: how well the model tells times.
        verdict: how far to trust it, in a sentence.
        quality: everything that was measured about quality.
        memory: predicted beside measured.
        samples: what was measured, in figures.
        batching: as which lengths members of a batch count; what scenarios take unless they say
            otherwise.
        start_seconds: how long the engine takes to start with one precision alone, by precision;
            empty if that was not measured.
        max_running: most requests that the engine runs at once, likewise; None for as many as
            memory allows.
    """

    source: Source
    node: Node
    model: Model
    precisions: tuple[Precision, ...]
    quality_measure: Measure
    fit: FitFigures
    verdict: str
    quality: tuple[QualityFigures, ...] = ()
    memory: tuple[MemoryFigures, ...] = ()
    samples: tuple[SampleFigures, ...] = ()
    batching: Batching = Batching.RAGGED
    start_seconds: Mapping[str, float] = field(default_factory=dict)
    max_running: int | None = None

    @classmethod
    def load(cls, path: str | Path) -> Profile:
        """Return the profile in a file.

        Raises:
            InputError: the file cannot be read, is of a later format, or is wrong; the path of
                the offending value follows the file's name.
        """
        document = read_toml(Path(path))
        try:
            return cls.from_document(document)
        except InputError as error:
            raise error.within(str(path)) from error

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Profile:
        """Return the profile that a parsed file holds.

        Raises:
            InputError: with the path of the first offending value.
        """
        number = document.get("format")
        if isinstance(number, int) and number > FORMAT:
            raise InputError(
                "format",
                f"is {number}, but this version reads up to {FORMAT}; upgrade edgebatch",
            )
        checked = validated(document, ProfileDocument)
        given = checked.model_dump(exclude_unset=True)
        max_running = given["node"].pop("max_running", None)
        _require_distinct([section["name"] for section in given["precisions"]])
        return cls(
            source=checked.source,
            node=Node(**given["node"], name=checked.source.machine.processor),
            model=Model(**given["model"], name=checked.source.model),
            precisions=tuple(Precision(**section) for section in given["precisions"]),
            quality_measure=checked.quality_measure,
            fit=checked.fit.figures(),
            verdict=checked.verdict,
            quality=tuple(checked.quality or ()),
            memory=tuple(checked.memory or ()),
            samples=tuple(checked.samples or ()),
            batching=given.get("batching", Batching.RAGGED),
            start_seconds=checked.start_seconds or {},
            max_running=max_running,
        )

    def document(self) -> dict[str, Any]:
        """Return the profile as plain data that :meth:`from_document` reads back.

        The names of node and model are those in ``source``.
        """
        parts = {
            "format": FORMAT,
            **({} if self.batching is Batching.RAGGED else {"batching": self.batching.value}),
            "verdict": self.verdict,
            "quality_measure": self.quality_measure,
            "source": _plain(self.source),
            "node": self._node_section(),
            "model": model_section(self.model),
            "precisions": [precision_section(precision) for precision in self.precisions],
            "start_seconds": dict(self.start_seconds),
            "fit": _plain(self.fit),
            "quality": [_plain(each) for each in self.quality],
            "memory": [_plain(each) for each in self.memory],
            "samples": [_plain(each) for each in self.samples],
        }
        return {key: value for key, value in parts.items() if value not in ([], {})}

    def _node_section(self) -> dict[str, Any]:
        limit = {} if self.max_running is None else {"max_running": self.max_running}
        return node_section(self.node) | limit

    def save(self, path: str | Path) -> None:
        """Write the profile to a TOML file, whole or not at all.

        Raises:
            InputError: the file cannot be written.
        """
        write_text(Path(path), tomli_w.dumps(self.document()))

    def replace(self, **changes: object) -> Profile:
        """Return a copy with some fields changed."""
        return replace(self, **changes)  # type: ignore[arg-type]


def _require_distinct(names: list[str]) -> None:
    for position, name in enumerate(names):
        if name in names[:position]:
            raise InputError(
                f"precisions[{position}].name", f"must be unique, but {name!r} is there already"
            )


def _plain(part: Section) -> dict[str, Any]:
    return part.model_dump(mode="json", exclude_none=True)
