"""Planning: which device, model and precision sustain how much load, and what binds first."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edgebatch import __version__
from edgebatch.errors import InputError
from edgebatch.presets import models, precisions
from edgebatch.problem.checks import require_number
from edgebatch.scenario import parse_policy
from edgebatch.scenario.schema import ScenarioDocument
from edgebatch.scenario.workload import build_workload
from edgebatch.schema import validated
from edgebatch.study.candidates import Choice, candidates, hosting_of, with_profile
from edgebatch.study.digests import file_paths, with_paths
from edgebatch.study.investigation import Finding, Question, Status, investigation
from edgebatch.study.places import names_of
from edgebatch.study.ranking import explanation, ranked, recommendation, tied_with_first
from edgebatch.study.rounds import carried_out
from edgebatch.study.saturation import MOST_RUNS
from edgebatch.study.scouting import require_deadlines
from edgebatch.study.shares import STUDENT_975

FORMAT = 1
"""Number of the file format."""

ASSUMPTIONS = (
    "every run warms up for about four median deadlines, which do not count, and then counts as "
    "many requests as come in another four, at least 300; with the warm-up at most 2000",
    "intervals of shares are 95 % intervals, Student's over the runs joined with Wilson's over the "
    "requests; the interval of a rate goes from the highest rate shown to be above the target to "
    "the lowest shown to be below it",
    "energy takes the greatest power setting of the device, while it computes and, as the other "
    "bound, all the time",
)
"""What stands behind the figures of a plan, in words."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The outcome of :func:`plan`.

    Attributes:
        scenario: the document that all candidates' are made from.
        question: what was asked.
        findings: one for each candidate, best first.
    """

    scenario: dict[str, Any]
    question: Question
    findings: tuple[Finding, ...]

    @property
    def recommendation(self) -> str:
        """Who is best and why."""
        return recommendation(self.findings, self.question)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data for JSON; equal plans have equal data.

        JSON has no infinity, so a scenario's stands there as the text ``inf``. Files go by their
        names, with folders only where two have the same name.
        """
        tied = tied_with_first(self.findings)
        documents = [self.scenario, *(each.candidate.document for each in self.findings)]
        names = names_of(file_paths(documents))
        return {
            "format": FORMAT,
            "kind": "plan",
            "edgebatch": __version__,
            "question": asdict(self.question),
            "assumptions": list(ASSUMPTIONS),
            "recommendation": self.recommendation,
            "scenario": _portable(self.scenario, names),
            "candidates": [
                _entry(finding, rank, finding in tied, names)
                for rank, finding in enumerate(self.findings, start=1)
            ],
        }


def plan(
    scenario: Mapping[str, Any],
    choice: Choice,
    *,
    target: float = 0.99,
    rate_per_second: float | None = None,
    policy: str = "rolling",
    most_runs: int = MOST_RUNS,
    jobs: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> Plan:
    """Return how every candidate fares, best first.

    Args:
        scenario: a scenario document; its workload says who arrives.
        choice: devices, models and precisions to combine; without any, the scenario's.
        target: share of requests to be served in time, above 0 and below 1.
        rate_per_second: a rate at which every candidate is looked at besides.
        policy: who decides, with knobs.
        most_runs: how many runs an undecided rate may take: 4, 8, 16 or 32.
        jobs: how many processes to use; -1 for one per core. It changes no result.
        on_progress: called with (done, probably all) runs.

    Raises:
        InputError: a value is out of its range, a name is not known, or the workload has no
            deadlines that could be missed.
    """
    require_number("--target", target, exclusive=True)
    if target >= 1.0:
        raise InputError("--target", f"must be below 1, got {target:g}")
    if rate_per_second is not None:
        require_number("--rate", rate_per_second, exclusive=True)
    if most_runs not in STUDENT_975:
        raise InputError("--runs", f"must be {', '.join(map(str, STUDENT_975))}, got {most_runs}")
    decides = parse_policy(policy)
    document = with_profile(scenario, choice)
    compared = candidates(document, choice, decides)
    checked = validated(document, ScenarioDocument).model_dump(exclude_unset=True)
    require_deadlines(build_workload(checked["workload"], checked.get("seed", 0)), target)
    question = Question(target, decides.label, rate_per_second, most_runs)
    findings = carried_out(
        [investigation(candidate, question) for candidate in compared],
        jobs=jobs,
        on_progress=on_progress,
    )
    return Plan(document, question, tuple(ranked(findings)))


def _entry(finding: Finding, rank: int, tied: bool, names: Mapping[str, str]) -> dict[str, Any]:
    """Return one candidate as plain data."""
    candidate = finding.candidate
    sustains = finding.status is Status.SUSTAINS
    found = finding.saturation
    return {
        "rank": rank if sustains else None,
        "tied_with_first": tied,
        "device": candidate.device,
        "model": candidate.model,
        "precisions": list(candidate.precisions),
        "status": finding.status.value,
        "reason": explanation(finding) or None,
        "sustainable": None
        if found is None or not sustains
        else {
            "rate_per_second": found.rate_per_second,
            "low_per_second": found.low_per_second,
            "high_per_second": found.high_per_second,
        },
        "feasibility": {
            **asdict(finding.feasibility),
            "missing_bytes": finding.feasibility.missing_bytes,
            "classes": [each._asdict() for each in finding.feasibility.classes],
        },
        "quality": _quality(finding),
        "binding": None
        if finding.binding is None
        else {"budget": finding.binding.budget, **asdict(finding.binding)},
        "at_sustainable": _optional(finding.at_sustainable),
        "at_rate": _optional(finding.at_rate),
        "runs": _optional(finding.length),
        "points": [] if found is None else [asdict(point) for point in found.points],
        "scenario": _portable(candidate.document, names),
    }


def _quality(finding: Finding) -> list[dict[str, Any]]:
    """Return quality of each precision and where it was measured, if that is known."""
    model = finding.candidate.model if finding.candidate.model in models() else None
    document = finding.candidate.document
    named = () if "profile" in document else document["precisions"].get("hosted", ())
    return [
        {
            "precision": each.name,
            "quality": each.quality,
            "source": precisions()[each.name].quality(model).source if each.name in named else None,
        }
        for each in hosting_of(document).precisions
    ]


def _optional(part: Any) -> dict[str, Any] | None:
    return None if part is None else asdict(part)


def _portable(document: Mapping[str, Any], names: Mapping[str, str]) -> Any:
    return _spelt_out(with_paths(document, names.__getitem__))


def _spelt_out(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _spelt_out(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_spelt_out(entry) for entry in value]
    return str(value) if isinstance(value, float) and math.isinf(value) else value
