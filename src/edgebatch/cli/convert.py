"""``edgebatch convert``: models into the formats that engines load."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgebatch.cli.output import print_json, print_tables, stderr_console

if TYPE_CHECKING:
    from rich.table import Table

    from edgebatch.local_models import LocalModel

EXAMPLES = """\
  edgebatch convert ~/models/Qwen2-0.5B
  edgebatch convert ~/models/Qwen2-0.5B --format gguf --precision q8_0 --to qwen-gguf
  edgebatch convert llama-36m
"""


def _names() -> list[str]:
    from edgebatch.local_models import GENERATED_MODELS

    return list(GENERATED_MODELS)


def command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="Hugging Face folder, or name of a model to generate.",
            autocompletion=_names,
        ),
    ],
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            metavar="FOLDER",
            help="Folder to make; by default NAME-FORMAT here, for a generated model the cache.",
        ),
    ] = None,
    format_name: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="openvino or gguf.")
    ] = "openvino",
    precision: Annotated[
        list[str] | None,
        typer.Option(
            "--precision",
            metavar="NAME",
            help="Precision to write, may be repeated; by default three, 16, 8 and 4 bits.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="What was written, as JSON.")] = False,
) -> None:
    """Convert a Hugging Face model to OpenVINO or GGUF, with compressed weights.

    OpenVINO: f16, w8 and w4. GGUF: f32, f16, bf16, q8_0, q5_0, q5_1, q4_0 and q4_1, of Llama,
    Mistral, Qwen2 and BLOOM. Nothing that exists is overwritten.

    Names make models with random weights, for measurements of speed: llama-36m, llama-222m,
    bloom-36m, bloom-222m, opt-36m, opt-222m.
    """
    from edgebatch.local_models import convert_source

    with stderr_console().status("") as status:
        model = convert_source(
            source, to, format_name, tuple(precision or ()), report=status.update
        )
    if as_json:
        print_json(_record(model))
    else:
        print_tables(_table(model))
        typer.echo(f"in {next(iter(model.variants.values())).parent}")


def _record(model: LocalModel) -> dict[str, object]:
    return {
        "name": model.name,
        "format": model.format,
        "parameters": model.model.parameters,
        "max_context_tokens": model.max_context_tokens,
        "precisions": [
            {
                "name": precision,
                "path": str(path),
                "weight_bytes": model.weight_bytes(precision),
                "bytes_per_parameter": model.bytes_per_parameter(precision),
            }
            for precision, path in model.variants.items()
        ],
    }


def _table(model: LocalModel) -> Table:
    from edgebatch.reporting.tables import Column, make_table, quantity

    columns = [
        Column("Precision", numeric=False),
        Column("Weights"),
        Column("A parameter"),
        Column("File", numeric=False),
    ]
    rows = [
        (
            precision,
            quantity(model.weight_bytes(precision), "B"),
            f"{model.bytes_per_parameter(precision):.3f} B",
            path.name,
        )
        for precision, path in model.variants.items()
    ]
    caption = f"{model.format}, {quantity(model.model.parameters, '')} parameters"
    return make_table(columns, rows, title=model.name, caption=caption)
