"""``edgebatch precisions``: the precisions for which there are figures."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from edgebatch.presets import PrecisionPreset

EXAMPLES = """\
  edgebatch precisions
  edgebatch precisions w4a16 --model OPT-13b
  edgebatch precisions --json
"""


def _names() -> list[str]:
    from edgebatch.presets import precisions

    return list(precisions())


def _model_names() -> list[str]:
    from edgebatch.presets import models

    return list(models())


def command(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Show this one in full.", autocompletion=_names),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Quality as measured on the nearest model to this one.",
            autocompletion=_model_names,
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Everything, sources included, as JSON in SI units.")
    ] = False,
) -> None:
    """List the precisions that are known by name: bytes, measured times and quality."""
    from edgebatch.cli.catalogue import Catalogue
    from edgebatch.presets import model_preset, precisions
    from edgebatch.presets.precision_presets import REFERENCE_MODEL

    chosen = model_preset(model or REFERENCE_MODEL, "--model").name
    Catalogue(
        "precision",
        precisions(),
        partial(_record, model=chosen),
        partial(_table, model=chosen),
        partial(_details, model=chosen),
    ).show(name, as_json=as_json)


def _record(preset: PrecisionPreset, model: str) -> dict[str, Any]:
    quality = preset.quality(model)
    return {
        "name": preset.name,
        "bits_per_weight": preset.bits_per_weight,
        "weight_bytes": preset.weight_bytes,
        "kv_bytes": preset.kv_bytes,
        "prefill_time_factor": preset.prefill_time_factor,
        "decode_time_factor": preset.decode_time_factor,
        "quality": quality.value,
        "quality_of_model": model,
        "quality_source": quality.source,
        "speed_source": preset.speed_source,
        "weight_source": preset.weight_source,
        "notes": preset.notes,
    }


def _table(presets: Sequence[PrecisionPreset], model: str) -> Table:
    from edgebatch.reporting.tables import Column, make_table

    columns = [Column("Precision", numeric=False)] + [
        Column(heading) for heading in ("Bits/weight", "Prefill", "Decode", "Quality")
    ]
    rows = [
        (
            preset.name,
            f"{preset.bits_per_weight:g}",
            _factor(preset.prefill_time_factor),
            _factor(preset.decode_time_factor),
            f"{preset.quality(model).value:.4f}",
        )
        for preset in presets
    ]
    caption = (
        "Prefill and decode: measured time as a multiple of the 16-bit time, at batch size 1. "
        f"Quality: 16-bit perplexity over this one's, on the nearest model to {model}."
    )
    return make_table(columns, rows, caption=caption)


def _details(preset: PrecisionPreset, model: str) -> Table:
    from edgebatch.reporting.tables import make_details

    quality = preset.quality(model)
    pairs = [
        ("bits per weight", f"{preset.bits_per_weight:g}"),
        ("from", preset.weight_source),
        ("cache", f"{preset.kv_bytes:g} bytes per value"),
        ("prefill, 16-bit = 1", _factor(preset.prefill_time_factor)),
        ("decode, 16-bit = 1", _factor(preset.decode_time_factor)),
        ("measured on", preset.speed_source),
        ("quality", f"{quality.value:.4f} for {model}"),
        ("quality from", quality.source),
        ("notes", preset.notes),
    ]
    return make_details(pairs, title=preset.name)


def _factor(factor: float | None) -> str:
    return "not measured" if factor is None else f"{factor:.3g}"
