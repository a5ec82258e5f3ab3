"""``edgebatch scenario``: a commented scenario to start from."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from edgebatch.cli.scenario_options import DEFAULT_SCENARIO, scenario_names

EXAMPLES = """\
  edgebatch scenario > my-node.toml
  edgebatch scenario orin-chat
  edgebatch scenario --list
"""


def command(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Which one.", autocompletion=scenario_names)
    ] = DEFAULT_SCENARIO,
    list_names: Annotated[bool, typer.Option("--list", help="Only list the names.")] = False,
) -> None:
    """Print a built-in scenario with comments, to be changed and used.

    Every key can also be overridden with --set KEY=VALUE on the commands that take a scenario.
    """
    from edgebatch.scenario import builtin_names, builtin_text

    if list_names:
        sys.stdout.write("\n".join(builtin_names()) + "\n")
    else:
        sys.stdout.write(builtin_text(name, "NAME"))
