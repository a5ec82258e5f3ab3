"""Wrong settings, told so that whoever wrote them finds them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, ValidationError

from edgebatch.errors import InputError, UnknownNameError
from edgebatch.schema import path_text

_SECRETS = {
    "sha256": "must be 64 hexadecimal digits, as edgebatch serve --hash-key prints them",
    "upstream_key": "must be text",
}
"""Settings whose value is not repeated: what stands there may be the secret itself."""


def explained(
    error: ValidationError, schema: type[BaseModel], path: Path | None, prefix: str
) -> InputError:
    """Return one thing that is wrong, and whether file, environment or flag says so.

    Args:
        error: what checking the settings found.
        schema: the settings.
        path: the file that was read; None for none.
        prefix: with which environment variables begin.
    """
    # a misspelt name is also one that is missing
    first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
    keys = first["loc"]
    variable = _variable(keys, prefix)
    source = [] if variable or path is None else [str(path)]
    where = ": ".join([*source, variable or path_text(keys)]).removesuffix(": ")
    if first["type"] == "extra_forbidden":
        known = _section_at(schema, keys[:-1]).model_fields
        return UnknownNameError(where, str(keys[-1]), known)
    if first["type"] == "missing":
        return InputError(where, "is missing")
    if keys and keys[-1] in _SECRETS:
        return InputError(where, _SECRETS[str(keys[-1])])
    if not keys:
        return InputError(where, first["msg"])
    return InputError(where, f"{first['msg']}, got {first['input']!r}")


def _variable(keys: Sequence[str | int], prefix: str) -> str:
    """Return the environment variable that sets what ``keys`` lead to; empty if none does."""
    names = [f"{prefix}{'__'.join(map(str, keys[:end]))}" for end in range(len(keys), 0, -1)]
    present = {name.upper() for name in os.environ}
    return next((name.upper() for name in names if name.upper() in present), "")


def _section_at(schema: type[BaseModel], keys: Sequence[str | int]) -> type[BaseModel]:
    for key in keys:
        field = schema.model_fields.get(str(key))
        if field is not None:
            schema = next(_sections(field.annotation), schema)
    return schema


def _sections(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _sections(argument)
