"""Every error that edgebatch raises on purpose.

    EdgebatchError
    ├── InputError           a value from outside is wrong; says where and what was expected
    │   └── UnknownNameError a name that is not in a list; says the nearest one that is
    ├── CannotHostError      the node has no room for the weights it is asked to host
    ├── EngineError          an inference engine cannot start, has died, hangs or refuses
    ├── UnsupportedError     a solver was given a problem that it is not made for
    └── MissingExtraError    an optional library is not installed; says what to install

The command line prints the message on one line and exits with status 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager


class EdgebatchError(Exception):
    """Base of all errors that edgebatch raises on purpose; they can pass between processes."""

    def __reduce__(self) -> tuple[Callable[..., EdgebatchError], tuple[object, ...]]:
        # constructors make the message of other arguments, so it cannot go through them again
        return _restored, (type(self), self.args, self.__dict__)


def _restored(
    kind: type[EdgebatchError], args: tuple[object, ...], attributes: Mapping[str, object]
) -> EdgebatchError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(attributes)
    return error


class InputError(EdgebatchError):
    """A value that came from outside is wrong.

    Attributes:
        path: where the value stands, such as ``requests[3].output_tokens``; may be empty.
        problem: what is wrong and what was expected.
    """

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"{path}: {problem}" if path else problem)

    def within(self, prefix: str) -> InputError:
        """Return the same error one level further out (``rate`` → ``scenario.toml: rate``)."""
        return InputError(f"{prefix}: {self.path}" if self.path else prefix, self.problem)


class UnknownNameError(InputError):
    """A name that is not one of the known ones."""

    def __init__(self, path: str, name: str, known: Iterable[str]) -> None:
        names = list(known)
        self.name = name
        by_folded = {known_name.casefold(): known_name for known_name in names}
        near = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.5)
        hint = f"did you mean {by_folded[near[0]]!r}?" if near else f"known: {', '.join(names)}"
        super().__init__(path, f"unknown name {name!r}; {hint}")


class CannotHostError(EdgebatchError):
    """The hosted weights and the reserve alone exceed the node's memory."""


class EngineError(EdgebatchError):
    """An inference engine cannot start, has died, hangs, or refuses a request."""


class UnsupportedError(EdgebatchError):
    """The solver or policy cannot take a problem of this kind."""


class MissingExtraError(EdgebatchError):
    """An optional dependency is not installed."""

    def __init__(self, purpose: str, extra: str) -> None:
        self.extra = extra
        super().__init__(f"{purpose} needs an extra: pip install 'edgebatch[{extra}]'")


@contextmanager
def killed_process_told(*told: str) -> Iterator[None]:
    """Say in one line what happened if a process of a pool is killed within the context.

    Args:
        told: what else there is to know.

    Raises:
        EdgebatchError: it was killed.
    """
    try:
        yield
    except BrokenExecutor as error:
        what = "a process that makes runs was killed, perhaps for want of memory"
        raise EdgebatchError("; ".join((what, *told, "fewer --jobs need less"))) from error
