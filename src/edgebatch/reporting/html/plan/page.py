"""The page of a plan."""

from __future__ import annotations

from collections.abc import Iterator

from edgebatch.reporting.html.page import Cell, Page, Section, Table
from edgebatch.reporting.html.plan.bars import memory_split, sustainable_rates
from edgebatch.reporting.html.plan.document import Candidate, Operation, PlanDocument
from edgebatch.reporting.html.plan.dots import energy, gains, latency
from edgebatch.reporting.html.plan.origin import origin_section
from edgebatch.reporting.html.plan.searches import MOST_AT_ONCE, machines, searches
from edgebatch.units import GIGA


def plan_page(plan: PlanDocument) -> Page:
    """Return the page of a plan.

    Raises:
        MissingExtraError: plotly is not installed.
    """
    sections = [
        _summary(plan),
        _ranking(plan),
        _plots(plan),
        _search(plan),
        _operation(plan),
        origin_section(plan),
    ]
    several = machines(plan)
    target = f"{100 * plan.question.target:.4g} %"
    return Page(
        title="Plan: device, model and precision",
        question=f"Which of them sustains the highest rate with {target} of the requests served "
        f"in time, under {plan.question.policy}?",
        facts=_facts(plan),
        sections=tuple(section for section in sections if section is not None),
        settings=tuple(several) if len(several) > MOST_AT_ONCE else (),
    )


def _facts(plan: PlanDocument) -> tuple[tuple[str, str], ...]:
    asked = plan.question.rate_per_second
    rate = (("Rate asked for", f"{asked:.4g}/s"),) if asked is not None else ()
    return (
        ("Candidates", str(len(plan.candidates))),
        ("Target in time", f"{100 * plan.question.target:.4g} %"),
        *rate,
        ("Policy", plan.question.policy),
        ("edgebatch", plan.edgebatch),
    )


def _summary(plan: PlanDocument) -> Section:
    unable = [each for each in plan.candidates if each.sustainable is None]
    count = len(plan.candidates) - len(unable)
    reasons = tuple((each.label, each.reason or "no reason is known") for each in unable)
    is_short = len(reasons) <= _MOST_IN_WORDS
    table = Table(
        ("Candidate", "Why no sustainable rate was found"),
        tuple((Cell.words(label), Cell.words(reason)) for label, reason in reasons),
        "Those without a sustainable rate",
    )
    return Section(
        identity="summary",
        title="Recommendation",
        paragraphs=(
            plan.recommendation,
            f"{count} of {len(plan.candidates)} candidates sustain a rate at which the target is "
            f"met{'; the others:' if reasons else '.'}",
        ),
        points=tuple(f"{label}: {reason}." for label, reason in reasons) if is_short else (),
        tables=() if is_short else (table,),
    )


_MOST_IN_WORDS = 8
"""Candidates that reach nothing and are listed in words; more are a table."""
_STATUS = {
    "sustains": "meets the target",
    "below-target": "not shown to meet the target",
    "out-of-reach": "out of reach",
    "does-not-fit": "does not fit",
}


def _ranking(plan: PlanDocument) -> Section:
    headings = (
        *("Rank", "Device", "Model", "Precision", "Status", "Rate, 1/s", "Low, 1/s", "High, 1/s"),
        *("Possible, %", "Quality", "Binds first", "Free memory, GB", "Missing, GB"),
    )
    rows = tuple(_ranking_row(each) for each in plan.candidates)
    caption = (
        "Rate: highest at which the target is met, with its interval. Possible: requests that "
        "could be served in time if each had the node to itself. Free memory: at the sustainable "
        "rate. Those that cannot be told apart from the first by rate have a = beside their rank."
    )
    return Section("ranking", "Ranking", tables=(Table(headings, rows, caption),))


def _plots(plan: PlanDocument) -> Section:
    found = (sustainable_rates(plan), memory_split(plan), gains(plan))
    drawn = tuple(chart for chart in found if chart is not None)
    return Section("plots", "Rates, memory and what binds", charts=drawn)


def _ranking_row(each: Candidate) -> tuple[Cell, ...]:
    rate, fares = each.sustainable, each.at_sustainable
    mark = " =" if each.tied_with_first else ""
    best = max((quality.quality for quality in each.quality), default=None)
    return (
        Cell("–") if each.rank is None else Cell(f"{each.rank}{mark}", each.rank),
        Cell.words(each.device),
        Cell.words(each.model),
        Cell.words(each.precision),
        Cell.words(_STATUS.get(each.status, each.status)),
        Cell.number(None if rate is None else rate.rate_per_second),
        Cell.number(None if rate is None else rate.low_per_second),
        Cell.number(None if rate is None else rate.high_per_second),
        Cell.number(100.0 * each.feasibility.ceiling or None, ".1f"),
        Cell.number(best, ".4f"),
        Cell.words((each.binding.budget if each.binding else None) or "–"),
        Cell.number(None if fares is None else fares.spare_bytes / GIGA, ".2f"),
        Cell.number(each.feasibility.missing_bytes / GIGA or None, ".2f"),
    )


def _search(plan: PlanDocument) -> Section | None:
    found = searches(plan)
    if not found:
        return None
    return Section("search", "In time against the rate", charts=tuple(found))


def _operation(plan: PlanDocument) -> Section | None:
    tables = tuple(_operation_tables(plan))
    found = (latency(plan), energy(plan))
    drawn = tuple(chart for chart in found if chart is not None)
    if not tables and not drawn:
        return None
    return Section("operation", "At the sustainable rate", charts=drawn, tables=tables)


def _operation_tables(plan: PlanDocument) -> Iterator[Table]:
    headings = (
        *("Device", "Model", "Precision", "Rate, 1/s", "In time, %", "Low, %", "High, %"),
        *("p50, s", "p95, s", "p99, s", "First token p95, s", "Batch, mean", "Busy, %"),
        *("J/request, least", "J/request, most"),
    )
    asked = plan.question.rate_per_second
    sets = [("At the sustainable rate", [(each, each.at_sustainable) for each in plan.candidates])]
    if asked is not None:
        title = f"At the rate asked for, {asked:.4g} requests/s"
        sets.append((title, [(each, each.at_rate) for each in plan.candidates]))
    for caption, pairs in sets:
        rows = tuple(_operation_row(each, fares) for each, fares in pairs if fares is not None)
        if rows:
            yield Table(headings, rows, caption)


def _operation_row(each: Candidate, fares: Operation) -> tuple[Cell, ...]:
    e2e, ttft, spent = fares.e2e_seconds or {}, fares.ttft_seconds or {}, fares.energy
    return (
        Cell.words(each.device),
        Cell.words(each.model),
        Cell.words(each.precision),
        Cell.number(fares.rate_per_second),
        Cell.number(100.0 * fares.share.mean, ".2f"),
        Cell.number(100.0 * fares.share.low, ".2f"),
        Cell.number(100.0 * fares.share.high, ".2f"),
        *(Cell.number(e2e.get(name)) for name in ("p50", "p95", "p99")),
        Cell.number(ttft.get("p95")),
        Cell.number(fares.batch_mean),
        Cell.number(100.0 * fares.busy_share, ".1f"),
        Cell.number(spent.computing_joules if spent else None),
        Cell.number(spent.always_on_joules if spent else None),
    )
