"""``edgebatch reproduce``: the published evaluation, in our settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgebatch.cli.output import print_tables, stderr_console
from edgebatch.errors import InputError
from edgebatch.files import write_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgebatch.comparison.evaluation import Observation, Plan, SearchEffort

EXAMPLES = """\
  edgebatch reproduce --quick
  edgebatch reproduce --out evaluation --jobs 4
"""

DEFAULT_FOLDER = Path("edgebatch-evaluation")
_FIGURE_FORMATS = (".png", ".svg")


def command(
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer points, settings and seeds: under a minute.")
    ] = False,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for figures, tables and CSV files.")
    ] = DEFAULT_FOLDER,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", metavar="N", help="Processes; -1 for one per core.")
    ] = -1,
) -> None:
    """Repeat the published evaluation: DFTSP against StB, NoB and brute force.

    Throughput against arrival rate, latency requirement and precision, and nodes visited against
    arrival rate, for BLOOM-3B, BLOOM-7.1B and OPT-13B in settings of our own. Shows at which
    points DFTSP serves at least as many as StB and StB as many as NoB, and lists the others.
    """
    from edgebatch.comparison.evaluation import full_plan, quick_plan
    from edgebatch.reporting.evaluation import (
        csv_text,
        exceptions_table,
        order_table,
        search_table,
        tables_text,
    )

    if jobs == 0:
        raise InputError("--jobs", "must be at least 1, or -1 for one per core")
    _make_folder(out)
    plan = quick_plan() if quick else full_plan()
    observations, efforts = _run(plan, jobs)
    write_text(out / "throughput.csv", csv_text(observations))
    write_text(out / "search.csv", csv_text(efforts))
    _write_throughput_tables(observations, plan, out / "throughput.txt")
    _draw(observations, efforts, plan, out)
    exceptions = exceptions_table(observations)
    summary = [order_table(observations, plan), search_table(efforts, plan)]
    if exceptions is not None:
        summary.insert(1, exceptions)
    write_text(out / "summary.txt", tables_text(*summary))
    print_tables(*summary)
    stderr_console().print(f"figures, tables and CSV files: {out}")


def _make_folder(folder: Path) -> None:
    """Make the folder, and see that it can be drawn into, before minutes of work."""
    from edgebatch.reporting.plots.style import check_plot_path

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError("--out", f"{str(folder)!r}: {error.strerror}") from error
    check_plot_path(folder / f"figure{_FIGURE_FORMATS[0]}")


def _run(plan: Plan, jobs: int) -> tuple[list[Observation], list[SearchEffort]]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from edgebatch.comparison.evaluation import measure_search, observe

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    console = stderr_console()
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        throughput = progress.add_task("throughput", total=None)
        search = progress.add_task("nodes visited", total=None)
        return (
            observe(
                plan,
                jobs=jobs,
                on_progress=lambda done, total: progress.update(
                    throughput, completed=done, total=total
                ),
            ),
            measure_search(
                plan,
                jobs=jobs,
                on_progress=lambda done, total: progress.update(
                    search, completed=done, total=total
                ),
            ),
        )


def _write_throughput_tables(observations: Sequence[Observation], plan: Plan, path: Path) -> None:
    from edgebatch.reporting.evaluation import tables_text, throughput_table

    tables = [
        throughput_table(observations, study, setting, plan.num_seeds)
        for study in plan.studies
        for setting in study.settings
    ]
    write_text(path, tables_text(*tables))


def _draw(
    observations: Sequence[Observation],
    efforts: Sequence[SearchEffort],
    plan: Plan,
    folder: Path,
) -> None:
    from edgebatch.reporting.plots.evaluation import save_search_figure, save_study_figure

    def paths(name: str) -> list[Path]:
        return [folder / f"{name}{suffix}" for suffix in _FIGURE_FORMATS]

    for study in plan.studies:
        for setting in study.settings:
            name = f"{study.name}-{setting.name}"
            save_study_figure(observations, study, setting, paths(name))
    for setting in plan.search.settings:
        save_search_figure(efforts, setting, paths(f"search-{setting.name}"))
