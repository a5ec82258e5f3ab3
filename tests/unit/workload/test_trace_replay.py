"""Replaying a trace: time scale, window, limits, and what is drawn where the trace is silent."""

from __future__ import annotations

import math
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgebatch.errors import InputError
from edgebatch.workload import (
    Choice,
    Constant,
    Deadlines,
    Demands,
    FactorLimit,
    FixedLimit,
    TraceRow,
    TraceWorkload,
    Uniform,
    Workload,
    open_trace,
    write_trace,
)

DEMANDS = Demands(Deadlines(Uniform(0.5, 2.0)), Choice((0.0, 0.9)), Uniform(1.0, 2.0))


@pytest.fixture
def workload(tmp_path: Path) -> TraceWorkload:
    """One request each two seconds, with prompts of 10, 20, … 100 tokens."""
    file = tmp_path / "trace.csv"
    write_trace(file, [TraceRow(2.0 * n, 10 * (n + 1), 5 * (n + 1)) for n in range(10)])
    return TraceWorkload(open_trace(file), DEMANDS, seed=3)


def test_a_trace_is_replayed_as_recorded(workload: TraceWorkload) -> None:
    arrivals = list(workload)
    assert [arrival.number for arrival in arrivals] == list(range(10))
    assert [arrival.arrival_seconds for arrival in arrivals] == [2.0 * n for n in range(10)]
    assert [arrival.prompt_tokens for arrival in arrivals] == [10 * (n + 1) for n in range(10)]
    for arrival in arrivals:
        assert arrival.output_tokens == arrival.actual_output_tokens == arrival.prompt_tokens // 2
        assert 0.5 <= arrival.deadline_seconds <= 2.0
        assert arrival.prompt_bits is None


def test_every_iteration_yields_the_same_also_in_another_process(workload: TraceWorkload) -> None:
    assert list(workload) == list(workload)
    assert list(pickle.loads(pickle.dumps(workload))) == list(workload)


def test_scaling_changes_the_times_and_nothing_else(workload: TraceWorkload) -> None:
    faster = workload.scaled(2.0).scaled(2.0)
    assert list(faster) == [
        arrival._replace(arrival_seconds=arrival.arrival_seconds / 4.0) for arrival in workload
    ]


def test_mean_rate_is_gaps_per_second_of_the_window(workload: TraceWorkload) -> None:
    # nine gaps in 18 s, and the same four times as fast
    base: Workload = workload
    assert base.mean_rate == 0.5
    assert workload.scaled(4.0).mean_rate == 2.0
    assert replace(workload, num_requests=1).mean_rate is None


def test_a_window_begins_at_time_0(workload: TraceWorkload) -> None:
    window = replace(workload, start_seconds=3.0, end_seconds=8.0, rate_factor=2.0)
    # rows at 4 and 6 s, (4 − 3)/2 and (6 − 3)/2; the one at 8 s is not before the end
    assert [(a.number, a.arrival_seconds, a.prompt_tokens) for a in window] == [
        (0, 0.5, 30),
        (1, 1.5, 40),
    ]


def test_a_number_of_requests_ends_a_replay(workload: TraceWorkload) -> None:
    assert list(replace(workload, num_requests=3)) == list(workload)[:3]


def test_long_prompts_are_left_out_and_counted(workload: TraceWorkload) -> None:
    short = replace(workload, max_prompt_tokens=70)
    assert [arrival.prompt_tokens for arrival in short] == [10, 20, 30, 40, 50, 60, 70]
    assert short.count_skipped() == {"prompts that are too long": 3}
    assert workload.count_skipped() == {}


def test_long_prompts_may_be_clipped_instead(workload: TraceWorkload) -> None:
    clipped = replace(workload, max_prompt_tokens=70, clip_prompts=True)
    assert [arrival.prompt_tokens for arrival in clipped][6:] == [70, 70, 70, 70]
    assert clipped.count_skipped() == {}


def test_the_limit_may_be_more_than_the_answer(workload: TraceWorkload) -> None:
    loose = list(replace(workload, limit=FactorLimit(1.5)))
    # 5 · 1.5 = 7.5, rounded up
    assert (loose[0].output_tokens, loose[0].actual_output_tokens) == (8, 5)


def test_an_answer_ends_at_a_fixed_limit(workload: TraceWorkload) -> None:
    fixed = list(replace(workload, limit=FixedLimit(20)))
    assert {arrival.output_tokens for arrival in fixed} == {20}
    assert [arrival.actual_output_tokens for arrival in fixed][:5] == [5, 10, 15, 20, 20]


def test_deadlines_may_grow_with_the_limit(workload: TraceWorkload) -> None:
    demands = Demands(Deadlines(Constant(1.0), per_output_token_seconds=0.1))
    first = next(iter(replace(workload, demands=demands, limit=FixedLimit(20))))
    assert first.deadline_seconds == 1.0 + 20 * 0.1


def test_what_the_trace_says_is_not_drawn(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    write_trace(file, [TraceRow(0.0, 1, 1, 7.0, 0.25, 8e5), TraceRow(1.0, 1, 1)])
    demands = Demands(Deadlines(Constant(1.0)), Constant(0.5), Constant(3.0), Constant(4e5))
    said, drawn = TraceWorkload(open_trace(file), demands)
    assert said[5:9] == (7.0, 0.25, 3.0, 8e5)
    assert drawn[5:9] == (1.0, 0.5, 3.0, 4e5)


def test_changing_one_demand_leaves_the_rest_as_it_was(workload: TraceWorkload) -> None:
    demands = replace(DEMANDS, min_quality=Uniform(0.0, 1.0))
    for before, after in zip(workload, replace(workload, demands=demands), strict=True):
        assert after == before._replace(min_quality=after.min_quality)


def test_lengths_alone_cannot_be_replayed(tmp_path: Path) -> None:
    file = tmp_path / "lengths.csv"
    file.write_text("prompt_tokens,output_tokens\n1,1\n")
    with pytest.raises(InputError, match="holds lengths only, no arrival times"):
        TraceWorkload(open_trace(file), DEMANDS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rate_factor", 0.0),
        ("start_seconds", -1.0),
        ("end_seconds", 0.0),
        ("end_seconds", math.nan),
        ("num_requests", 0),
        ("max_prompt_tokens", 0),
        ("seed", -1),
    ],
)
def test_a_wrong_field_is_named(workload: TraceWorkload, name: str, value: float) -> None:
    changes: dict[str, Any] = {name: value}
    with pytest.raises(InputError) as caught:
        replace(workload, **changes)
    assert caught.value.path == name
