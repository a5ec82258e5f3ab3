"""Paths as people write them; files are written whole or not at all, and all of them here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from edgebatch.errors import InputError


def from_home(path: str) -> Path:
    """Return a path in which ``~`` is the home folder of a user; as written if there is none."""
    # Path.expanduser raises for users that do not exist
    return Path(os.path.expanduser(path))  # noqa: PTH111


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file to write that becomes ``path`` only if all goes well.

    A link is followed, not replaced; a device or a pipe is written to as it is.

    Raises:
        InputError: the file cannot be written.
    """
    try:
        target = _resolved(path)
        if target.exists() and not target.is_file():
            with target.open("wb") as device:
                yield device
            return
        partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
        try:
            with partial.open("wb") as file:
                yield file
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(str(path), f"cannot be written: {reason}") from error


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` as UTF-8, whole or not at all.

    Raises:
        InputError: the file cannot be written.
    """
    content = text.encode("utf-8")
    with replacing(path) as file:
        file.write(content)


def require_place(option: str, path: Path) -> None:
    """Raise unless ``path`` could be a file: asked before a long run, not after it.

    Raises:
        InputError: it is a folder, or there is no folder to hold it; with ``option`` as the path.
    """
    target = _resolved(path)
    if target.is_dir():
        raise InputError(option, f"must be a file, but {str(path)!r} is a folder")
    if not target.parent.is_dir():
        raise InputError(option, f"there is no folder {str(target.parent)!r}")


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except RuntimeError as error:
        raise InputError(str(path), "is a link that leads back to itself") from error
