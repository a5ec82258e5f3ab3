"""The page on the command line, written from what ``--help`` is written from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from edgebatch.cli.main import app

_HEAD = """\
# Command line

<!-- Written by tests/docs/update.py from the commands themselves; do not edit. -->

`edgebatch COMMAND --help` shows the same on a terminal. Every command exits with status 0 if all
went well, with 2 if its input or usage was wrong and with 3 if an engine failed, either with one
line on standard error; 130 after an interrupt. Tables and JSON go to standard output; progress,
notes and errors to standard error.
"""


def command_reference() -> str:
    """Return the page in Markdown."""
    commands: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    return "\n".join([_HEAD, *(_section(name, command) for name, command in commands.items())])


def _section(name: str, command: Any) -> str:
    usage = [f"edgebatch {name} [OPTIONS]"]
    usage += [parameter.metavar for parameter in command.params if _is_argument(parameter)]
    lines = [f"## {name}", "", f"`{' '.join(usage)}`", "", command.help, ""]
    lines += ["| | | default |", "|---|---|---|"]
    lines += [_row(parameter) for parameter in command.params if not parameter.hidden]
    lines += ["", *_examples(command.epilog)]
    return "\n".join(lines) + "\n"


def _is_argument(parameter: Any) -> bool:
    return not parameter.opts[0].startswith("-")


def _row(parameter: Any) -> str:
    name = parameter.metavar.strip("[]") if _is_argument(parameter) else ", ".join(parameter.opts)
    if not _is_argument(parameter) and not parameter.is_flag and parameter.metavar:
        name += f" {parameter.metavar}"
    return f"| `{name}` | {parameter.help} | {_default(parameter)} |"


def _default(parameter: Any) -> str:
    if isinstance(parameter.show_default, str):
        return parameter.show_default
    if parameter.required:
        return "required"
    if parameter.default in (None, False, []):
        return ""
    return f"`{parameter.default}`"


def _examples(epilog: str) -> Iterator[str]:
    yield "```sh"
    yield from (line.strip() for line in epilog.splitlines() if line.startswith("  "))
    yield "```"
