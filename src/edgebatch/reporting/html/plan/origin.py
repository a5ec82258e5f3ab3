"""What a plan assumes, and how to make it again."""

from __future__ import annotations

import math
import shlex
from typing import Any

import tomli_w

from edgebatch.reporting.html.page import Section
from edgebatch.reporting.html.plan.document import PlanDocument

_FIGURES = ("memory_bytes", "flops", "memory_bandwidth")


def origin_section(plan: PlanDocument) -> Section:
    """Return the section with assumptions, sources, the command and the scenario."""
    sources = {
        f"Quality of {quality.precision}, {each.model}": (
            f"{quality.quality:.4f}: {quality.source or 'given in the scenario'}"
        )
        for each in plan.candidates
        for quality in each.quality
    }
    return Section(
        identity="scenario",
        title="Assumptions, scenario and how to run it again",
        points=tuple(f"{text[:1].upper()}{text[1:]}." for text in plan.assumptions),
        pairs=(("edgebatch", plan.edgebatch), *sources.items()),
        listings=(
            ("Run it again", rerun_command(plan)),
            ("scenario.toml", tomli_w.dumps(_with_infinity(plan.scenario))),
        ),
    )


def _with_infinity(value: Any) -> Any:
    """Return a document with infinities in place of their names, which JSON has instead."""
    if isinstance(value, dict):
        return {key: _with_infinity(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_with_infinity(entry) for entry in value]
    return math.inf if value == "inf" else value


def rerun_command(plan: PlanDocument) -> str:
    """Return the command that makes the plan again out of its scenario, as one line."""
    words = ["edgebatch", "plan", "scenario.toml"]
    nodes = [each.scenario.get("node", {}) for each in plan.candidates]
    if any(node != plan.scenario.get("node", {}) for node in nodes):
        words += _options("--device", [node.get("device", "") for node in nodes])
        kept = [key for key in _FIGURES if key in nodes[0]]
        words += _options("--set", [f"node.{key}={nodes[0][key]!r}" for key in kept])
    own = [each.scenario.get("model", {}) for each in plan.candidates]
    if any(model != plan.scenario.get("model", {}) for model in own):
        words += _options("--model", [model.get("name", "") for model in own])
    words += _options("--precision", [each.precision for each in plan.candidates])
    question = plan.question
    words += ["--target", f"{question.target!r}", "--policy", question.policy]
    if question.rate_per_second is not None:
        words += ["--rate", f"{question.rate_per_second!r}"]
    return shlex.join([*words, "--runs", str(question.most_runs), "--output", "plan.json"])


def _options(name: str, values: list[Any]) -> list[str]:
    return [word for value in dict.fromkeys(values) for word in (name, value)]
