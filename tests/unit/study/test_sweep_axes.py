"""What a sweep varies, as it is written."""

from __future__ import annotations

from typing import Any

import pytest

from edgebatch.errors import InputError
from edgebatch.study.axes import Axis, parse_axis, placed


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("workload.rate_per_second=5, 10.5", (5, 10.5)),
        ("load=.5", (0.5,)),
        ("model.name=BLOOM-3b,OPT-13b", ("BLOOM-3b", "OPT-13b")),
        ("scheduler.pipelined=true,false", (True, False)),
        ("workload.prompt_tokens=[1,2],3", ([1, 2], 3)),
        (
            'workload.value={distribution = "uniform", low = 0, high = 1},1',
            ({"distribution": "uniform", "low": 0, "high": 1}, 1),
        ),
        ("workload.trace='a,b.csv',c:d:e.csv", ("a,b.csv", "c:d:e.csv")),
    ],
)
def test_values_are_toml_and_commas_in_brackets_and_quotes_are_part_of_them(
    text: str, values: tuple[Any, ...]
) -> None:
    assert parse_axis(text).values == values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("load=0.1:0.5:5", (0.1, 0.2, 0.3, 0.4, 0.5)),
        ("workload.num_requests=10:30:3", (10, 20, 30)),
        ("load=4:1:3:log", (4, 2, 1)),
        ("load=0.25:4:5:log", (0.25, 0.5, 1.0, 2.0, 4.0)),
    ],
)
def test_a_range_has_both_ends_and_whole_numbers_where_all_are(
    text: str, values: tuple[float, ...]
) -> None:
    axis = parse_axis(text)
    assert axis.values == values
    assert [type(value) for value in axis.values] == [type(value) for value in values]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("load", "must be KEY=VALUE"),
        ("load=", "value 1: is empty"),
        ("load=1,,2", "value 2: is empty"),
        ("load=1,0", "value 2: must be a number above 0, got 0"),
        ("rate=1,fast", "value 2: must be a number above 0, got 'fast'"),
        ("load=1,nan", "value 2: must be a number above 0, got nan"),
        ("load=1,inf", "value 2: must be at most 1e+100"),
        pytest.param("rate=1" + 400 * "0", "value 1: must be at most 1e+100", id="digits"),
        ("load=1,2,1", "1 is given twice"),
        ("load=1:2", "a range must be START:STOP:COUNT"),
        ("load=1:2:3:linear", "a range must be START:STOP:COUNT"),
        ("load=a:2:3", "start must be a finite number, got 'a'"),
        ("load=1:inf:3", "stop must be a finite number, got 'inf'"),
        ("load=1:2:1", "count must be a whole number from 2 to 10000, got '1'"),
        ("load=1:2:2.5", "count must be a whole number from 2 to 10000, got '2.5'"),
        ("load=0:2:3:log", "must be above 0 with :log"),
        ("load=2:2:3", "start and stop must differ"),
        ("workload.value=1,[2,3", "value 2: a bracket is not closed"),
        ("model.name='a", "value 1: a quote is not closed"),
        ("work load=1", "must be a key such as"),
        ("seed=1,2", "seeds are no axis"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(text: str, said: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_axis(text)
    assert said in str(refused.value)


def test_an_axis_without_values_is_none() -> None:
    with pytest.raises(InputError, match="must have at least one value"):
        Axis("load", ())


def test_a_value_is_placed_in_a_copy() -> None:
    document = {"a": {"b": 1}, "c": 2}
    assert placed(document, "a.d.e", 3) == {"a": {"b": 1, "d": {"e": 3}}, "c": 2}
    assert document == {"a": {"b": 1}, "c": 2}
    with pytest.raises(InputError, match="c is not a table"):
        placed(document, "c.x", 1)
