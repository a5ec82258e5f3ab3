"""``edgebatch run``: one policy on one scenario, on a real engine in real time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgebatch.cli.engine_options import (
    DEFAULT_ENGINE,
    ApiKeyOption,
    EngineOption,
    ModelOption,
    UrlOption,
    engine_spec,
)
from edgebatch.cli.output import print_json, print_tables, stderr_console, write_json
from edgebatch.cli.scenario_options import (
    PolicyOption,
    ProfileOption,
    SeedOption,
    SetOption,
    TraceOption,
    load_scenario,
    scenario_names,
)
from edgebatch.errors import InputError
from edgebatch.files import require_place

if TYPE_CHECKING:
    from edgebatch.engines import EngineInfo
    from edgebatch.engines.registry import EngineSpec
    from edgebatch.scenario import Policy, Scenario
    from edgebatch.scenario.real_run import RealRun
    from edgebatch.scheduling import RunLog
    from edgebatch.workload import Workload

EXAMPLES = """\
  edgebatch run --profile profile.toml
  edgebatch run --profile profile.toml --policy continuous --load 2 --beside-simulation
  edgebatch run --profile profile.toml --trace requests.csv --requests out.csv
  edgebatch run --engine llama-cpp --model my.gguf --profile my-profile.toml
  edgebatch run --engine simulated:time_factor=1.2
"""
DEFAULT_SCENARIO = "tiny-chat"


def command(
    scenario: Annotated[
        str,
        typer.Argument(
            metavar="SCENARIO",
            help="TOML file, or the name of a built-in scenario (edgebatch scenario --list).",
            autocompletion=scenario_names,
        ),
    ] = DEFAULT_SCENARIO,
    engine: EngineOption = DEFAULT_ENGINE,
    model: ModelOption = None,
    profile: ProfileOption = None,
    policy: PolicyOption = "rolling",
    trace: TraceOption = None,
    load: Annotated[
        float | None,
        typer.Option(min=1e-6, help="Arrival rate as a multiple of the estimated capacity."),
    ] = None,
    seed: SeedOption = None,
    settings: SetOption = None,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
    text: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Cut prompts out of this text, not the built-in one."),
    ] = None,
    beside_simulation: Annotated[
        bool, typer.Option("--beside-simulation", help="Simulate the same and show both.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, in SI units.")] = False,
    requests: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write one row a request: .csv or .parquet."),
    ] = None,
    chrome_trace: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a timeline for chrome://tracing or Perfetto."),
    ] = None,
) -> None:
    """Replay a scenario's requests against an engine in real time, under one policy.

    The scheduler believes the profile that edgebatch calibrate has written; without one it believes
    the scenario's node. Records and figures are those of edgebatch simulate. If the engine breaks,
    the run ends, every request is on record all the same, and the exit status is 3.
    """
    from edgebatch.reporting.request_records import check_records_path, write_records
    from edgebatch.scenario import parse_policy

    chosen = parse_policy(policy)
    loaded = load_scenario(scenario, trace, seed, settings, profile)
    for path in filter(None, (requests, chrome_trace)):
        require_place("--requests" if path is requests else "--chrome-trace", path)
    if requests is not None:
        check_records_path(requests)
    costs = loaded.step_costs(chosen)
    names = [cost.precision.name for cost in costs]
    spec = engine_spec(engine, model, names, url, api_key, costs)
    workload = _workload(loaded, load)
    prompts = _text(text)
    run = _with_progress(
        loaded, lambda advance, tell: _run(loaded, chosen, spec, prompts, workload, advance, tell)
    )
    if requests is not None:
        write_records(run.log, requests)
    if chrome_trace is not None:
        from edgebatch.reporting.chrome_trace import chrome_trace as build

        write_json(chrome_trace, build(run.log))
    simulated = loaded.run(chosen, workload) if beside_simulation else None
    _show(chosen, run, simulated, as_json=as_json)
    if run.error is not None:
        raise run.error


def _run(
    scenario: Scenario,
    policy: Policy,
    spec: EngineSpec,
    text: str,
    workload: Workload,
    advance: Callable[[], None],
    tell: Callable[[str], None],
) -> RealRun:
    from edgebatch.calibration.provenance import mismatch
    from edgebatch.engines.registry import make_engine
    from edgebatch.scenario.real_run import run_on_engine

    engine, source = make_engine(spec), scenario.source

    def compare(info: EngineInfo) -> None:
        if source is not None and (said := mismatch(source, info)):
            tell(f"edgebatch: warning: {said}")

    return asyncio.run(run_on_engine(scenario, policy, engine, text, workload, advance, compare))


def _workload(scenario: Scenario, load: float | None) -> Workload:
    from edgebatch.scenario import estimated_capacity

    workload = scenario.workload
    if load is None:
        return workload
    if not workload.mean_rate:
        raise InputError("--load", "needs a workload with at least two arrivals")
    return workload.scaled(load * estimated_capacity(scenario) / workload.mean_rate)


def _text(path: Path | None) -> str:
    if path is None:
        from edgebatch.local_models import heldout_text

        return heldout_text()
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("--text", f"cannot be read: {error}") from error


def _with_progress(
    scenario: Scenario, run: Callable[[Callable[[], None], Callable[[str], None]], RealRun]
) -> RealRun:
    """Let it run, given what to call at each arrival and with each line for people."""
    console = stderr_console()

    def tell(line: str) -> None:
        console.print(line, soft_wrap=True)

    if not console.is_terminal:
        return run(lambda: None, tell)
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.completed:,} requests"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=scenario.section("workload").get("num_requests"))
        return run(lambda: progress.advance(task), tell)


def _show(policy: Policy, run: RealRun, simulated: RunLog | None, *, as_json: bool) -> None:
    from edgebatch.reporting.run_tables import (
        beside_table,
        latency_table,
        outcome_table,
        use_table,
    )
    from edgebatch.simulation import summarise

    summary = summarise(run.log)
    believed = None if simulated is None else summarise(simulated)
    if as_json:
        answer: dict[str, Any] = {
            "policy": policy.label,
            "engine": asdict(run.engine),
            "pace": run.pace,
            "error": None if run.error is None else str(run.error),
            **summary.to_dict(timings=True),
        }
        if believed is not None:
            answer["simulation"] = believed.to_dict()
        print_json(answer)
        return
    title = f"{policy.label} on {run.engine.engine}, {run.engine.model}"
    tables = [outcome_table(summary, title), latency_table(summary), use_table(summary)]
    if believed is not None:
        tables.append(beside_table(summary, believed, run.pace))
    print_tables(*tables)
