"""``edgebatch models``: the models known by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from edgebatch.presets import ModelPreset

EXAMPLES = """\
  edgebatch models
  edgebatch models BLOOM-3b
  edgebatch models --json
"""


def _names() -> list[str]:
    from edgebatch.presets import models

    return list(models())


def command(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Show this one in full.", autocompletion=_names),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Everything, sources included, as JSON in SI units.")
    ] = False,
) -> None:
    """List the models that are known by name."""
    from edgebatch.cli.catalogue import Catalogue
    from edgebatch.presets import models

    Catalogue("model", models(), _record, _table, _details).show(name, as_json=as_json)


def _record(preset: ModelPreset) -> dict[str, Any]:
    model = preset.model
    return {
        "name": preset.name,
        "hf_id": preset.hf_id,
        "family": preset.family,
        "layers": model.layers,
        "hidden_size": model.hidden_size,
        "ffn_size": model.ffn_size,
        "heads": model.heads,
        "kv_heads": model.kv_heads,
        "head_size": model.head_size,
        "gated_ffn": model.gated_ffn,
        "parameters": model.parameters,
        "fp16_weight_bytes": preset.fp16_weight_bytes,
        "fp16_kv_bytes_per_token": preset.fp16_kv_bytes_per_token,
        "source": preset.source,
    }


def _table(presets: Sequence[ModelPreset]) -> Table:
    from edgebatch.reporting.tables import Column, make_table, quantity

    columns = [Column("Model", numeric=False)] + [
        Column(heading)
        for heading in ("Parameters", "Layers", "Hidden", "Heads", "Weights", "KV/token")
    ]
    rows = [
        (
            preset.name,
            _billions(preset),
            str(preset.model.layers),
            str(preset.model.hidden_size),
            f"{preset.model.heads} / {preset.model.kv_heads}",
            quantity(preset.fp16_weight_bytes, "B"),
            quantity(preset.fp16_kv_bytes_per_token, "B"),
        )
        for preset in presets
    ]
    caption = "Heads: query / key-value. Weights and cache (KV) at 16 bits. 1 GB = 10^9 bytes."
    return make_table(columns, rows, caption=caption)


def _details(preset: ModelPreset) -> Table:
    from edgebatch.reporting.tables import make_details, quantity

    model = preset.model
    ffn = f"{model.ffn_size}, {'gated (3 matrices)' if model.gated_ffn else 'plain (2 matrices)'}"
    pairs = [
        ("Hugging Face", preset.hf_id),
        ("family", preset.family),
        ("parameters", f"{model.parameters:,} ({_billions(preset)})"),
        ("layers", str(model.layers)),
        ("hidden size", str(model.hidden_size)),
        ("FFN size", ffn),
        ("heads", f"{model.heads} of size {model.head_size}, {model.kv_heads} for keys and values"),
        ("16-bit weights", quantity(preset.fp16_weight_bytes, "B")),
        ("16-bit cache", f"{quantity(preset.fp16_kv_bytes_per_token, 'B')} per token"),
        ("source", preset.source),
    ]
    return make_details(pairs, title=preset.name)


def _billions(preset: ModelPreset) -> str:
    return f"{preset.model.parameters / 1e9:.2f} B"
