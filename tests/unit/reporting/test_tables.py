"""Tables, quantities and charts for people."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from edgebatch.reporting.arrival_rate import ArrivalRate
from edgebatch.reporting.tables import Column, make_details, make_table, quantity, sparkline


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (59.7e9, "B/s", "59.7 GB/s"),
        (1.33e12, "FLOP/s", "1.33 TFLOP/s"),
        (307_200.0, "B", "307 kB"),
        (999.4e6, "B", "999 MB"),
        (999.5e6, "B", "1 GB"),
        (2.5e15, "FLOP/s", "2.5 PFLOP/s"),
        (0.0, "B", "0 B"),
        (12.0, "", "12"),
        (3e9, "", "3 G"),
        (None, "B", "–"),
    ],
)
def test_quantities_have_three_digits_and_a_decimal_prefix(
    value: float | None, unit: str, text: str
) -> None:
    assert quantity(value, unit) == text


def rendered(table: object) -> list[str]:
    console = Console(file=io.StringIO(), width=40)
    with console.capture() as captured:
        console.print(table)
    return [line.rstrip() for line in captured.get().splitlines()]


def test_numbers_stand_flush_right_under_their_heading() -> None:
    table = make_table([Column("Name", numeric=False), Column("N")], [("a", "1"), ("b", "100")])
    header, _rule, *rows = rendered(table)
    assert header.endswith("N")
    assert [len(row) for row in rows] == [len(header)] * 2


def test_details_leave_out_what_is_empty() -> None:
    assert rendered(make_details([("a", "x"), ("b", "")], title="T")) == ["T", " a  x"]


def test_bars_are_as_high_as_their_values() -> None:
    assert sparkline([0.0, 3.5, 7.0]) == "▁▅█"
    assert sparkline([0.0, 0.0]) == "▁▁"
    assert sparkline([]) == ""


@given(
    st.lists(st.floats(min_value=0.0, max_value=1e9), max_size=50).map(sorted),
    st.floats(min_value=0.0, max_value=1e9),
)
def test_every_arrival_is_counted_once_in_at_most_64_bins(
    arrivals: list[float], start: float
) -> None:
    rate = ArrivalRate()
    for arrival in arrivals:
        rate.add(start + arrival)
    assert sum(rate.counts) == len(arrivals)
    assert len(rate.counts) <= 64
    if arrivals:
        assert rate.counts[-1] > 0


def test_bins_widen_only_as_far_as_they_must() -> None:
    rate = ArrivalRate()
    for arrival in (5.0, 5.5, 20.0):
        rate.add(arrival)
    # 15 s need 64 bins of at least 0.235 s: 0.25 s, the last arrival in bin 15/0.25 = 60
    assert rate.bin_seconds == 0.25
    assert [index for index, count in enumerate(rate.counts) if count] == [0, 2, 60]


def test_a_title_is_not_broken_where_the_rows_below_it_are_short() -> None:
    lines = rendered(make_details([("requests", "3")], title="dftsp on a node, a model"))
    assert lines[0].rstrip() == "dftsp on a node, a model"
    assert lines[1].split() == ["requests", "3"]
