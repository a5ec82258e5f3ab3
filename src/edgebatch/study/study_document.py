"""A study as the ``study.toml`` of its results: written, read back and compared."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from edgebatch import __version__
from edgebatch.errors import InputError
from edgebatch.schema import ABSENT, Section, read_toml, validated
from edgebatch.study.axes import Axis
from edgebatch.study.definition import Study
from edgebatch.study.places import located, named

FORMAT = 1

_Texts = Annotated[list[str], Field(min_length=1, description="a list of policies")]
_Seeds = Annotated[
    list[Annotated[int, Field(ge=0, description="a whole number of at least 0")]],
    Field(min_length=1, description="a list of whole numbers of at least 0"),
]
_Table = Annotated[dict[str, Any], Field(description="a table")]
_Values = Annotated[
    dict[str, Annotated[list[Any], Field(description="a list of values")]],
    Field(description="a table with a list of values for each axis"),
]


class _StoredStudy(Section):
    format: Annotated[int, Field(description=f"the number {FORMAT}")]
    edgebatch: Annotated[str, Field(description="the version that made the results")]
    hash: Annotated[str, Field(description="the hash of the study")]
    title: Annotated[str, Field(description="a text")] = ABSENT
    question: Annotated[str, Field(description="a text")] = ABSENT
    policies: _Texts
    seeds: _Seeds
    axes: _Values = ABSENT
    files: Annotated[dict[str, str], Field(description="a table of hashes")] = ABSENT
    scenario: _Table


def stored(study: Study) -> dict[str, Any]:
    """Return a study as plain data for TOML, with the version and its hash; no folder is in it."""
    kept = named(study)
    texts = {"title": study.title, "question": study.question}
    return {
        "format": FORMAT,
        "edgebatch": __version__,
        "hash": study.hash,
        **{name: text for name, text in texts.items() if text},
        "policies": list(study.policies),
        "seeds": list(study.seeds),
        "axes": {axis.key: list(axis.values) for axis in kept.axes},
        "files": kept.files,
        "scenario": kept.scenario,
    }


def restored(document: dict[str, Any]) -> tuple[Study, str]:
    """Return the study of a document that :func:`stored` made, and the version that made it.

    Raises:
        InputError: it is none, or was changed since.
    """
    if document.get("format", FORMAT) != FORMAT:
        raise InputError(
            "format", f"is {document['format']!r}, but edgebatch {__version__} reads {FORMAT}"
        )
    checked = validated(document, _StoredStudy).model_dump(exclude_unset=True)
    study = Study(
        scenario=checked["scenario"],
        axes=tuple(Axis(key, tuple(each)) for key, each in checked.get("axes", {}).items()),
        policies=tuple(checked["policies"]),
        seeds=tuple(checked["seeds"]),
        title=checked.get("title", ""),
        question=checked.get("question", ""),
        files=checked.get("files", {}),
    )
    if study.hash != checked["hash"]:
        raise InputError("hash", "does not belong to the study, which was changed after its runs")
    return study, checked["edgebatch"]


def read_stored(path: Path, trace: Path | None = None) -> Study | None:
    """Return the study of a results folder's ``study.toml``; None if the file is another.

    Files that the study reads are looked for here, beside the file and in the folder above it.

    Args:
        path: the file.
        trace: one of the files that the study reads, wherever it is.

    Raises:
        InputError: the file cannot be read or was changed, or one that the study reads is not
            there or has another content.
    """
    document = read_toml(path)
    if "hash" not in document:
        return None
    try:
        study, _ = restored(document)
    except InputError as error:
        raise error.within(str(path)) from None
    return located(study, (Path(), path.parent, path.parent.parent), trace)


def difference(asked: Study, kept: Study) -> str | None:
    """Return in words what first differs between two studies; None if nothing does."""
    if asked.hash == kept.hash:
        return None
    asked, kept = named(asked), named(kept)
    for name in ("policies", "seeds"):
        old, new = getattr(kept, name), getattr(asked, name)
        if old != new:
            return f"its {name} are {_listed(old)}, not {_listed(new)}"
    old_axes = {axis.key: axis.values for axis in kept.axes}
    new_axes = {axis.key: axis.values for axis in asked.axes}
    if list(old_axes) != list(new_axes):
        return f"its axes are {_listed(old_axes) or 'none'}, not {_listed(new_axes) or 'none'}"
    for key, values in new_axes.items():
        if old_axes[key] != values:
            return f"its axis {key} has {_listed(old_axes[key])}, not {_listed(values)}"
    return _document_difference(asked.scenario, kept.scenario, "scenario") or (
        "a file that it reads has another content"
    )


def _document_difference(asked: Any, kept: Any, path: str) -> str | None:
    if isinstance(asked, dict) and isinstance(kept, dict):
        for key in [*kept, *(key for key in asked if key not in kept)]:
            found = _document_difference(asked.get(key), kept.get(key), f"{path}.{key}")
            if found:
                return found
        return None
    if asked == kept and type(asked) is type(kept):
        return None
    return f"its {path} is {_shown(kept)}, not {_shown(asked)}"


def _listed(values: Any) -> str:
    shown = ", ".join(map(str, values))
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def _shown(value: Any) -> str:
    if value is None:
        return "not set"
    return _listed([repr(value)])
