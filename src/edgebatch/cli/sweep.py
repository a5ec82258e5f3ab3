"""``edgebatch sweep``: many runs into a folder of results."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgebatch.cli.output import print_json, print_tables, stderr_console
from edgebatch.cli.scenario_options import (
    SeedOption,
    SetOption,
    TraceOption,
    load_scenario,
    policy_names,
    scenario_names,
)
from edgebatch.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgebatch.study.axes import Axis
    from edgebatch.study.definition import Study
    from edgebatch.study.results import StudyResults
    from edgebatch.study.rows import Row
    from edgebatch.study.study_file import StudyFile

EXAMPLES = """\
  edgebatch sweep --axis workload.rate_per_second=5,10,25 -p dftsp -p sjf --output rates
  edgebatch sweep orin-chat --axis load=0.25:4:5:log -p rolling --seeds 5 --output loads
  edgebatch sweep examples/studies/quick.toml --output quick
  edgebatch sweep examples/studies/quick.toml --output quick --cluster tcp://host:8786
"""


def command(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="SCENARIO|STUDY",
            help="TOML file of a scenario or of a study, or the name of a built-in scenario.",
            autocompletion=scenario_names,
            show_default="edge-cell, or orin-chat with --trace",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="Folder of the results. Required."),
    ] = None,
    axes: Annotated[
        list[str] | None,
        typer.Option(
            "--axis",
            "-a",
            metavar="KEY=VALUES",
            help="Key of the scenario to vary, or load, or rate: V1,V2,… or START:STOP:COUNT[:log];"
            " may be given several times, for every combination.",
        ),
    ] = None,
    policies: Annotated[
        list[str] | None,
        typer.Option(
            "--policy",
            "-p",
            metavar="NAME[:KNOB=VALUE,…]",
            help="Policy to run; may be given several times.",
            show_default="the study's or the scenario's",
            autocompletion=policy_names,
        ),
    ] = None,
    trace: TraceOption = None,
    seed: SeedOption = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, max=10_000, help="How many seeds.", show_default="the study's, or 1"
        ),
    ] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", metavar="N", help="Processes; -1 for one per core.")
    ] = -1,
    cluster: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Run on the workers of this Dask scheduler instead."),
    ] = None,
    settings: SetOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all rows as JSON.")] = False,
) -> None:
    """Run every combination of settings, policies and seeds into a folder of results.

    All policies meet the same requests. A sweep that was stopped, by whatever, goes on where it
    was when the same command is given again, and ends with the same bytes.
    """
    if output is None:
        raise InputError("--output", "is missing; give the folder of the results")
    changes = (axes, policies, seed, seeds, settings)
    study = _study_of_results(source, trace, changed=any(each is not None for each in changes))
    study = study or _study(source, trace, *changes)
    results = _run(study, output, jobs, cluster)
    if as_json:
        print_json(
            {
                "edgebatch": results.version,
                "study": study.hash,
                "title": study.title,
                "rows": [_spelt_out(row) for row in results.rows()],
            }
        )
        return
    from edgebatch.reporting.sweep_tables import sweep_tables

    print_tables(*sweep_tables(results))


def _spelt_out(row: Row) -> Row:
    """Return a row for JSON, which has no infinity: that of an axis becomes the text ``inf``."""
    return {
        key: str(value) if isinstance(value, float) and math.isinf(value) else value
        for key, value in row.items()
    }


def _study_of_results(source: str | None, trace: str | None, *, changed: bool) -> Study | None:
    """Return the study of a results folder, to be run again; None if the source is another."""
    from edgebatch.study.results import STUDY_FILE
    from edgebatch.study.study_document import read_stored

    if source is None or Path(source).name != STUDY_FILE or not Path(source).exists():
        return None
    study = read_stored(Path(source), None if trace is None else Path(trace))
    if study is not None and changed:
        raise InputError(source, "is the study of results, which options cannot change")
    return study


def _study(
    source: str | None,
    trace: str | None,
    axes: Sequence[str] | None,
    policies: Sequence[str] | None,
    seed: int | None,
    seeds: int | None,
    settings: Sequence[str] | None,
) -> Study:
    """Return the study that the file and the options describe; options outweigh the file."""
    from edgebatch.study.axes import parse_axis
    from edgebatch.study.definition import Study
    from edgebatch.study.digests import with_absolute_paths
    from edgebatch.study.study_file import StudyFile, is_study_file, read_study_file

    file = StudyFile(scenario=source)
    if source is not None and is_study_file(source):
        file = read_study_file(Path(source))
    if file.needs_trace and trace is None:
        raise InputError("--trace", f"is missing; {source} is about a trace")
    scenario = load_scenario(file.scenario, trace, seed, [*file.settings, *(settings or ())])
    section = scenario.section("compare")
    num_seeds = seeds or file.seeds or 1
    return Study(
        scenario=with_absolute_paths(scenario.document),
        axes=_axes(file, [parse_axis(text) for text in axes or ()]),
        policies=tuple(policies or file.policies or section.get("policies") or ("dftsp",)),
        seeds=tuple(range(scenario.seed, scenario.seed + num_seeds)),
        title=file.title,
        question=file.question,
    )


def _axes(file: StudyFile, asked: Sequence[Axis]) -> tuple[Axis, ...]:
    """Return the file's axes, those that were asked for in place of the file's of the same key."""
    keys = [axis.key for axis in asked]
    for key in keys:
        if keys.count(key) > 1:
            raise InputError("--axis", f"{key} is given twice")
    by_key = {axis.key: axis for axis in (*file.axes, *asked)}
    return tuple(by_key.values())


def _run(study: Study, folder: Path, jobs: int, cluster: str | None) -> StudyResults:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from edgebatch.study.sweep import sweep

    columns = (TextColumn("runs"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = stderr_console()
    made_before: int | None = None
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task("", total=None)

        def show(done: int, total: int) -> None:
            nonlocal made_before
            made_before = done if made_before is None else made_before
            progress.update(task, completed=done, total=total)

        try:
            results = sweep(study, folder, jobs=jobs, cluster=cluster, on_progress=show)
        except KeyboardInterrupt:
            progress.stop()
            console.print(
                f"stopped; what was finished is in {folder}; the same command goes on",
                soft_wrap=True,
            )
            raise
    earlier = results.num_done if made_before is None else made_before
    console.print(
        f"complete: {results.num_done} runs in {folder}, {earlier} of them from before",
        soft_wrap=True,
    )
    return results
