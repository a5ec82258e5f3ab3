"""Compilation to machine code, cached on disk: only the first start after installing pays."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from edgebatch.errors import MissingExtraError

Function = TypeVar("Function", bound=Callable[..., object])

try:
    from numba import njit
except ImportError as error:
    raise MissingExtraError("the solver 'exact'", "exact") from error


def compiled(function: Function) -> Function:
    """Compile a function of arrays and numbers at its first call, or load it from the cache."""
    return cast("Function", njit(cache=True, error_model="numpy")(function))
