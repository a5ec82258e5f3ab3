"""What commands write: JSON, tables and files."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from edgebatch.files import write_text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


def print_json(value: object) -> None:
    """Print ``value`` as one JSON document: keys in the order given, floats exact.

    Raises:
        ValueError: a number is not finite.
    """
    sys.stdout.write(_json(value))


def print_tables(*tables: RenderableType) -> None:
    """Print tables, a blank line between, fitted to the terminal; 80 columns where it is none."""
    console = stdout_console()
    with console.capture() as captured:
        for number, table in enumerate(tables):
            if number:
                console.print()
            console.print(table)
    for line in captured.get().splitlines():
        sys.stdout.write(line.rstrip() + "\n")


def stdout_console() -> Console:
    """Return a console on standard output; plain text unless that is a terminal."""
    return _console(sys.stdout)


def stderr_console() -> Console:
    """Return a console on standard error, for progress; plain text unless that is a terminal."""
    return _console(sys.stderr)


def _console(stream: TextIO) -> Console:
    from rich.console import Console

    return Console(
        file=stream,
        force_terminal=stream.isatty(),
        highlight=False,
        markup=False,
        emoji=False,
    )


def write_json(path: Path, value: object) -> None:
    """Write ``value`` to ``path`` as one JSON document, whole or not at all.

    Raises:
        InputError: the file cannot be written.
        ValueError: a number is not finite.
    """
    write_text(path, _json(value))


def _json(value: object) -> str:
    return json.dumps(value, indent=2, allow_nan=False) + "\n"
