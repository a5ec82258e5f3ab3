"""``edgebatch compare``: several policies over the same requests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgebatch.cli.output import print_json, print_tables, stderr_console, write_json
from edgebatch.cli.scenario_options import (
    ScenarioArgument,
    SeedOption,
    SetOption,
    TraceOption,
    load_scenario,
    policy_names,
)
from edgebatch.errors import InputError, MissingExtraError
from edgebatch.files import require_place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgebatch.comparison import Comparison
    from edgebatch.scenario import Policy, Scenario

EXAMPLES = """\
  edgebatch compare
  edgebatch compare orin-chat --load 0.5 --load 1 --load 2 --plot orin.svg
  edgebatch compare --trace AzureLLMInferenceTrace_conv.csv
  edgebatch compare -p dftsp -p static -p continuous:batch_cap=16 --rate 20
  edgebatch compare orin-chat --tune --seeds 5 --json
"""

DEFAULT_PLOT = Path("edgebatch-compare.png")


def command(
    scenario: ScenarioArgument = None,
    policies: Annotated[
        list[str] | None,
        typer.Option(
            "--policy",
            "-p",
            metavar="NAME[:KNOB=VALUE,…]",
            help="Policy to compare; may be given several times.",
            show_default="the scenario's",
            autocompletion=policy_names,
        ),
    ] = None,
    loads: Annotated[
        list[float] | None,
        typer.Option("--load", metavar="X", help="Multiple of the node's capacity; several times."),
    ] = None,
    rates: Annotated[
        list[float] | None,
        typer.Option("--rate", metavar="PER_SECOND", help="Arrivals per second; several times."),
    ] = None,
    trace: TraceOption = None,
    seed: SeedOption = None,
    seeds: Annotated[
        int,
        typer.Option(metavar="N", min=1, max=10_000, help="How many seeds to average over."),
    ] = 1,
    tune: Annotated[
        bool, typer.Option("--tune", help="Give every policy its best knobs at every load.")
    ] = False,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", metavar="N", help="Processes; -1 for one per core.")
    ] = -1,
    settings: SetOption = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where to draw: .png, .svg or .pdf.",
            show_default=str(DEFAULT_PLOT),
        ),
    ] = None,
    no_plot: Annotated[bool, typer.Option("--no-plot", help="Draw nothing.")] = False,
    results: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all figures as JSON to a file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all figures as JSON.")] = False,
) -> None:
    """Show how many requests each policy serves in time, over a range of loads.

    All policies meet the same requests. A load of 1 is what the cost model says that the node
    could just carry in full batches of average requests.
    """
    loaded = load_scenario(scenario, trace, seed, settings)
    drawn_to = None if no_plot else _plot_path(plot)
    if results is not None:
        require_place("--results", results)
    comparison = _compare(loaded, policies, loads, rates, seeds, tune, jobs)
    if results is not None:
        write_json(results, comparison.to_dict())
    if drawn_to is not None:
        from edgebatch.reporting.plots.comparison import save_comparison_plot

        save_comparison_plot(comparison, drawn_to, _title(loaded))
    if as_json:
        print_json(comparison.to_dict())
        return
    _print(comparison, tune)
    if drawn_to is not None:
        stderr_console().print(f"plot: {drawn_to}")


def _plot_path(asked: Path | None) -> Path | None:
    """Return where to draw; the default place is given up where nothing can draw."""
    from edgebatch.reporting.plots.style import check_plot_path

    path = asked or DEFAULT_PLOT
    try:
        check_plot_path(path)
    except MissingExtraError as error:
        if asked is not None:
            raise
        stderr_console().print(f"no plot: {error}")
        return None
    return path


def _compare(
    scenario: Scenario,
    policies: Sequence[str] | None,
    loads: Sequence[float] | None,
    rates: Sequence[float] | None,
    num_seeds: int,
    tune: bool,
    jobs: int,
) -> Comparison:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from edgebatch.comparison import compare

    section = scenario.section("compare")
    loads, rates = _points(section, loads, rates)
    chosen = _policies(policies or section.get("policies") or ["dftsp", "static", "none"])
    columns = (
        TextColumn("policies × loads"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    console = stderr_console()
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task("", total=None)
        return compare(
            scenario,
            chosen,
            loads=loads,
            rates_per_second=rates,
            num_seeds=num_seeds,
            tune=tune,
            jobs=jobs,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )


def _points(
    section: Mapping[str, Any], loads: Sequence[float] | None, rates: Sequence[float] | None
) -> tuple[Sequence[float] | None, Sequence[float] | None]:
    """Return the loads or the rates to compare at: those of the options, or else the scenario's."""
    from edgebatch.problem.checks import require_number

    names = ("--load", "--rate")
    if not loads and not rates:
        loads, rates = section.get("loads"), section.get("rates_per_second")
        names = ("compare.loads", "compare.rates_per_second")
    if loads and rates:
        raise InputError(names[0], f"must not stand beside {names[1]}")
    for name, values in zip(names, (loads or (), rates or ()), strict=True):
        for value in values:
            require_number(name, value, exclusive=True)
            if list(values).count(value) > 1:
                raise InputError(name, f"{value:g} is given twice")
    return loads or None, rates or None


def _policies(names: Sequence[str]) -> list[Policy]:
    from edgebatch.scenario import parse_policy

    policies = [parse_policy(name) for name in names]
    labels = [policy.label for policy in policies]
    for label in labels:
        if labels.count(label) > 1:
            raise InputError("--policy", f"{label!r} is given twice")
    return policies


def _title(scenario: Scenario) -> str:
    hosting, servers = scenario.hosting, scenario.servers
    hosted = [each.precisions[0] for each in servers] or hosting.precisions
    precisions = ", ".join(dict.fromkeys(precision.name for precision in hosted))
    node = f"{len(servers)} servers" if servers else hosting.node.name or "the node"
    return f"{hosting.model.name or 'model'} ({precisions}) on {node}"


def _print(comparison: Comparison, tuned: bool) -> None:
    from edgebatch.reporting.comparison_tables import detail_table, load_tables, tuning_table

    tables = load_tables(comparison)
    if tuned:
        tables.append(tuning_table(comparison))
    tables.append(detail_table(comparison, max(comparison.rates())))
    print_tables(*tables)
