"""Plots in one style, as Plotly's JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgebatch.errors import MissingExtraError
from edgebatch.reporting.html.intervals import Estimate
from edgebatch.reporting.html.looks import GRID, INK, MUTED, SIGNAL, Look

LOG_FROM_RATIO = 8.0
"""From this ratio of the last position to the first an axis is logarithmic."""
MOST_TICKS = 9
"""Up to so many positions each has its tick."""


@dataclass(frozen=True, slots=True)
class Positions:
    """Where along an axis the points of a study lie.

    Attributes:
        title: of the axis, with its unit.
        values: what was varied, in the order of the study.
        labels: the same as text.
        is_ordered: whether a line through the points means something though they are no numbers.
    """

    title: str
    values: tuple[Any, ...]
    labels: tuple[str, ...]
    is_ordered: bool = False

    @property
    def is_numeric(self) -> bool:
        """Whether the values are numbers, so that distances between them mean something."""
        return all(isinstance(v, int | float) and not isinstance(v, bool) for v in self.values)

    @property
    def places(self) -> list[Any]:
        """What is drawn at: the numbers, or else the labels."""
        return list(self.values if self.is_numeric else self.labels)

    @property
    def is_log(self) -> bool:
        """Whether equal ratios get equal distances."""
        if not self.is_numeric or len(self.values) < 3 or min(self.values) <= 0:
            return False
        return bool(max(self.values) / min(self.values) >= LOG_FROM_RATIO)

    def axis(self) -> dict[str, Any]:
        """Return the axis for Plotly."""
        axis: dict[str, Any] = {"title": {"text": self.title}}
        if not self.is_numeric:
            return axis | {"type": "category"}
        if len(self.values) <= MOST_TICKS:
            axis |= {"tickvals": list(self.values), "ticktext": list(self.labels)}
        return axis | {"type": "log" if self.is_log else "linear"}


def lines(
    positions: Positions,
    series: Mapping[str, Sequence[Estimate | None]],
    looks: Mapping[str, Look],
    y_axis: Mapping[str, Any],
) -> str:
    """Return lines through means, with bars for their intervals where they are known.

    Args:
        positions: along the x axis.
        series: by name, an estimate at each position; None where there is none.
        looks: by name.
        y_axis: title, range and the like.
    """
    mode = "lines+markers" if positions.is_numeric or positions.is_ordered else "markers"
    traces = []
    for name, estimates in series.items():
        look = looks[name]
        known = [(at, each) for at, each in zip(positions.places, estimates, strict=True) if each]
        traces.append(
            {
                "type": "scatter",
                "mode": mode,
                "name": name,
                "meta": {"series": name},
                "x": [at for at, _ in known],
                "y": [each.mean for _, each in known],
                "error_y": _bars([each for _, each in known], look),
                "line": {"color": look.colour, "dash": look.dash, "width": 2},
                "marker": {"color": look.colour, "symbol": look.symbol, "size": 8},
                "hovertemplate": f"{name}<br>%{{x}}: %{{y:.4g}}<extra></extra>",
            }
        )
    from_zero: dict[str, Any] = {"rangemode": "tozero"}
    if y_axis.get("type") != "log":  # intervals may go below what can be, such as 0 s
        from_zero["autorangeoptions"] = {"minallowed": 0.0}
    return figure(traces, {"xaxis": positions.axis(), "yaxis": {**from_zero, **y_axis}})


def _bars(estimates: Sequence[Estimate], look: Look) -> dict[str, Any]:
    if all(each.half_width is None for each in estimates):
        return {"visible": False}
    widths = [each.half_width or 0.0 for each in estimates]
    return {
        "type": "data",
        "array": widths,
        "color": look.colour,
        "thickness": 1.2,
        "width": 4,
    }


def stacked_bars(
    labels: Sequence[str],
    parts: Mapping[str, Sequence[float]],
    looks: Mapping[str, Look],
    axis_title: str,
    *,
    limits: Sequence[float] | None = None,
    most: float | None = None,
) -> str:
    """Return horizontal bars, one a label from the top, cut into parts.

    Args:
        labels: of the bars.
        parts: by name, how much of each bar.
        looks: by name.
        axis_title: of the x axis, with its unit.
        limits: by bar, a mark that the bar should not pass.
        most: upper end of the x axis, if it has one.
    """
    traces: list[dict[str, Any]] = [
        {
            "type": "bar",
            "orientation": "h",
            "name": name,
            "meta": {"series": name},
            "y": list(labels),
            "x": list(values),
            "marker": {"color": looks[name].colour, "line": {"width": 0}},
            "hovertemplate": f"%{{y}}<br>{name}: %{{x:.4g}}<extra></extra>",
        }
        for name, values in parts.items()
    ]
    if limits is not None:
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "y": list(labels),
                "x": list(limits),
                "marker": {
                    "symbol": "line-ns-open",
                    "size": 22,
                    "color": SIGNAL,
                    "line": {"width": 3, "color": SIGNAL},
                },
                "hovertemplate": "%{y}<br>limit: %{x:.4g}<extra></extra>",
            }
        )
    y_axis = {
        **{"type": "category", "showgrid": False, "ticks": ""},
        # the first on top; by itself the axis leaves room above for a mark of many rows' height
        "range": [len(labels) - 0.4, -0.6],
        "tickfont": {"size": 11},
    }
    x_axis: dict[str, Any] = {"title": {"text": axis_title}, "rangemode": "tozero"}
    if most is not None:
        x_axis["range"] = [0.0, most]
    layout = {
        "barmode": "stack",
        "bargap": 0.3,
        "xaxis": x_axis,
        "yaxis": y_axis,
    }
    return figure(traces, layout)


def figure(traces: Sequence[Mapping[str, Any]], layout: Mapping[str, Any]) -> str:
    """Return a plot as JSON, its parts checked by Plotly and drawn in the common style.

    Raises:
        MissingExtraError: plotly is not installed.
    """
    try:
        from plotly.graph_objects import Figure
    except ImportError as error:
        raise MissingExtraError("an HTML report", "study") from error

    drawn = Figure(data=[dict(trace) for trace in traces], layout=_styled(layout)).to_dict()
    drawn["layout"].pop("template", None)
    return json.dumps(drawn, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def _styled(layout: Mapping[str, Any]) -> dict[str, Any]:
    axes = {
        name: {**_AXIS, **given}
        for name, given in layout.items()
        if name.startswith(("xaxis", "yaxis"))
    }
    return {**_STYLE, **layout, **axes}


_AXIS: dict[str, Any] = {
    "gridcolor": GRID,
    "linecolor": MUTED,
    "tickcolor": MUTED,
    "zeroline": False,
    "automargin": True,
    "ticks": "outside",
    "ticklen": 4,
}
_STYLE: dict[str, Any] = {
    "template": "none",
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "font": {
        "family": "system-ui, -apple-system, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif",
        "size": 13,
        "color": INK,
    },
    "margin": {"l": 8, "r": 12, "t": 16, "b": 8},
    "showlegend": False,
    "hovermode": "closest",
    "hoverlabel": {"font": {"size": 13}},
}
