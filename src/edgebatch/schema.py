"""Checking documents from outside against a schema, with errors for the person who wrote them.

Schemas are pydantic models; what a key must hold is its field's description.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from edgebatch.errors import InputError, UnknownNameError

_LARGEST_SIZE = 2**31 - 1
_LARGEST_COUNT = 10**30
LARGEST_NUMBER = 1e100
"""Far above anything real, like the other two, so that no product or sum can overflow."""
_LEAST_POSITIVE = 1e-100

ABSENT: Any = None
"""Default of keys that may be left out: never read, only the keys that are set are handed on."""

Size = Annotated[int, Field(ge=1, le=_LARGEST_SIZE, description="a whole number of at least 1")]
Count = Annotated[int, Field(ge=1, le=_LARGEST_COUNT, description="a whole number of at least 1")]
Positive = Annotated[
    float, Field(ge=_LEAST_POSITIVE, le=LARGEST_NUMBER, description="a finite number above 0")
]
NotNegative = Annotated[
    float, Field(ge=0.0, le=LARGEST_NUMBER, description="a finite number of at least 0")
]
Fraction = Annotated[float, Field(ge=0.0, le=1.0, description="a number from 0 to 1")]
Name = Annotated[str, Field(min_length=1, description="a string that is not empty")]
Flag = Annotated[bool, Field(description="true or false")]


class Section(BaseModel):
    """A table of a document: no unknown keys, no conversion of types, finite numbers only."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


Document = TypeVar("Document", bound=Section)


def validated(document: object, schema: type[Document]) -> Document:
    """Return ``document`` as an instance of ``schema``.

    Raises:
        InputError: something is wrong; the first fault in document order is reported.
    """
    try:
        return schema.model_validate(document)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        first = min(faults, key=lambda fault: _position(document, fault["loc"]))
        raise _explained(first, schema, num_more=len(faults) - 1) from None


def read_toml(path: Path) -> dict[str, Any]:
    """Return the document in a TOML file.

    Raises:
        InputError: the file cannot be read or is not TOML.
    """
    if "\0" in str(path):
        raise InputError(repr(str(path)), "no file has a NUL in its name")
    try:
        return parsed_toml(decoded(path.read_bytes()))
    except OSError as error:
        reason = error.strerror or "unknown reason"
        raise InputError(str(path), f"cannot be read: {reason}") from error
    except InputError as error:
        raise error.within(str(path)) from error


def parsed_toml(text: str) -> dict[str, Any]:
    """Return the document written in ``text``.

    Raises:
        InputError: it is not TOML.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError("", f"not valid TOML: {error}") from error
    except ValueError as error:
        raise InputError("", "not valid TOML: a number has too many digits") from error
    except RecursionError as error:
        raise InputError("", "not valid TOML: nested too deeply") from error


def decoded(content: bytes) -> str:
    """Return UTF-8 bytes as text, without a byte order mark.

    Raises:
        InputError: they are not UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            "", f"not UTF-8 text: byte 0x{content[error.start]:02x} at offset {error.start}"
        ) from error


def path_text(keys: Sequence[str | int]) -> str:
    """Return a path into a document the way errors show it, such as ``requests[3].id``."""
    text = ""
    for key in keys:
        if isinstance(key, int):
            text += f"[{key}]"
        elif re.fullmatch(r"[A-Za-z0-9_-]+", key):
            text += f".{key}" if text else key
        else:
            text += f"[{json.dumps(key)}]"
    return text


def _position(document: object, keys: Sequence[str | int]) -> list[int]:
    """Return where ``keys`` lead, as places in each object on the way; missing keys come last."""
    places: list[int] = []
    for key in keys:
        if isinstance(document, dict):
            places.append(list(document).index(key) if key in document else len(document))
            document = document.get(key)
        elif isinstance(document, list) and isinstance(key, int):
            places.append(key)
            document = document[key]
    return places


def _explained(fault: ErrorDetails, schema: type[Section], num_more: int) -> InputError:
    keys = [_shortened(key) if isinstance(key, str) else key for key in fault["loc"]]
    more = f" (and {num_more} more {'error' if num_more == 1 else 'errors'})" if num_more else ""
    if fault["type"] == "extra_forbidden":
        known = _section_at(schema, keys[:-1]).model_fields
        problem = UnknownNameError("", str(keys[-1]), known).problem
    elif fault["type"] == "missing":
        problem = f"is missing; expected {_expected(schema, keys)}"
    elif fault["type"] == "less_than_equal" and fault["ctx"]["le"] > 1.0:
        problem = f"must be at most {fault['ctx']['le']:.10g}, got {_shown(fault['input'])}"
    elif fault["type"] == "greater_than_equal" and fault["input"] > 0.0:
        problem = f"must be at least {fault['ctx']['ge']:.10g}, got {_shown(fault['input'])}"
    else:
        problem = f"must be {_expected(schema, keys)}, got {_shown(fault['input'])}"
    return InputError(path_text(keys), problem + more)


def _section_at(schema: type[Section], keys: Sequence[str | int]) -> type[Section]:
    """Return the section that ``keys`` lead to, or the last one on the way."""
    for key in keys:
        field = schema.model_fields.get(str(key))
        if field is not None:
            schema = next(_sections(field.annotation), schema)
    return schema


def _sections(annotation: object) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for argument in get_args(annotation):
        yield from _sections(argument)


def _expected(schema: type[Section], keys: Sequence[str | int]) -> str:
    if keys and isinstance(keys[-1], str):
        field = _section_at(schema, keys[:-1]).model_fields.get(keys[-1])
        if field is not None:
            return str(field.description)
    item = _item_description(schema, keys)
    if item is not None:
        return item
    section = _section_at(schema, keys)
    return "an object with the keys " + ", ".join(section.model_fields)


def _item_description(schema: type[Section], keys: Sequence[str | int]) -> str | None:
    """Return what an item of a list or a table of free names must be; None for anything else."""
    if len(keys) < 2:
        return None
    field = _section_at(schema, keys[:-2]).model_fields.get(str(keys[-2]))
    arguments = get_args(field.annotation) if field is not None else ()
    for metadata in getattr(arguments[-1], "__metadata__", ())[::-1] if arguments else ():
        if isinstance(metadata, FieldInfo) and metadata.description:
            return metadata.description
    return None


def _shown(value: object) -> str:
    """Return ``value`` as an error shows it: on one line, short, and in the file's own words."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an empty list" if not value else "a list"
    if isinstance(value, int) and value.bit_length() > 128:
        return f"a whole number of {value.bit_length()} bits"
    return _shortened(repr(value) if isinstance(value, str | int | float) else str(value))


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
