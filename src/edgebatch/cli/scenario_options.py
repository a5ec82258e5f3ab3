"""Options that all commands on scenarios share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from edgebatch.scenario import Scenario

DEFAULT_SCENARIO = "edge-cell"
DEFAULT_TRACE_SCENARIO = "orin-chat"


def policy_names() -> list[str]:
    """Return what the shell offers where a policy is asked for."""
    from edgebatch.scenario import policy_names as known_policies

    return known_policies()


def scenario_names() -> list[str]:
    """Return what the shell offers, besides files, where a scenario is asked for."""
    from edgebatch.scenario import builtin_names

    return builtin_names()


ScenarioArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="SCENARIO",
        help="TOML file, or the name of a built-in scenario (edgebatch scenario --list).",
        autocompletion=scenario_names,
        show_default=f"{DEFAULT_SCENARIO}, or {DEFAULT_TRACE_SCENARIO} with --trace",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        "-s",
        metavar="KEY=VALUE",
        help="Override a key of the scenario, such as node.count=2; empty removes it.",
    ),
]
TraceOption = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Replay this trace instead of the scenario's workload."),
]
ProfileOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Take node, model and precisions from this profile (edgebatch calibrate).",
    ),
]
PolicyOption = Annotated[
    str,
    typer.Option(
        "--policy",
        "-p",
        metavar="NAME[:KNOB=VALUE,…]",
        help="Who decides.",
        autocompletion=policy_names,
    ),
]
SeedOption = Annotated[
    int | None, typer.Option(metavar="N", min=0, help="Seed of everything random.")
]

_DRAWN_KEYS = (
    "arrivals",
    "rate_per_second",
    "cv",
    "duration_seconds",
    "num_requests",
    "lengths",
    "prompt_tokens",
    "output_tokens",
    "actual_fraction",
    "actual_output_tokens",
)


def load_scenario(
    source: str | None,
    trace: str | None,
    seed: int | None,
    settings: Sequence[str] | None,
    profile: str | None = None,
) -> Scenario:
    """Return the scenario that the options describe; ``--set`` has the last word.

    Raises:
        EdgebatchError: the scenario is wrong or cannot be read.
    """
    from edgebatch.scenario import Scenario, overridden, read_document

    default = DEFAULT_SCENARIO if trace is None else DEFAULT_TRACE_SCENARIO
    document = read_document(source or default)
    if trace is not None:
        workload = document.setdefault("workload", {})
        if isinstance(workload, dict):  # else the scenario says what is wrong with it
            for key in _DRAWN_KEYS:
                workload.pop(key, None)
            workload["trace"] = trace
    if profile is not None:
        document = overridden(document, [f"profile={profile}"])
    if seed is not None:
        document["seed"] = seed
    return Scenario(overridden(document, settings or ()))
