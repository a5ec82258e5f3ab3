"""What a document depends on, as one hash: its keys, and the content of the files it names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from edgebatch.errors import InputError

_PATH_KEYS = ("trace", "lengths")
"""Keys of a workload that hold a path.

So does ``path`` in the table of a distribution, and ``profile`` of the whole document and of each
server.
"""


def canonical_hash(document: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a document as JSON with sorted keys and no spaces, as hex digits."""
    # TOML has dates, which no scenario takes: it is for the scenario to say so
    text = json.dumps(
        document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str
    )
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def file_digests(documents: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the SHA-256 of every file that scenario documents name, by path in sorted order.

    Raises:
        InputError: a file cannot be read.
    """
    return {path: file_digest(path) for path in file_paths(documents)}


def file_paths(documents: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the path of every file that scenario documents name, each once, sorted."""
    paths: set[str] = set()

    def note(path: str) -> str:
        paths.add(path)
        return path

    for document in documents:
        with_paths(document, note)
    return sorted(paths)


def with_digests(document: Mapping[str, Any], digests: Mapping[str, str]) -> dict[str, Any]:
    """Return a copy of a scenario document with the digests of files in place of their paths.

    A file without a digest, such as one that was written into a stored study, changes the hash.
    """
    return with_paths(document, lambda path: f"sha256:{digests.get(path)}")


def with_absolute_paths(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a scenario document that means the same files from any folder."""
    return with_paths(document, lambda path: str(Path(path).resolve()))


def with_paths(document: Mapping[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """Return a copy of a scenario document with every path of a file changed."""
    result = dict(document)
    if isinstance(profile := document.get("profile"), str):
        result["profile"] = change(profile)
    if isinstance(servers := document.get("servers"), list):
        result["servers"] = [
            {**each, "profile": change(each["profile"])}
            if isinstance(each, dict) and isinstance(each.get("profile"), str)
            else each
            for each in servers
        ]
    workload = document.get("workload")
    if not isinstance(workload, dict):
        return result
    changed = dict(workload)
    for key, value in workload.items():
        if key in _PATH_KEYS and isinstance(value, str):
            changed[key] = change(value)
        elif isinstance(value, dict) and isinstance(value.get("path"), str):
            changed[key] = {**value, "path": change(value["path"])}
    return {**result, "workload": changed}


def file_digest(path: str) -> str:
    """Return the SHA-256 of a file's content, as hex digits.

    Raises:
        InputError: it cannot be read.
    """
    if "\0" in path:
        raise InputError(repr(path), "no file has a NUL in its name")
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror}") from error
