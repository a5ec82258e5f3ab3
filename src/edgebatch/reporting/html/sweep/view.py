"""Results of a sweep as reports look at them: settings, positions along one axis, seeds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgebatch.reporting.html.charts import Positions
from edgebatch.reporting.html.intervals import Estimate, estimate
from edgebatch.study.axes import Axis
from edgebatch.study.results import StudyResults

Row = dict[str, Any]

_LOADS = ("load", "rate", "workload.rate_per_second")
_TITLES = {
    "load": "load, multiples of the capacity",
    "rate": "arrivals, requests/s",
    "workload.rate_per_second": "arrivals, requests/s",
    "workload.deadline_seconds": "deadline, s",
    "precisions.hosted": "hosted precisions",
    "model.name": "model",
    "node.device": "device",
    "node.count": "devices",
}
_UNITS = {
    "per_second": "1/s",
    "seconds": "s",
    "bytes": "bytes",
    "hz": "Hz",
    "tokens": "tokens",
    "bits": "bits",
    "dbm": "dBm",
    "flops": "FLOP/s",
}


@dataclass(frozen=True)
class StudyView:
    """Rows of a study by setting, position, policy and seed.

    A *setting* is a combination of the values of all axes but one; that one, the *positions*, is
    what plots have along their x axis.

    Attributes:
        results: the folder.
        position_axis: place of that axis among the study's; None if nothing is varied.
        rows: by (values of the axes, policy), the rows of all seeds that were run, by seed.
        trace: the trace that the study read, where it is now; None to look for it by its name.
    """

    results: StudyResults
    position_axis: int | None
    rows: dict[tuple[str, str], dict[int, Row]]
    trace: Path | None = None

    @classmethod
    def of(cls, results: StudyResults, trace: Path | None = None) -> StudyView:
        """Return the view of a folder's results, complete or not."""
        by_number = {row["run"]: row for row in results.rows()}
        rows: dict[tuple[str, str], dict[int, Row]] = {}
        for run in results.study.runs():
            of_seed = rows.setdefault((_identity(run.values), run.policy), {})
            if run.number in by_number:
                of_seed[run.seed] = _with_derived(by_number[run.number])
        return cls(results, position_axis(results.study.axes), rows, trace)

    @property
    def policies(self) -> tuple[str, ...]:
        """Labels of the policies, in the study's order."""
        return self.results.study.policies

    @property
    def positions(self) -> Positions:
        """Where points lie; one nameless position if nothing is varied."""
        if self.position_axis is None:
            return Positions("", ("",), ("all",))
        axis = self.results.study.axes[self.position_axis]
        labels = tuple(shown(value) for value in axis.values)
        return Positions(axis_title(axis.key), axis.values, labels)

    @property
    def is_over_load(self) -> bool:
        """Whether positions are loads, least first or not."""
        if self.position_axis is None:
            return False
        return self.results.study.axes[self.position_axis].key in _LOADS

    def place(self, *positions: int) -> str:
        """Return one position, or from the first to the last of several, in words."""
        if self.position_axis is None:
            return "the one point studied"
        labels = [self.positions.labels[position] for position in positions]
        if not self.positions.is_numeric:
            return f"{self.positions.title} {', '.join(labels)}"
        link = " and " if len(labels) == 2 else " to "
        key = self.results.study.axes[self.position_axis].key
        if key == "load":
            return link.join(f"{label}×" for label in dict.fromkeys((labels[0], labels[-1])))
        text = link.join(dict.fromkeys((labels[0], labels[-1])))
        if key in _LOADS:
            return f"{text} requests/s"
        name, _, unit = self.positions.title.partition(", ")
        return f"{name} {text} {unit}".rstrip()

    def at_place(self, position: int) -> str:
        """Return where a position is, as the end of a title; empty if nothing is varied."""
        return "" if self.position_axis is None else f" at {self.place(position)}"

    def settings(self) -> list[tuple[Any, ...]]:
        """Return every combination of the axes' values, the position's own value left out."""
        kept = [
            values[: self.position_axis] + values[self.position_axis + 1 :]
            if self.position_axis is not None
            else values
            for values in self.results.study.points()
        ]
        unique = {_identity(values): values for values in kept}
        return list(unique.values())

    def setting_label(self, setting: Sequence[Any]) -> str:
        """Return a setting in words; empty if there is but one."""
        keys = [axis for place, axis in self._other_axes() if place != self.position_axis]
        varied = [
            f"{axis_title(axis.key).partition(',')[0]} {shown(value)}"
            for axis, value in zip(keys, setting, strict=True)
            if len(axis.values) > 1
        ]
        return ", ".join(varied)

    def _other_axes(self) -> list[tuple[int, Axis]]:
        every = enumerate(self.results.study.axes)
        return [(place, axis) for place, axis in every if place != self.position_axis]

    def values_at(self, setting: Sequence[Any], position: int) -> tuple[Any, ...]:
        """Return the values of all axes, in the study's order."""
        if self.position_axis is None:
            return tuple(setting)
        values = list(setting)
        own = self.results.study.axes[self.position_axis].values[position]
        values.insert(self.position_axis, own)
        return tuple(values)

    def at(self, setting: Sequence[Any], position: int, policy: str) -> dict[int, Row]:
        """Return the rows of a policy at a point, by seed."""
        return self.rows[_identity(self.values_at(setting, position)), policy]

    def estimate(
        self, setting: Sequence[Any], position: int, policy: str, column: str, factor: float = 1.0
    ) -> Estimate | None:
        """Return the mean of a column over seeds, times a factor; None where there is no figure."""
        rows = self.at(setting, position, policy).values()
        return estimate([None if row[column] is None else factor * row[column] for row in rows])

    def difference(
        self, setting: Sequence[Any], position: int, pair: tuple[str, str], column: str
    ) -> Estimate | None:
        """Return the first policy's column less the second's, seed by seed.

        Both met the same requests at the same seed, so this is narrower than either's interval.
        """
        one, other = (self.at(setting, position, policy) for policy in pair)
        return estimate(
            [
                one[seed][column] - other[seed][column]
                for seed in one
                if seed in other and None not in (one[seed][column], other[seed][column])
            ]
        )


def _with_derived(row: Row) -> Row:
    return {**row, "nodes_per_decision": row["nodes"] / max(row["decisions"], 1)}


def axis_title(key: str) -> str:
    """Return what an axis is called: the last part of its key, with the unit that it ends in."""
    if key in _TITLES:
        return _TITLES[key]
    name = key.rpartition(".")[2]
    for suffix, unit in _UNITS.items():
        if name.endswith(f"_{suffix}"):
            return f"{name.removesuffix(f'_{suffix}').replace('_', ' ')}, {unit}"
    return name.replace("_", " ")


def shown(value: object) -> str:
    """Return a value of an axis as text for people."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int | float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return " + ".join(shown(each) for each in value)
    if isinstance(value, dict):
        return " ".join(shown(each) for each in value.values())
    return str(value)


def position_axis(axes: Sequence[Axis]) -> int | None:
    """Return the axis for the x axis: the load, else the first of several numbers, else any.

    None if there is no axis.
    """
    several = [place for place, axis in enumerate(axes) if len(axis.values) > 1]
    for place in several:
        if axes[place].key in _LOADS:
            return place
    for place in several:
        if Positions("", axes[place].values, ()).is_numeric:
            return place
    return several[0] if several else (0 if axes else None)


def _identity(values: Sequence[Any]) -> str:
    """Return values as a key: lists and tables can be values, and True equals 1."""
    return json.dumps(list(values))
