"""The plots of a sweep's results in one setting, each with its table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from edgebatch.reporting.html.charts import lines
from edgebatch.reporting.html.intervals import Estimate
from edgebatch.reporting.html.looks import policy_looks
from edgebatch.reporting.html.page import Cell, Chart, Key, Table
from edgebatch.reporting.html.sweep.view import StudyView
from edgebatch.reporting.html.sweep.words import SHARE

LOG = {"type": "log", "dtick": "D2", "exponentformat": "power"}
"""An axis of equal ratios with ticks at 1, 2 and 5."""
_WIDE_RATIO = 30.0
"""From this ratio of the greatest mean to the least a logarithmic axis shows more."""
INTERVALS = "Points are means over seeds, bars 95 % confidence intervals by Student's t."
_SEARCHING = ("dftsp", "exact", "brute-force", "cp-sat", "milp")


@dataclass(frozen=True, slots=True)
class Measure:
    """A column that is drawn over the positions.

    Attributes:
        title: of the chart.
        axis: title of the y axis, with the unit.
        column: of the results.
        factor: what the column is multiplied by.
        most: upper end of the y axis, if it has one.
        is_log: whether the y axis is logarithmic.
        may_be_log: whether it becomes so where policies differ a lot.
        note: what is measured, where the title does not say.
    """

    title: str
    axis: str
    column: str
    factor: float = 1.0
    most: float | None = None
    is_log: bool = False
    may_be_log: bool = False
    note: str = ""

    @property
    def y_axis(self) -> dict[str, Any]:
        """The y axis for Plotly."""
        axis: dict[str, Any] = {"title": {"text": self.axis}}
        if self.is_log:
            axis |= LOG
        elif self.most is not None:
            axis["range"] = [0.0, self.most]
        return axis


THROUGHPUT = Measure(
    "Throughput", "served in time, requests/s", "served_per_second", note="Answers in time only."
)
ATTAINMENT = Measure("Attainment", "served in time, % of requests", SHARE, 100.0, 103.0)
LATENCIES = (
    Measure(
        "Whole answer, 95th percentile",
        "arrival to whole answer, s",
        "e2e_p95_seconds",
        may_be_log=True,
    ),
    Measure(
        "First token, 95th percentile",
        "arrival to first token, s",
        "ttft_p95_seconds",
        may_be_log=True,
    ),
)
BUDGET_USE = (
    Measure("Computing", "busy, % of the time", "busy_share", 100.0, 103.0),
    Measure("Memory at its peak", "memory, % of the node's", "memory_peak_share", 100.0, 103.0),
    Measure("Uplink", "band needed, %, mean of batches", "uplink_mean_share", 100.0),
    Measure("Downlink", "band needed, %, mean of batches", "downlink_mean_share", 100.0),
)
SEARCH = Measure(
    "Search effort",
    "nodes per decision, mean",
    "nodes_per_decision",
    is_log=True,
    note="Nodes visited by the policies that search for an optimum.",
)


def over_positions(view: StudyView, setting: Sequence[Any], measure: Measure) -> Chart | None:
    """Return a measure over the positions, a line a policy; None where there is no figure."""
    series = series_of(view, setting, measure)
    if not series:
        return None
    if measure.may_be_log and is_wide(series.values()):
        measure = replace(measure, is_log=True)
    looks = policy_looks(view.policies)
    several = any(each and each.half_width is not None for row in series.values() for each in row)
    note = INTERVALS if several else "One seed, so there are no intervals."
    return Chart(
        title=measure.title,
        note=f"{measure.note} {note}".strip(),
        figure=lines(view.positions, series, looks, measure.y_axis),
        legend=tuple(Key(policy, looks[policy]) for policy in series),
        table=_estimates_table(view, series, measure),
        setting=view.setting_label(setting),
    )


def series_of(
    view: StudyView, setting: Sequence[Any], measure: Measure
) -> dict[str, list[Estimate | None]]:
    """Return a measure by policy at every position; policies without any figure are left out."""
    series = {}
    for policy in view.policies:
        if measure.column == SEARCH.column and policy.partition(":")[0] not in _SEARCHING:
            continue
        estimates = [
            _estimate(view, setting, position, policy, measure)
            for position in range(len(view.positions.values))
        ]
        if any(each is not None for each in estimates):
            series[policy] = estimates
    return series


def _estimate(
    view: StudyView, setting: Sequence[Any], position: int, policy: str, measure: Measure
) -> Estimate | None:
    found = view.estimate(setting, position, policy, measure.column, measure.factor)
    return None if measure.is_log and found is not None and found.mean <= 0.0 else found


def _estimates_table(
    view: StudyView, series: Mapping[str, Sequence[Estimate | None]], measure: Measure
) -> Table:
    positions = view.positions
    rows = [
        (Cell.words(policy), *map(Cell.estimate, estimates)) for policy, estimates in series.items()
    ]
    return Table(
        headings=("Policy", *positions.labels),
        rows=tuple(rows),
        caption=f"{measure.axis}; columns: {positions.title or 'the one point'}",
    )


def is_wide(series: Iterable[Sequence[Estimate | None]]) -> bool:
    """Return whether means lie so far apart that a logarithmic axis shows more."""
    means = [each.mean for row in series for each in row if each is not None]
    return min(means) > 0.0 and max(means) / min(means) > _WIDE_RATIO
