"""The page of a sweep's results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from edgebatch.reporting.html.page import Chart, Page, Section
from edgebatch.reporting.html.sweep import measures
from edgebatch.reporting.html.sweep.bars import binding, outcomes, precisions
from edgebatch.reporting.html.sweep.figures_table import figures_section
from edgebatch.reporting.html.sweep.origin import origin_section
from edgebatch.reporting.html.sweep.representative import Repeated, repeat_representatives
from edgebatch.reporting.html.sweep.spreads import latency_percentiles, settings_side_by_side
from edgebatch.reporting.html.sweep.timeline import timeline_chart
from edgebatch.reporting.html.sweep.view import StudyView, axis_title
from edgebatch.reporting.html.sweep.words import summary_points

_MOST_SETTINGS = 24
"""Settings with plots; beyond that a page grows too heavy, and tables say the rest."""
_SETTINGS_IN_WORDS = 6


def study_page(view: StudyView) -> Page:
    """Return the page of a study's results.

    Raises:
        MissingExtraError: plotly is not installed.
    """
    study = view.results.study
    settings = view.settings()[:_MOST_SETTINGS]
    sections = [
        _summary(view),
        _section("performance", "Requests served", view, settings, _performance),
        _section("latency", "Latency", view, settings, _latency),
        _section("budgets", "Budgets", view, settings, _budgets),
        _section("search", "Search effort", view, settings, _search),
        _timeline(view, settings),
        figures_section(view),
        origin_section(view),
    ]
    return Page(
        title=study.title or "Results of a sweep",
        question=study.question,
        facts=_facts(view),
        sections=tuple(section for section in sections if section is not None),
        settings=tuple(view.setting_label(setting) for setting in settings),
    )


def _facts(view: StudyView) -> tuple[tuple[str, str], ...]:
    results, study = view.results, view.results.study
    varied = [
        f"{axis_title(axis.key).partition(',')[0]} ({len(axis.values)})" for axis in study.axes
    ]
    return (
        ("Runs", f"{results.num_done:,} of {study.num_runs:,}"),
        ("Policies", str(len(study.policies))),
        ("Seeds", str(len(study.seeds))),
        ("Varied", ", ".join(varied) or "nothing"),
        ("edgebatch", results.version),
        ("Study", study.hash[:12]),
    )


def _summary(view: StudyView) -> Section:
    results = view.results
    missing = results.study.num_runs - results.num_done
    paragraphs = []
    if missing:
        paragraphs.append(
            f"These results are not complete: {missing:,} of {results.study.num_runs:,} runs are "
            "missing, and everything here is about the others."
        )
    if len(results.study.seeds) == 1:
        paragraphs.append(
            "There is one seed only, so no interval is known: a small lead may be chance."
        )
    else:
        paragraphs.append(
            f"± is half of the 95 % confidence interval over {len(results.study.seeds)} seeds. "
            "Policies met the same requests at the same seed and are compared seed by seed; two "
            "cannot be told apart where the interval of their difference has 0 in it. Each "
            "comparison is at 95 % by itself."
        )
    settings = view.settings()
    points: list[str] = []
    for setting in settings[:_SETTINGS_IN_WORDS]:
        found = summary_points(view, setting, in_detail=len(settings) == 1)
        label = view.setting_label(setting)
        points += [f"{label[:1].upper()}{label[1:]}: {' '.join(found)}"] if label else found
    if len(settings) > _SETTINGS_IN_WORDS:
        rest = len(settings) - _SETTINGS_IN_WORDS
        paragraphs.append(f"The other {rest} settings are in the plots and tables below.")
    side_by_side = settings_side_by_side(view)
    return Section(
        identity="summary",
        title="Summary",
        paragraphs=tuple(paragraphs),
        points=tuple(points),
        charts=(side_by_side,) if side_by_side else (),
    )


def _section(
    identity: str,
    title: str,
    view: StudyView,
    settings: Sequence[tuple[Any, ...]],
    made: Callable[[StudyView, Sequence[Any]], Iterator[Chart | None]],
) -> Section | None:
    found = [chart for setting in settings for chart in made(view, setting) if chart is not None]
    return Section(identity, title, charts=tuple(found)) if found else None


def _performance(view: StudyView, setting: Sequence[Any]) -> Iterator[Chart | None]:
    last = len(view.positions.values) - 1
    yield measures.over_positions(view, setting, measures.THROUGHPUT)
    yield measures.over_positions(view, setting, measures.ATTAINMENT)
    yield outcomes(view, setting, last)
    yield precisions(view, setting, last)


def _latency(view: StudyView, setting: Sequence[Any]) -> Iterator[Chart | None]:
    for measure in measures.LATENCIES:
        yield measures.over_positions(view, setting, measure)
    yield latency_percentiles(view, setting, len(view.positions.values) // 2)


def _budgets(view: StudyView, setting: Sequence[Any]) -> Iterator[Chart | None]:
    for measure in measures.BUDGET_USE:
        if _is_used(view, setting, measure.column):
            yield measures.over_positions(view, setting, measure)
    yield binding(view, setting, len(view.positions.values) - 1)


def _search(view: StudyView, setting: Sequence[Any]) -> Iterator[Chart | None]:
    yield measures.over_positions(view, setting, measures.SEARCH)


def _is_used(view: StudyView, setting: Sequence[Any], column: str) -> bool:
    return any(
        row[column]
        for position in range(len(view.positions.values))
        for policy in view.policies
        for row in view.at(setting, position, policy).values()
    )


def _timeline(view: StudyView, settings: Sequence[tuple[Any, ...]]) -> Section | None:
    repeated = repeat_representatives(view, settings[0])
    if not repeated:
        return None
    drawn: list[Chart] = []
    missing = []
    for run in repeated:
        chart = _run_chart(run)
        if chart is not None:
            drawn.append(chart)
        else:
            missing.append(f"{run.words} is not shown: {run.problem or 'nobody was served in it'}.")
    return Section(
        "timeline",
        "One run over time",
        paragraphs=(
            "Made again from the scenario: the policy that serves most in time at the middle "
            "point and, if requests join a running batch under it, the best that forms batches.",
            *missing,
        ),
        charts=tuple(drawn),
    )


def _run_chart(run: Repeated) -> Chart | None:
    if run.log is None:
        return None
    return timeline_chart(
        run.log, run.words, is_continuous=run.is_continuous, downlink_seconds=run.downlink_seconds
    )
