"""Look-up of things by name, with the nearest name in the error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from edgebatch.errors import UnknownNameError

T = TypeVar("T")


def lookup(table: Mapping[str, T], name: str, path: str) -> T:
    """Return ``table[name]``, or the first whose name differs in case only.

    Args:
        table: the known things by name.
        name: the name asked for.
        path: where the name was given (``--policy``, ``node.device``), for the error.

    Raises:
        UnknownNameError: no such name; the message offers the nearest one.
    """
    if name in table:
        return table[name]
    folded = name.casefold()
    for known, thing in table.items():
        if known.casefold() == folded:
            return thing
    raise UnknownNameError(path, name, table)
