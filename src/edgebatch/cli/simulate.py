"""``edgebatch simulate``: one policy on one scenario."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgebatch.cli.output import print_json, print_tables, stderr_console, write_json
from edgebatch.cli.scenario_options import (
    PolicyOption,
    ProfileOption,
    ScenarioArgument,
    SeedOption,
    SetOption,
    TraceOption,
    load_scenario,
)
from edgebatch.files import require_place

if TYPE_CHECKING:
    from edgebatch.scenario import Policy, Scenario
    from edgebatch.simulation import RunLog

EXAMPLES = """\
  edgebatch simulate
  edgebatch simulate orin-chat --policy static:batch_cap=8
  edgebatch simulate my-node.toml --trace requests.csv --requests out.csv
  edgebatch simulate orin-chat -s workload.rate_per_second=0.5 --json
  edgebatch simulate tiny-chat --profile profile.toml --policy rolling
  edgebatch simulate --policy continuous:batch_cap=16,expire=true
"""


def command(
    scenario: ScenarioArgument = None,
    profile: ProfileOption = None,
    policy: PolicyOption = "dftsp",
    trace: TraceOption = None,
    seed: SeedOption = None,
    settings: SetOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, in SI units.")] = False,
    timings: Annotated[
        bool,
        typer.Option(help="Add wall-clock times to the JSON; equal runs then differ."),
    ] = False,
    requests: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write one row a request: .csv or .parquet."),
    ] = None,
    chrome_trace: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a timeline for chrome://tracing or Perfetto."),
    ] = None,
) -> None:
    """Run one policy through a scenario and show how many requests it serves in time.

    The same seed gives the same bytes, whatever the machine.
    """
    from edgebatch.reporting.request_records import check_records_path, write_records
    from edgebatch.scenario import parse_policy
    from edgebatch.simulation import summarise

    chosen = parse_policy(policy)
    loaded = load_scenario(scenario, trace, seed, settings, profile)
    if requests is not None:
        check_records_path(requests)
    if chrome_trace is not None:
        require_place("--chrome-trace", chrome_trace)
    log = _run(loaded, chosen)
    summary = summarise(log)
    if requests is not None:
        write_records(log, requests)
    if chrome_trace is not None:
        from edgebatch.reporting.chrome_trace import chrome_trace as build

        write_json(chrome_trace, build(log))
    if as_json:
        print_json({"policy": chosen.label, **summary.to_dict(timings=timings)})
        return
    from edgebatch.reporting.run_tables import latency_table, outcome_table, use_table

    hosting = loaded.hosting
    num_servers = len(loaded.servers)
    node = f"{num_servers} servers" if num_servers else hosting.node.name or "the node"
    title = f"{chosen.label} on {node}, {hosting.model.name or 'model'}"
    print_tables(outcome_table(summary, title), latency_table(summary), use_table(summary))


def _run(scenario: Scenario, policy: Policy) -> RunLog:
    console = stderr_console()
    if not console.is_terminal:
        return scenario.run(policy)
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.completed:,} requests"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=scenario.section("workload").get("num_requests"))
        return scenario.run(policy, on_arrival=lambda: progress.advance(task))
