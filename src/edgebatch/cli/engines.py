"""``edgebatch engines``: the inference engines known by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgebatch.cli.engine_options import engine_names

if TYPE_CHECKING:
    from rich.table import Table

    from edgebatch.engines.registry import EngineKind

EXAMPLES = """\
  edgebatch engines
  edgebatch engines openvino
  edgebatch generate "Once" --engine openvino:threads=2,max_batch=16
"""


def command(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help="Show this one with its settings.", autocompletion=engine_names
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List the inference engines that are known by name, and whether they are installed.

    Settings go after a colon wherever an engine is asked for.
    """
    from edgebatch.cli.catalogue import Catalogue
    from edgebatch.engines.registry import ENGINES

    Catalogue("engine", ENGINES, _record, _table, _details).show(name, as_json=as_json)


def _record(kind: EngineKind) -> dict[str, Any]:
    return {
        "name": kind.name,
        "summary": kind.summary,
        "extra": kind.extra,
        "installed": kind.is_installed,
        "settings": _settings(kind),
    }


def _settings(kind: EngineKind) -> dict[str, Any]:
    """Return the settings and their defaults."""
    return {
        field.name: None if field.default is MISSING else field.default
        for field in fields(kind.settings_type())
    }


def _table(kinds: Sequence[EngineKind]) -> Table:
    from edgebatch.reporting.tables import Column, make_table

    columns = [
        Column("Engine", numeric=False, whole=True),
        Column("What it is", numeric=False),
        Column("Extra", numeric=False, whole=True),
        Column("Installed", numeric=False),
    ]
    rows = [
        (kind.name, kind.summary, kind.extra or "–", "yes" if kind.is_installed else "no")
        for kind in kinds
    ]
    return make_table(columns, rows)


def _details(kind: EngineKind) -> Table:
    from edgebatch.reporting.tables import make_details

    pairs = [("what it is", kind.summary), ("extra", kind.extra or "none needed")]
    pairs += [(name, str(default)) for name, default in _settings(kind).items()]
    return make_details(pairs, title=kind.name)
