"""The files of a study: by path where it runs, by name and content in its results.

Results are handed on, and folders of the machine that made them help nobody elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

from edgebatch.errors import InputError
from edgebatch.study.axes import Axis, placed
from edgebatch.study.definition import Study
from edgebatch.study.digests import file_digest, with_paths


def names_of(paths: Iterable[str]) -> dict[str, str]:
    """Return a name for each path: that of the file, and as many folders as tell it from others."""
    tails = {
        path: [PurePath(*parts[-count:]).as_posix() for count in range(1, len(parts) + 1)]
        for path in paths
        if (parts := PurePath(path).parts)
    }
    uses = Counter(tail for own in tails.values() for tail in own)
    return {
        path: next((tail for tail in own if uses[tail] == 1), path) for path, own in tails.items()
    }


def named(study: Study) -> Study:
    """Return a study as its results keep it: files by their names alone."""
    return _renamed(study, names_of(study.files))


def named_value(key: str, value: Any, names: Mapping[str, str]) -> Any:
    """Return the value of an axis with names in place of paths."""
    changed: Any = with_paths(placed({}, key, value), names.__getitem__)
    for part in key.split("."):
        changed = changed[part]
    return changed


def located(study: Study, folders: Sequence[Path], trace: Path | None = None) -> Study:
    """Return a study of results with paths of its files on this machine.

    Args:
        study: files by name.
        folders: where to look for them.
        trace: one of them, wherever it is and whatever it is called.

    Raises:
        InputError: one is not there, or has another content.
    """
    if trace is not None:
        require_read_by(study, trace)
    paths = {
        name: _found(
            name, digest, [*([trace] if trace else []), *(each / name for each in folders)]
        )
        for name, digest in study.files.items()
    }
    return _renamed(study, paths)


def require_read_by(study: Study, trace: Path) -> None:
    """Raise unless a study reads a file of this content.

    Raises:
        InputError: it does not, or the file cannot be read.
    """
    if file_digest(str(trace)) not in study.files.values():
        raise InputError("--trace", f"{trace} is not what the results were made with")


def _found(name: str, digest: str, candidates: Iterable[Path]) -> str:
    problem = "is not here; run this in its folder, or name it with --trace if it is a trace"
    for path in candidates:
        if path.is_file():
            if file_digest(str(path)) == digest:
                return str(path.resolve())
            problem = "has changed since the results were made"
    raise InputError(name, problem)


def _renamed(study: Study, names: Mapping[str, str]) -> Study:
    return replace(
        study,
        scenario=with_paths(study.scenario, names.__getitem__),
        axes=tuple(
            Axis(axis.key, tuple(named_value(axis.key, value, names) for value in axis.values))
            for axis in study.axes
        ),
        files=dict(sorted((names[path], digest) for path, digest in study.files.items())),
    )
