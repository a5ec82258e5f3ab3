"""Write anew everything in the documentation that programs print: ``python tests/docs/update.py``.

Outputs of console sessions and examples, the page on the command line, what keys of scenarios must
be, and the picture. Where a session leaves out the end of an output, it goes on to show as many
lines; where it leaves out something else and no longer matches, its new output is printed and must
be shortened by hand.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import gateway_keys
from command_reference import command_reference
from console_sessions import (
    REPOSITORY,
    Exchange,
    documents,
    environment,
    matches,
    prepare,
    runnable,
    running,
)
from scenario_keys import refreshed

PICTURES = {"edgebatch-compare.png": "edge-cell.png"}
"""Plots that sessions of the README leave behind, and what they are called in docs/assets."""


def main() -> None:
    """Update examples, pages that are checked against code, then all sessions."""
    for example in sorted((REPOSITORY / "examples").glob("*.py")):
        printed = subprocess.check_output([sys.executable, example], env=environment())
        example.with_suffix(".out").write_bytes(printed)
    (REPOSITORY / "docs" / "command-line.md").write_text(command_reference(), encoding="utf-8")
    scenarios = REPOSITORY / "docs" / "scenarios.md"
    scenarios.write_text(refreshed(scenarios.read_text(encoding="utf-8")), encoding="utf-8")
    settings = gateway_keys.PAGE
    settings.write_text(
        gateway_keys.refreshed(settings.read_text(encoding="utf-8")), encoding="utf-8"
    )
    for document in documents():
        _update(document)


def _update(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    with TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, text)
        bodies = []
        for session in runnable(text):
            with running(session, folder, text) as run_there:
                shown = [_session(each, run_there) for each in session.exchanges]
            bodies.append((session, "".join(shown)))
        for left_behind, picture in PICTURES.items():
            if document.name == "README.md" and (folder / left_behind).exists():
                shutil.copy(folder / left_behind, REPOSITORY / "docs" / "assets" / picture)
    for session, body in reversed(bodies):
        text = text[: session.start] + body + text[session.end :]
    document.write_text(text, encoding="utf-8")


def _session(exchange: Exchange, run_there: Callable[[str], tuple[str, int]]) -> str:
    output, _ = run_there(exchange.command)
    shown = _shown(exchange, output)
    if exchange.shown.endswith("\n\n"):  # the blank line before the next command
        shown = shown.rstrip("\n") + "\n\n"
    return f"$ {exchange.command}\n{shown}"


def _shown(exchange: Exchange, output: str) -> str:
    """Return what the session should show of a command's output: as much as it did before."""
    before = exchange.shown
    if not before:
        return ""
    if "..." not in before:
        return output
    if matches(before, output):
        return before
    if before.index("...") == len(before.rstrip()) - len("..."):  # only the end is left out
        return "".join([*output.splitlines(True)[: len(before.splitlines()) - 1], "...\n"])
    print(f"shorten by hand:\n$ {exchange.command}\n{output}")
    return before


if __name__ == "__main__":
    main()
