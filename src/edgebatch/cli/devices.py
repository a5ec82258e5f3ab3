"""``edgebatch devices``: the devices known by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from edgebatch.presets import DevicePreset

EXAMPLES = """\
  edgebatch devices
  edgebatch devices "Jetson TX2"
  edgebatch devices --json
"""


def _names() -> list[str]:
    from edgebatch.presets import devices

    return list(devices())


def command(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Show this one in full.", autocompletion=_names),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Everything, sources included, as JSON in SI units.")
    ] = False,
) -> None:
    """List the devices that are known by name, with the peaks that their vendors state."""
    from edgebatch.cli.catalogue import Catalogue
    from edgebatch.presets import devices

    Catalogue("device", devices(), _record, _table, _details).show(name, as_json=as_json)


def _record(preset: DevicePreset) -> dict[str, Any]:
    from edgebatch.presets import bandwidth_evidence

    return asdict(preset) | {
        "bandwidth_evidence": [asdict(evidence) for evidence in bandwidth_evidence(preset.name)]
    }


def _table(presets: Sequence[DevicePreset]) -> Table:
    from edgebatch.reporting.tables import Column, make_table, quantity

    columns = [Column("Device", numeric=False)] + [
        Column(heading) for heading in ("FP16 vector", "FP16 tensor", "Bandwidth", "Memory")
    ]
    rows = [
        (
            preset.name,
            quantity(preset.vector_flops, "FLOP/s"),
            quantity(preset.tensor_flops, "FLOP/s"),
            quantity(preset.memory_bandwidth, "B/s"),
            _memory(preset),
        )
        for preset in presets
    ]
    caption = (
        "Peaks as stated by vendors or derived from that; programs achieve less. "
        "Several sizes of memory: the usual one first."
    )
    return make_table(columns, rows, caption=caption)


def _details(preset: DevicePreset) -> Table:
    from edgebatch.presets import bandwidth_evidence
    from edgebatch.reporting.tables import make_details, quantity

    evidence = bandwidth_evidence(preset.name)
    achieved = [
        f"{one.efficiency:.0%} decoding {one.model} in {one.precision}: "
        f"{one.tokens_per_second:g} tokens/s"
        for one in evidence
    ]
    pairs = [
        ("FP16 vector peak", quantity(preset.vector_flops, "FLOP/s")),
        ("FP16 tensor peak", quantity(preset.tensor_flops, "FLOP/s")),
        ("tensor peak from", preset.tensor_basis),
        ("peak bandwidth", quantity(preset.memory_bandwidth, "B/s")),
        ("memory", _memory(preset)),
        ("power", _power(preset)),
        ("source", preset.source),
        ("notes", preset.notes),
        ("FLOP/s achieved", "not known: set an efficiency, or fit one to measured times"),
        ("bandwidth achieved", "\n".join(achieved) or "not known: likewise"),
        ("measured by", "; ".join(dict.fromkeys(one.source for one in evidence))),
    ]
    return make_details(pairs, title=preset.name)


def _memory(preset: DevicePreset) -> str:
    return " / ".join(f"{size / 1e9:g}" for size in preset.memory_sizes_bytes) + " GB"


def _power(preset: DevicePreset) -> str:
    if preset.power_watts is None:
        return ""
    least, greatest = preset.power_watts
    return f"{least:g} W" if least == greatest else f"{least:g} to {greatest:g} W"
