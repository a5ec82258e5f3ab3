"""``edgebatch calibrate``: what an engine with a model really does on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgebatch.cli.calibrate_options import (
    AssumeQualityOption,
    CacheTokensOption,
    DescribeOption,
    server_word,
)
from edgebatch.cli.engine_options import (
    DEFAULT_ENGINE,
    ApiKeyOption,
    EngineOption,
    ModelOption,
    UrlOption,
    engine_spec,
)
from edgebatch.cli.output import print_json, print_tables, stderr_console
from edgebatch.errors import InputError

if TYPE_CHECKING:
    from edgebatch.calibration.calibration import Calibration, Wish
    from edgebatch.calibration.remote import Word
    from edgebatch.engines.registry import EngineSpec

EXAMPLES = """\
  edgebatch calibrate --quick
  edgebatch calibrate --engine llama-cpp --precision f16 --precision q8_0 --plot measured.png
  edgebatch calibrate -e openvino:threads=4 -m llama-36m --budget 600 -o llama-36m.toml
  edgebatch calibrate -e transformers:dtype=f32 -m ~/models/opt-125m --precision f32 --precision w8
  edgebatch calibrate -e openai --url f16=http://gpu-1:8000/v1 --describe Llama-3.1-8B
"""

DEFAULT_PROFILE = Path("profile.toml")
_QUICK_SECONDS, _QUICK_HELD_OUT, _QUICK_PASSES = 70.0, 8, 12
_LEAST_BUDGET_SECONDS, _MOST_BUDGET_SECONDS = 5.0, 86_400.0


def command(
    engine: EngineOption = DEFAULT_ENGINE,
    model: ModelOption = None,
    precisions: Annotated[
        list[str] | None,
        typer.Option(
            "--precision",
            metavar="NAME",
            help="Precision to measure; several times.",
            show_default="all there are",
        ),
    ] = None,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
    describe: DescribeOption = None,
    cache_tokens: CacheTokensOption = None,
    assume_quality: AssumeQualityOption = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Rougher: under two minutes for a small model.")
    ] = False,
    budget: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=_LEAST_BUDGET_SECONDS,
            max=_MOST_BUDGET_SECONDS,
            help="Time for measuring; loading comes on top.",
            show_default="300",
        ),
    ] = None,
    quality: Annotated[
        str,
        typer.Option(
            metavar="MEASURE",
            help="What min_quality refers to: perplexity-ratio or agreement.",
        ),
    ] = "perplexity-ratio",
    text: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Text to measure quality on, unknown to the model.",
            show_default="docstrings of Python's library",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Draws order and held-out batches.")] = 0,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where the profile goes.")
    ] = DEFAULT_PROFILE,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw measured over fitted: .png, .svg or .pdf."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print profile and held-out batches as JSON.")
    ] = False,
) -> None:
    """Measure an engine with a model on this machine and write a profile.

    Times of steps, prefills and whole batches, memory and quality, in each precision; the cost
    model is fitted to them, and checked on batches that it has not seen. A scenario takes the
    profile with the key profile.

    Other work on the machine falsifies the times. How much is shown: two measurements of the same
    batches are held against each other.

    A server that runs already (openai) is measured from outside: its times. What it does not tell
    of its model, memory and quality is taken from the options, and the profile says so.
    """
    from edgebatch.calibration.least_squares import require_solver
    from edgebatch.files import require_place

    require_solver()
    require_place("--output", output)
    if plot is not None:
        from edgebatch.reporting.plots.style import check_plot_path

        check_plot_path(plot)
    wish = _wish(quick, budget, quality, seed)
    spec = engine_spec(engine, model, precisions, url, api_key)
    word = server_word(spec, describe, cache_tokens, assume_quality or [])
    calibration = _calibrate(spec, precisions or [], word, _text(text), wish)
    calibration.profile.save(output)
    if plot is not None:
        from edgebatch.reporting.plots.calibration import save_calibration_plot

        save_calibration_plot(calibration, plot)
    _print(calibration, as_json)
    stderr_console().print(f"profile: {output}")
    if plot is not None:
        stderr_console().print(f"plot: {plot}")


def _wish(quick: bool, budget: float | None, quality: str, seed: int) -> Wish:
    from edgebatch.calibration.calibration import Wish
    from edgebatch.calibration.quality import QualityKind
    from edgebatch.registry import lookup

    kind = lookup({each.value: each for each in QualityKind}, quality, "--quality")
    if quick and budget is not None:
        raise InputError("--quick", "must not stand beside --budget")
    if quick:
        return Wish(_QUICK_SECONDS, _QUICK_HELD_OUT, _QUICK_PASSES, quality=kind, seed=seed)
    return (
        Wish(quality=kind, seed=seed) if budget is None else Wish(budget, quality=kind, seed=seed)
    )


def _text(path: Path | None) -> str:
    from edgebatch.local_models import heldout_text

    if path is None:
        return heldout_text()
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError("--text", f"{str(path)!r}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError("--text", f"{str(path)!r} is not UTF-8") from error


def _calibrate(
    spec: EngineSpec, precisions: Sequence[str], word: Word, text: str, wish: Wish
) -> Calibration:
    import asyncio

    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from edgebatch.calibration.calibration import Phase
    from edgebatch.calibration.kinds import calibrate_engine

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    console = stderr_console()
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        tasks = {phase: progress.add_task(phase.value, total=1.0) for phase in Phase}
        return asyncio.run(
            calibrate_engine(
                spec,
                precisions,
                text,
                wish,
                word,
                on_progress=lambda phase, share: progress.update(tasks[phase], completed=share),
            )
        )


def _print(calibration: Calibration, as_json: bool) -> None:
    from edgebatch.reporting.calibration import (
        errors_table,
        memory_table,
        overview_table,
        quality_table,
        sample_record,
        times_table,
    )

    profile = calibration.profile
    if as_json:
        held_out = [
            sample_record(calibration, sample) for sample in calibration.together.times.held_out
        ]
        print_json({**profile.document(), "held_out": held_out})
        return
    tables = [
        overview_table(calibration),
        times_table(calibration),
        errors_table(calibration),
        memory_table(calibration),
        quality_table(calibration.qualities, profile.quality_measure),
    ]
    print_tables(*(table for table in tables if table is not None), f"Verdict: {profile.verdict}")
