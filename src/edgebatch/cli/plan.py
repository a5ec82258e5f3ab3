"""``edgebatch plan``: which device, model and precision, for how much load."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgebatch.cli.output import print_json, print_tables, stderr_console, write_json
from edgebatch.cli.scenario_options import (
    SeedOption,
    SetOption,
    TraceOption,
    load_scenario,
    policy_names,
    scenario_names,
)
from edgebatch.files import require_place

if TYPE_CHECKING:
    from edgebatch.scenario import Scenario
    from edgebatch.study.candidates import Choice
    from edgebatch.study.plan import Plan

EXAMPLES = """\
  edgebatch plan --precision w8a16 --precision w4a16
  edgebatch plan --device jetson-orin-nx-16gb --device rtx-4060 --model Llama-3.2-3B --rate 0.5
  edgebatch plan --device all --model Llama-3.1-8B --precision w4a16 --output plan.json
  edgebatch plan --trace AzureLLMInferenceTrace_conv.csv --target 0.95
  edgebatch plan --profile profile.toml --policy continuous-edf
"""

DEFAULT_SCENARIO = "orin-chat"


def _device_names() -> list[str]:
    from edgebatch.presets import devices
    from edgebatch.study.candidates import slug

    return ["all", *map(slug, devices())]  # names have blanks, at which a shell cuts


def _model_names() -> list[str]:
    from edgebatch.presets import models

    return list(models())


def _precision_names() -> list[str]:
    from edgebatch.presets import precisions

    return list(precisions())


def command(
    scenario: Annotated[
        str,
        typer.Argument(
            metavar="SCENARIO",
            help="TOML file, or the name of a built-in scenario (edgebatch scenario --list).",
            autocompletion=scenario_names,
        ),
    ] = DEFAULT_SCENARIO,
    devices: Annotated[
        list[str] | None,
        typer.Option(
            "--device",
            metavar="NAME",
            help="Device to look at, or 'all'; several times.",
            show_default="the scenario's",
            autocompletion=_device_names,
        ),
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help="Model to host; several times.",
            show_default="the scenario's",
            autocompletion=_model_names,
        ),
    ] = None,
    precisions: Annotated[
        list[str] | None,
        typer.Option(
            "--precision",
            metavar="NAME[+NAME…]",
            help="Precision, or several hosted together; several times.",
            show_default="each of the scenario's",
            autocompletion=_precision_names,
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Take node and model from a measured profile."),
    ] = None,
    trace: TraceOption = None,
    rate: Annotated[
        float | None,
        typer.Option(metavar="PER_SECOND", help="Also say what is in time at this rate."),
    ] = None,
    target: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of requests to be served in time.")
    ] = 0.99,
    policy: Annotated[
        str,
        typer.Option(
            "--policy",
            "-p",
            metavar="NAME[:KNOB=VALUE,…]",
            help="Who decides.",
            autocompletion=policy_names,
        ),
    ] = "rolling",
    seed: SeedOption = None,
    runs: Annotated[
        int,
        typer.Option(
            metavar="N", help="Most runs for a rate that is hard to decide: 4, 8, 16 or 32."
        ),
    ] = 8,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", metavar="N", help="Processes; -1 for one per core.")
    ] = -1,
    settings: SetOption = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the whole plan as JSON to a file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole plan as JSON.")] = False,
) -> None:
    """Rank devices, models and precisions by the load that they sustain.

    The sustainable rate is the highest at which the target share of requests is served in time. It
    is searched for by simulation, with an interval that says how sure it is. What does not fit, or
    can never reach the target, is listed with the reason.
    """
    from edgebatch.study.candidates import Choice

    if output is not None:
        require_place("--output", output)
    # a trace brings lengths and arrivals, and the default scenario is the same with one or without
    loaded = load_scenario(scenario, trace, seed, settings)
    choice = Choice(
        devices=devices or (),
        models=models or (),
        precisions=precisions or (),
        profile=profile,
        settings=settings or (),
    )
    found = _plan(loaded, choice, target, rate, policy, runs, jobs)
    if output is not None:
        write_json(output, found.to_dict())
    if as_json:
        print_json(found.to_dict())
        return
    _print(found)


def _plan(
    scenario: Scenario,
    choice: Choice,
    target: float,
    rate: float | None,
    policy: str,
    runs: int,
    jobs: int,
) -> Plan:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from edgebatch.study.plan import plan

    columns = (TextColumn("runs"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = stderr_console()
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task("", total=None)
        return plan(
            scenario.document,
            choice,
            target=target,
            rate_per_second=rate,
            policy=policy,
            most_runs=runs,
            jobs=jobs,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )


def _print(found: Plan) -> None:
    from rich.text import Text

    from edgebatch.reporting.plan_tables import plan_tables

    print_tables(*plan_tables(found), Text(found.recommendation))
