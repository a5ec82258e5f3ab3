"""Reading and writing problem files, JSON or TOML (formulation §7)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Any

import tomli_w

from edgebatch.errors import InputError
from edgebatch.problem.file_schema import ProblemDocument
from edgebatch.problem.model import Model
from edgebatch.problem.node import Node
from edgebatch.problem.precision import Precision
from edgebatch.problem.problem import Batching, Problem
from edgebatch.problem.requests import Request, Requests
from edgebatch.schema import decoded, parsed_toml, path_text, validated

_MOST_DIGITS = 400  # more than any float has; int() refuses very long literals


class FileFormat(StrEnum):
    """How a problem file is written."""

    JSON = "json"
    TOML = "toml"


def load_problem(path: str | Path) -> Problem:
    """Return the problem in a file, its format known by suffix or else by content.

    Raises:
        InputError: the file cannot be read, or is wrong; the path of the offending value follows
            the file's name.
    """
    file = Path(path)
    suffix = file.suffix.casefold().removeprefix(".")
    try:
        content = file.read_bytes()
    except OSError as error:
        reason = error.strerror or "unknown reason"
        raise InputError(str(path), f"cannot be read: {reason}") from error
    try:
        return parse_problem(content, FileFormat(suffix) if suffix in list(FileFormat) else None)
    except InputError as error:
        raise error.within(str(path)) from error


def parse_problem(content: str | bytes, file_format: FileFormat | None = None) -> Problem:
    """Return the problem written in ``content``.

    Args:
        content: what the file holds; bytes must be UTF-8.
        file_format: how it is written; None recognises JSON by its opening brace.

    Raises:
        InputError: with the path of the first offending value, such as
            ``requests[3].output_tokens``.
    """
    text = content if isinstance(content, str) else decoded(content)
    if not text.strip():
        raise InputError("", "the problem is empty")
    if file_format is None:
        opening = text.lstrip()[0]
        file_format = FileFormat.JSON if opening == "{" else FileFormat.TOML
    parse = _parsed_json if file_format is FileFormat.JSON else parsed_toml
    try:
        document = parse(text)
    except RecursionError as error:
        raise InputError("", "the problem is nested too deeply") from error
    return _problem(document)


def dump_problem(problem: Problem, file_format: FileFormat = FileFormat.JSON) -> str:
    """Return ``problem`` as the text of a file that :func:`parse_problem` reads back exactly.

    The names of node and model, which are only shown, have no place in a file.

    Raises:
        InputError: the problem cannot be said in a file: it has work in flight, or a deadline
            that is infinite or already missed.
    """
    if problem.in_flight is not None:
        raise InputError("in_flight", "has no place in a problem file")
    document = {
        "node": node_section(problem.node),
        "model": model_section(problem.model),
        "precisions": [precision_section(precision) for precision in problem.precisions],
        "batching": problem.batching.value,
        **({} if problem.max_batch is None else {"max_batch": problem.max_batch}),
        "requests": [asdict(request) for request in problem.requests],
    }
    validated(document, ProblemDocument)
    if file_format is FileFormat.TOML:
        return tomli_w.dumps(document)
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def node_section(node: Node) -> dict[str, Any]:
    """Return a node as a file says it, without its name."""
    return _written(node, "name")


def model_section(model: Model) -> dict[str, Any]:
    """Return a model as a file says it, without its name."""
    return _written(model, "name")


def precision_section(precision: Precision) -> dict[str, Any]:
    """Return a precision as a file says it."""
    return _written(precision)


def _written(part: Node | Model | Precision, *unwritten: str) -> dict[str, Any]:
    return {
        key: value
        for key, value in asdict(part).items()
        if key not in unwritten and value is not None
    }


def _problem(document: object) -> Problem:
    checked = validated(document, ProblemDocument).model_dump(exclude_unset=True)
    return Problem(
        node=Node(**checked["node"]),
        model=Model(**checked["model"]),
        precisions=tuple(Precision(**section) for section in checked["precisions"]),
        batching=checked.get("batching", Batching.RAGGED),
        requests=Requests.from_list(Request(**section) for section in checked["requests"]),
        max_batch=checked.get("max_batch"),
    )


def _parsed_json(text: str) -> object:
    try:
        document = json.loads(text, object_pairs_hook=_object, parse_int=_integer)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InputError("", f"not valid JSON: {error.msg} ({where})") from error
    for path in _repeated_keys(document, []):
        raise InputError(path_text(path), "is given twice in the same object")
    return document


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MOST_DIGITS else float(digits)


class _ObjectWithRepeatedKey(dict[str, Any]):
    """A JSON object one of whose keys is given twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        counts = Counter(key for key, _ in pairs)
        self.repeated = next(key for key, count in counts.items() if count > 1)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    return members if len(members) == len(pairs) else _ObjectWithRepeatedKey(pairs)


def _repeated_keys(value: object, path: list[str | int]) -> Iterator[list[str | int]]:
    """Yield the paths of keys that are given twice, in document order."""
    if isinstance(value, _ObjectWithRepeatedKey):
        yield [*path, value.repeated]
    if isinstance(value, dict):
        for key, member in value.items():
            yield from _repeated_keys(member, [*path, key])
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _repeated_keys(member, [*path, index])
