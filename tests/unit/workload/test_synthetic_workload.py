"""Synthetic workloads: repeatable, lazy, and with draws that do not disturb each other."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebatch.errors import InputError
from edgebatch.workload import (
    Arrival,
    Choice,
    Constant,
    Deadlines,
    Demands,
    Deterministic,
    Exponential,
    FixedLimit,
    Gamma,
    IndependentLengths,
    Poisson,
    Streams,
    SyntheticWorkload,
    TraceLengths,
    Uniform,
    Workload,
    open_trace,
)

LENGTHS = IndependentLengths(
    Choice((128.0, 256.0, 512.0)), Uniform(1.0, 512.0), actual_fraction=Uniform(0.0, 1.0)
)
DEMANDS = Demands(
    Deadlines(Uniform(0.5, 2.0)), Choice((0.0, 0.9)), Uniform(1.0, 2.0), Uniform(2e5, 2e6)
)
WORKLOAD = SyntheticWorkload(Poisson(50.0), LENGTHS, DEMANDS, num_requests=5000, seed=3)


def without_time(arrivals: list[Arrival]) -> list[Arrival]:
    return [arrival._replace(arrival_seconds=0.0) for arrival in arrivals]


def test_every_iteration_yields_the_same() -> None:
    workload: Workload = WORKLOAD
    assert list(workload) == list(workload)
    assert list(WORKLOAD) != list(replace(WORKLOAD, seed=4))


def test_arrivals_keep_the_promises_of_their_fields() -> None:
    arrivals = list(WORKLOAD)
    assert [arrival.number for arrival in arrivals] == list(range(5000))
    times = [arrival.arrival_seconds for arrival in arrivals]
    assert times == sorted(times)
    for arrival in arrivals:
        assert 1 <= arrival.actual_output_tokens <= arrival.output_tokens <= 512
        assert arrival.prompt_tokens in (128, 256, 512)
        assert 0.5 <= arrival.deadline_seconds <= 2.0
        assert 1.0 <= arrival.value <= 2.0
        assert arrival.prompt_bits is not None
        assert 2e5 <= arrival.prompt_bits <= 2e6
    fields = [type(field) for field in arrivals[0]]
    assert fields == [int, float, int, int, int, float, float, float, float, int, float]


def test_scaling_changes_the_times_and_nothing_else() -> None:
    base, faster = list(WORKLOAD), list(WORKLOAD.scaled(4.0))
    assert without_time(faster) == without_time(base)
    for slow, fast in zip(base, faster, strict=True):
        assert fast.arrival_seconds == pytest.approx(slow.arrival_seconds / 4.0, rel=1e-12)
    assert WORKLOAD.scaled(4.0).mean_rate == 200.0


def test_another_process_leaves_lengths_and_demands_as_they_were() -> None:
    bursty = replace(WORKLOAD, process=Gamma(50.0, cv=4.0))
    assert without_time(list(bursty)) == without_time(list(WORKLOAD))


@pytest.mark.parametrize(
    ("name", "demands"),
    [
        ("deadline_seconds", replace(DEMANDS, deadline=Deadlines(Exponential(9.0)))),
        ("min_quality", replace(DEMANDS, min_quality=Uniform(0.0, 1.0))),
        ("value", replace(DEMANDS, value=Choice((1.0, 3.0, 5.0)))),
        ("prompt_bits", replace(DEMANDS, prompt_bits=None)),
    ],
)
def test_changing_one_demand_leaves_the_rest_as_it_was(name: str, demands: Demands) -> None:
    changed = list(replace(WORKLOAD, demands=demands))
    base = list(WORKLOAD)
    for field in Arrival._fields:
        same = [getattr(a, field) for a in base] == [getattr(a, field) for a in changed]
        assert same == (field != name)


def test_another_prompt_length_leaves_the_rest_as_it_was() -> None:
    changed = replace(WORKLOAD, lengths=replace(LENGTHS, prompt_tokens=Uniform(1.0, 9000.0)))
    for before, after in zip(WORKLOAD, changed, strict=True):
        assert after == before._replace(prompt_tokens=after.prompt_tokens)


def test_a_shorter_workload_is_the_beginning_of_a_longer_one() -> None:
    longer = list(replace(WORKLOAD, num_requests=9000))
    assert list(replace(WORKLOAD, num_requests=10)) == longer[:10]
    assert list(replace(WORKLOAD, num_requests=4097)) == longer[:4097]


def test_a_duration_ends_a_workload_before_it() -> None:
    # one arrival each quarter of a second: 0.25, 0.5, 0.75, and 1.0 is not before the end
    workload = SyntheticWorkload(Deterministic(4.0), LENGTHS, DEMANDS, duration_seconds=1.0)
    assert [arrival.arrival_seconds for arrival in workload] == [0.25, 0.5, 0.75]
    assert len(list(replace(workload, num_requests=2))) == 2


def test_a_duration_holds_the_asked_rate() -> None:
    workload = SyntheticWorkload(Poisson(50.0), LENGTHS, DEMANDS, duration_seconds=1000.0)
    # Poisson count of mean 50,000: standard deviation √50,000
    assert abs(sum(1 for _ in workload) - 50_000) < 4.0 * math.sqrt(50_000.0)


def test_an_endless_duration_is_drawn_lazily() -> None:
    workload = replace(WORKLOAD, num_requests=10**15)
    assert list(islice(workload, 3)) == list(WORKLOAD)[:3]


def test_without_actual_lengths_the_limit_is_reached() -> None:
    lengths = IndependentLengths(Constant(8.0), Choice((16.0, 32.0)))
    for arrival in replace(WORKLOAD, lengths=lengths, num_requests=100):
        assert arrival.actual_output_tokens == arrival.output_tokens


def test_actual_tokens_end_at_the_limit() -> None:
    lengths = IndependentLengths(
        Constant(8.0), Constant(20.0), actual_output_tokens=Choice((10.0, 30.0))
    )
    actual = {a.actual_output_tokens for a in replace(WORKLOAD, lengths=lengths, num_requests=100)}
    assert actual == {10, 20}


def test_deadlines_may_grow_with_the_answer() -> None:
    demands = Demands(Deadlines(Constant(0.5), per_output_token_seconds=0.01))
    lengths = IndependentLengths(Constant(8.0), Choice((100.0, 200.0)))
    workload = replace(WORKLOAD, lengths=lengths, demands=demands, num_requests=100)
    # 0.5 + 100 · 0.01 and 0.5 + 200 · 0.01
    assert {(a.output_tokens, a.deadline_seconds) for a in workload} == {(100, 1.5), (200, 2.5)}


def test_trace_lengths_are_drawn_as_pairs(tmp_path: Path) -> None:
    file = tmp_path / "lengths.csv"
    file.write_text("prompt_tokens,output_tokens\n10,1\n20,2\n30,300\n")
    lengths = TraceLengths.from_trace(open_trace(file), FixedLimit(256))
    prompt, limit, actual = lengths.draw(Streams(5), 3000)
    pairs = list(zip(prompt.tolist(), actual.tolist(), strict=True))
    assert set(pairs) == {(10, 1), (20, 2), (30, 256)}
    # each of three rows with probability 1/3: standard error of the count √(n · 1/3 · 2/3)
    for pair in set(pairs):
        assert abs(pairs.count(pair) - 1000) < 4.0 * math.sqrt(3000 * 2 / 9)
    assert set(limit.tolist()) == {256}


def _demands(**changes: Any) -> Demands:
    return replace(Demands(Deadlines(Constant(1.0))), **changes)


@pytest.mark.parametrize(
    ("build", "path"),
    [
        (lambda: SyntheticWorkload(Poisson(1.0), LENGTHS, DEMANDS), "num_requests"),
        (lambda: replace(WORKLOAD, num_requests=0), "num_requests"),
        (lambda: replace(WORKLOAD, duration_seconds=math.inf), "duration_seconds"),
        (lambda: replace(WORKLOAD, seed=-1), "seed"),
        (lambda: IndependentLengths(Exponential(9.0), Constant(1.0)), "prompt_tokens"),
        (lambda: IndependentLengths(Constant(1.0), Uniform(0.0, 9.0)), "output_tokens"),
        (lambda: IndependentLengths(Constant(math.inf), Constant(1.0)), "prompt_tokens"),
        (
            lambda: IndependentLengths(Constant(1.0), Constant(1.0), Uniform(0.0, 2.0)),
            "actual_fraction",
        ),
        (
            lambda: IndependentLengths(Constant(1.0), Constant(1.0), Constant(1.0), Constant(1.0)),
            "actual_fraction",
        ),
        (lambda: TraceLengths(np.array([]), np.array([])), "prompt_tokens"),
        (lambda: Deadlines(Uniform(-1.0, 1.0)), "deadline_seconds"),
        (lambda: Deadlines(Constant(1.0), math.nan), "per_output_token_seconds"),
        (lambda: _demands(min_quality=Constant(1.5)), "min_quality"),
        (lambda: _demands(value=Uniform(0.0, 1.0)), "value"),
        (lambda: _demands(value=Constant(math.inf)), "value"),
        (lambda: _demands(prompt_bits=Constant(-1.0)), "prompt_bits"),
        (lambda: _demands(prompt_bits=Constant(math.inf)), "prompt_bits"),
    ],
)
def test_a_wrong_part_is_named(build: object, path: str) -> None:
    assert callable(build)
    with pytest.raises(InputError) as caught:
        build()
    assert caught.value.path == path


def test_tenants_have_their_parts_and_nothing_else_changes() -> None:
    tenants = replace(DEMANDS, tenants=(3.0, 1.0))
    several = list(replace(WORKLOAD, demands=tenants, num_requests=2000))
    alone = list(replace(WORKLOAD, demands=DEMANDS, num_requests=2000))
    assert [each._replace(tenant=0) for each in several] == alone
    # a quarter of them: standard error √(2000 · 3/16) ≈ 19
    assert abs(sum(each.tenant for each in several) - 500) < 4 * 19


def test_a_tenant_without_any_part_is_refused() -> None:
    with pytest.raises(InputError, match=r"tenants\[1\]"):
        replace(DEMANDS, tenants=(1.0, 0.0))
