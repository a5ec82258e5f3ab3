"""Console sessions in Markdown documents: finding them, running them, comparing what they show.

A fenced block marked ``console`` is a session. Lines that begin with ``$ `` are commands, the
lines up to the next command are what it shows, its errors last; where nothing is shown anything
goes, and ``...`` stands for any text. A block with a title, such as ``toml title="node.toml"``, is
a file that the sessions of the document find in their folder. A comment
``<!-- needs: FILE -->`` above a session names a public trace, a folder of public tables, or a
program, without which it cannot be run. ``<!-- gateway: edgebatch serve … -->`` above that says
what must be running at 127.0.0.1:8080; it is started at another port, which is put in the place of
this one, also in the document's files.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import which

REPOSITORY = Path(__file__).resolve().parents[2]
PUBLIC_DATA = REPOSITORY.parent / "shared" / "data"
"""Where public traces and tables, too large for the repository, are looked for."""

_BLOCK = re.compile(
    r"(?:^<!-- gateway: (?P<gateway>[^\n]+) -->\n)?(?:^<!-- needs: (?P<needs>\S+) -->\n)?"
    r'^```(?P<kind>\w+)(?: title="(?P<title>[^"]+)")?\n'
    r"(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_SHOWN_ADDRESS = "127.0.0.1:8080"
_INHERITED = ("HOME", "PATH", "TMPDIR", "LANG", "LC_ALL")
"""What of the environment sessions see: nothing that could change how wide or coloured they are."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A command and what it shows; the empty string where nothing is shown."""

    command: str
    shown: str

    @property
    def expected_status(self) -> int:
        """2 where the last line shown is an error, else 0."""
        lines = self.shown.splitlines()
        return 2 if lines and lines[-1].startswith("edgebatch: error: ") else 0


@dataclass(frozen=True, slots=True)
class Session:
    """One console block.

    Attributes:
        start, end: where its body lies in the document's text.
        needs: name of the trace or program that it needs, if any.
        gateway: command of the gateway that it needs, if any.
        exchanges: its commands in order.
    """

    start: int
    end: int
    needs: str | None
    gateway: str | None
    exchanges: tuple[Exchange, ...]

    def missing(self) -> bool:
        """Return whether the session needs a trace that is not here."""
        return self.needs is not None and not (find_trace(self.needs) or which(self.needs))


Runner = Callable[[str], tuple[str, int]]
"""Runs a command and returns its output, errors last, and its status."""


def documents() -> list[Path]:
    """Return every Markdown document for users."""
    return [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]


def titled_blocks(text: str) -> dict[str, str]:
    """Return the files that a document spells out, by name."""
    return {match["title"]: match["body"] for match in _BLOCK.finditer(text) if match["title"]}


def sessions(text: str) -> list[Session]:
    """Return the console sessions of a document in order."""
    return [
        Session(
            match.start("body"),
            match.end("body"),
            match["needs"],
            match["gateway"],
            _exchanges(match["body"]),
        )
        for match in _BLOCK.finditer(text)
        if match["kind"] == "console"
    ]


def _exchanges(body: str) -> tuple[Exchange, ...]:
    parts = re.split(r"^\$ (.*)\n", body, flags=re.MULTILINE)
    if parts[0]:
        raise ValueError(f"a session must begin with a command, not with {parts[0]!r}")
    return tuple(map(Exchange, parts[1::2], parts[2::2]))


def find_trace(name: str) -> Path | None:
    """Return a public trace, or folder of tables, by its name; None if it is not here."""
    found = (*PUBLIC_DATA.glob(f"traces/*/{name}"), *PUBLIC_DATA.glob(f"profiles/{name}"))
    return next(iter(found), None)


def prepare(folder: Path, text: str) -> None:
    """Write the files that a document's sessions expect into ``folder``."""
    for name, body in titled_blocks(text).items():
        (folder / name).write_text(body, encoding="utf-8")
    for session in sessions(text):
        trace = find_trace(session.needs) if session.needs else None
        if trace is not None and not (folder / trace.name).exists():
            (folder / trace.name).symlink_to(trace)


def environment() -> dict[str, str]:
    """Return an environment in which ``edgebatch`` and ``python`` are those of this process."""
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    here = str(Path(sys.executable).parent)
    return {**kept, "PATH": os.pathsep.join((here, kept.get("PATH", ""))), "PYTHONUTF8": "1"}


@contextmanager
def running(
    session: Session, folder: Path, text: str
) -> Iterator[Callable[[str], tuple[str, int]]]:
    """Yield what runs a command of a session; its gateway, if it needs one, runs meanwhile."""
    if session.gateway is None:
        yield lambda command: run(command, folder)
        return
    process = subprocess.Popen(
        [*session.gateway.split(), "--port", "0"],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1].removeprefix("http://")
        for name, body in titled_blocks(text).items():
            (folder / name).write_text(body.replace(_SHOWN_ADDRESS, address), encoding="utf-8")

        def run_there(command: str) -> tuple[str, int]:
            output, status = run(command.replace(_SHOWN_ADDRESS, address), folder)
            return output.replace(address, _SHOWN_ADDRESS), status

        yield run_there
    finally:
        process.terminate()
        process.communicate(timeout=60)
    if process.returncode:
        raise RuntimeError(f"{session.gateway} ended with {process.returncode} after SIGTERM")


def run(command: str, folder: Path) -> tuple[str, int]:
    """Run a command as a shell would; return its output, errors last, and its status."""
    result = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env=environment(),
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=600,
    )
    printed, said = without_trailing_space(result.stdout), without_trailing_space(result.stderr)
    return printed + said, result.returncode


def without_trailing_space(text: str) -> str:
    """Return ``text`` with no spaces at the ends of its lines and no blank lines around it."""
    lines = [line.rstrip() for line in text.splitlines()]
    stripped = "\n".join(lines).strip("\n")
    return stripped + "\n" if stripped else ""


def matches(shown: str, output: str) -> bool:
    """Return whether ``output`` is what is shown, ``...`` standing for any text."""
    if not shown:
        return True
    pattern = ".*?".join(re.escape(part) for part in shown.split("..."))
    return re.fullmatch(pattern, output, re.DOTALL) is not None


def runnable(text: str) -> Iterator[Session]:
    """Yield the sessions of a document that can be run here."""
    return (session for session in sessions(text) if not session.missing())
