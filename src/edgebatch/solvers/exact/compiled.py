"""Compilation to machine code, cached on disk: only the first start after installing pays."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
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


def _forget_outdated(folder: Path) -> None:
    """Delete what was compiled before any module of the folder was last changed.

    The compiler looks only at the file of the function itself, but compiles into it what it calls.
    """
    newest = max(module.stat().st_mtime for module in folder.glob("*.py"))
    for index in folder.glob("__pycache__/*.nbi"):
        # another process may be about the same, or the folder not ours to write
        with suppress(OSError):
            if index.stat().st_mtime < newest:
                index.unlink()


_forget_outdated(Path(__file__).parent)
