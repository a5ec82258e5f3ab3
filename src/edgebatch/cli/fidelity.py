"""``edgebatch fidelity``: how well the cost model tells a real machine's times."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgebatch.cli.output import print_json, print_tables
from edgebatch.units import significant

if TYPE_CHECKING:
    from rich.table import Table

    from edgebatch.calibration.fidelity import Fidelity
    from edgebatch.calibration.samples import Sample

EXAMPLES = """\
  edgebatch fidelity rtx4090_llama31_8b_bf16
  edgebatch fidelity rtx4090_llama31_8b_bf16 --seed 2 --plot fidelity.png
"""

_CONTEXTS = (64, 256, 1024, 4096)
"""Upper ends of the rows of contexts; one more for what is longer."""


def command(
    folder: Annotated[
        str,
        typer.Argument(metavar="FOLDER", help="Tables of operator times, as LLMServingSim's."),
    ],
    model: Annotated[
        str, typer.Option(help="What was measured, any of 'edgebatch models'.")
    ] = "Llama-3.1-8B",
    device: Annotated[
        str, typer.Option(help="Whose memory the batches must fit, any of 'edgebatch devices'.")
    ] = "RTX 4090",
    weight_bytes: Annotated[float, typer.Option(help="Bytes of a parameter.")] = 2.0,
    kv_bytes: Annotated[float, typer.Option(help="Bytes of a cached key or value.")] = 2.0,
    seed: Annotated[int, typer.Option(help="Draws the part that is fitted.")] = 1,
    profile: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write what was fitted as a profile.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write predicted over measured times.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, in SI units.")] = False,
) -> None:
    """Fit the cost model to half of a machine's batch sizes and lengths and predict the rest.

    FOLDER holds dense.csv, per_sequence.csv and attention.csv: times of one decoder layer's
    operators, from which passes and whole batches are put together. Beside the cost model stands
    the published form, which charges arithmetic only, fitted to the same part.
    """
    from edgebatch.calibration.fidelity import measure_fidelity
    from edgebatch.calibration.operator_tables import OperatorTables
    from edgebatch.presets import device_preset, model_preset
    from edgebatch.problem import Precision

    if plot is not None:
        from edgebatch.reporting.plots.style import check_plot_path

        check_plot_path(plot)
    if profile is not None:
        from edgebatch.files import require_place

        require_place("--profile", profile)
    measured = model_preset(model, "--model").model
    node = device_preset(device, "--device").node()
    precision = Precision(f"w{8.0 * weight_bytes:g}", weight_bytes, kv_bytes)
    tables = OperatorTables.read(folder, measured.layers)
    fidelity = measure_fidelity(tables, node, measured, precision, seed)
    if profile is not None:
        from edgebatch.calibration.table_profile import profile_of_tables

        profile_of_tables(fidelity, Path(folder)).save(profile)
    if plot is not None:
        from edgebatch.reporting.plots.fidelity import save_fidelity_plot

        save_fidelity_plot(fidelity, plot, f"{measured.name} on {node.name}")
    if as_json:
        print_json(_document(fidelity, folder, seed))
    else:
        print_tables(_table(fidelity, f"{measured.name} on {node.name}"), _coefficients(fidelity))


def _groups(fidelity: Fidelity) -> Iterator[tuple[str, list[Sample]]]:
    """Yield the rows of the table: a label and its samples, none empty."""
    from edgebatch.calibration.fidelity import batch_size, group

    held_out = list(fidelity.held_out)
    yield "all", held_out
    for name in ("decode", "prefill", "prefill and decode", "whole batch"):
        yield name, [each for each in held_out if group(each) == name]
    for size in sorted({batch_size(each) for each in held_out}):
        yield f"batch of {size}", [each for each in held_out if batch_size(each) == size]
    above = 0
    for most in (*_CONTEXTS, None):
        label = f"context > {above}" if most is None else f"context {above + 1}–{most}"
        yield label, [each for each in held_out if _is_between(each, above, most)]
        above = most or above


def _is_between(sample: Sample, above: int, most: int | None) -> bool:
    return above < sample.longest_context and (most is None or sample.longest_context <= most)


def _table(fidelity: Fidelity, title: str) -> Table:
    from edgebatch.reporting.tables import Column, make_table

    rows = []
    for label, samples in _groups(fidelity):
        if samples:
            ours, published = fidelity.ours.errors(samples), fidelity.published.errors(samples)
            cells = (ours.median, ours.p95, ours.worst, published.median, published.worst)
            rows.append((label, f"{len(samples)}", *(f"{100.0 * cell:.1f}" for cell in cells)))
    headings = ("Cases", "Median", "p95", "Worst", "Published", "Worst")
    columns = [Column("", numeric=False, whole=True), *map(Column, headings)]
    return make_table(
        columns,
        rows,
        title=title,
        caption=f"error of predicted times, per cent, where not fitted; {len(fidelity.fitted)} "
        "others were; published: arithmetic only, median and worst",
    )


def _coefficients(fidelity: Fidelity) -> Table:
    from edgebatch.reporting.tables import make_details, quantity

    node, [precision] = fidelity.ours.node, fidelity.ours.precisions
    factors: list[tuple[str, Callable[[Any], str]]] = [
        ("decode_factor", significant),
        ("prefill_attention_factor", significant),
        ("decode_attention_factor", significant),
        ("step_overhead_seconds", _seconds),
        ("request_overhead_seconds", _seconds),
    ]
    return make_details(
        [
            ("flops", quantity(node.flops, "FLOP/s")),
            ("memory_bandwidth", quantity(node.memory_bandwidth, "B/s")),
            *((name, shown(getattr(precision, name))) for name, shown in factors),
        ],
        title="Fitted",
    )


def _seconds(value: float) -> str:
    return f"{significant(value * 1e3)} ms"


def _document(fidelity: Fidelity, folder: str, seed: int) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "folder": folder,
        "seed": seed,
        "fitted": len(fidelity.fitted),
        "node": asdict(fidelity.ours.node),
        "precision": asdict(fidelity.ours.precisions[0]),
        "errors": {
            label: {
                "ours": fidelity.ours.errors(samples).model_dump(),
                "published": fidelity.published.errors(samples).model_dump(),
            }
            for label, samples in _groups(fidelity)
            if samples
        },
    }
