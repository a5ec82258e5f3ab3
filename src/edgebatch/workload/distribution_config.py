"""Distributions as they are written in scenario files."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from edgebatch.errors import InputError, UnknownNameError
from edgebatch.registry import lookup
from edgebatch.schema import LARGEST_NUMBER
from edgebatch.workload.distributions import (
    Choice,
    Constant,
    Distribution,
    Exponential,
    Uniform,
)
from edgebatch.workload.empirical import Empirical
from edgebatch.workload.lognormal import Lognormal


class _Kind(NamedTuple):
    """A distribution's constructor and the keys of its table, with whether each is required."""

    build: Callable[..., Distribution]
    keys: Mapping[str, bool]


_KINDS = {
    "constant": _Kind(Constant, {"value": True}),
    "uniform": _Kind(Uniform, {"low": True, "high": True}),
    "choice": _Kind(Choice, {"values": True, "weights": False}),
    "lognormal": _Kind(
        Lognormal, {"median": True, "sigma": True, "minimum": False, "maximum": False}
    ),
    "exponential": _Kind(Exponential, {"mean": True}),
    "empirical": _Kind(Empirical.from_file, {"path": True, "column": True}),
}
_LIST_KEYS = ("values", "weights")
_TEXT_KEYS = ("path", "column")


def distribution_from_config(value: object, path: str) -> Distribution:
    """Return the distribution that a configuration value stands for.

    A number is that number always; a list is one of its numbers, all alike; a table names the
    distribution and its parameters, such as ``{distribution = "uniform", low = 1, high = 8}`` or
    ``{distribution = "empirical", path = "lengths.csv.gz", column = "prompt_tokens"}``.

    Args:
        value: a number, a list or a mapping, as a TOML or JSON reader returns them.
        path: where it stands, for errors.

    Raises:
        InputError: with the path of the offending key.
    """
    if isinstance(value, Mapping):
        return _from_table(value, path)
    if isinstance(value, list | tuple):
        return _built(Choice, {"values": _numbers(value, path)}, path, {"values": path})
    return _built(Constant, {"value": _number(value, path)}, path, {"value": path})


def _from_table(table: Mapping[str, Any], path: str) -> Distribution:
    name = table.get("distribution")
    if not isinstance(name, str):
        raise InputError(
            f"{path}.distribution", f"must name a distribution, one of: {', '.join(_KINDS)}"
        )
    kind = lookup(_KINDS, name, f"{path}.distribution")
    parameters: dict[str, object] = {}
    for key, entry in table.items():
        if key == "distribution":
            continue
        if key not in kind.keys:
            raise UnknownNameError(f"{path}.{key}", key, kind.keys)
        parameters[key] = _parameter(key, entry, f"{path}.{key}")
    for key, required in kind.keys.items():
        if required and key not in parameters:
            raise InputError(f"{path}.{key}", f"is missing; {name} needs it")
    return _built(kind.build, parameters, path, {})


def _parameter(key: str, entry: object, path: str) -> object:
    if key in _TEXT_KEYS:
        if not isinstance(entry, str):
            raise InputError(path, f"must be a text, got {entry!r}")
        return entry
    return _numbers(entry, path) if key in _LIST_KEYS else _number(entry, path)


def _numbers(entry: object, path: str) -> tuple[float, ...]:
    if not isinstance(entry, list | tuple):
        raise InputError(path, f"must be a list of numbers, got {entry!r}")
    return tuple(_number(item, f"{path}[{index}]") for index, item in enumerate(entry))


def _number(entry: object, path: str) -> float:
    if isinstance(entry, bool) or not isinstance(entry, int | float):
        raise InputError(path, f"must be a number, got {entry!r}")
    if LARGEST_NUMBER < abs(entry) < math.inf:
        raise InputError(path, f"must be at most {LARGEST_NUMBER:g}")
    return float(entry)


def _built(
    build: Callable[..., Distribution],
    parameters: Mapping[str, object],
    path: str,
    renamed: Mapping[str, str],
) -> Distribution:
    """Call ``build``; an error about one of its parameters gets the path that the user wrote."""
    try:
        return build(**parameters)
    except InputError as error:
        name, bracket, index = error.path.partition("[")
        if name not in parameters:
            raise error.within(path) from None
        raise InputError(
            renamed.get(name, f"{path}.{name}") + bracket + index, error.problem
        ) from None
