"""What ``models``, ``devices`` and ``precisions`` have in common: list all, or show one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from edgebatch.cli.output import print_json, print_tables
from edgebatch.registry import lookup

if TYPE_CHECKING:
    from rich.table import Table

Preset = TypeVar("Preset")


@dataclass(frozen=True, slots=True)
class Catalogue(Generic[Preset]):
    """How one kind of preset is shown.

    Attributes:
        kind: what one is called, for errors.
        presets: all of them by name.
        record: everything about one, in SI units, for JSON.
        table: all of them in 80 columns.
        details: everything about one, for reading.
    """

    kind: str
    presets: Mapping[str, Preset]
    record: Callable[[Preset], dict[str, Any]]
    table: Callable[[Sequence[Preset]], Table]
    details: Callable[[Preset], Table]

    def show(self, name: str | None, *, as_json: bool) -> None:
        """Print all presets, or the one called ``name``.

        Raises:
            UnknownNameError: none is called so.
        """
        if name is None:
            presets = list(self.presets.values())
            if as_json:
                print_json([self.record(preset) for preset in presets])
            else:
                print_tables(self.table(presets))
            return
        preset = lookup(self.presets, name, self.kind)
        if as_json:
            print_json(self.record(preset))
        else:
            print_tables(self.details(preset))
