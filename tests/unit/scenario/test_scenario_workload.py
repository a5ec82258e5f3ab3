"""From the workload section of a scenario to requests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgebatch.errors import InputError
from edgebatch.scenario.workload import build_workload
from edgebatch.workload import Deterministic, Gamma, Poisson, SyntheticWorkload, TraceWorkload

DRAWN: dict[str, Any] = {
    "rate_per_second": 2.0,
    "num_requests": 3,
    "prompt_tokens": 10,
    "output_tokens": 20,
    "deadline_seconds": 5.0,
}
ROWS = "arrival_seconds,prompt_tokens,output_tokens\n0,10,3\n1,20,5\n2,30,9\n"


@pytest.fixture
def trace(tmp_path: Path) -> str:
    path = tmp_path / "trace.csv"
    path.write_text(ROWS, encoding="utf-8")
    return str(path)


def drawn(**changes: Any) -> SyntheticWorkload:
    section = {key: value for key, value in (DRAWN | changes).items() if value is not None}
    workload = build_workload(section, seed=1)
    assert isinstance(workload, SyntheticWorkload)
    return workload


@pytest.mark.parametrize(
    ("changes", "process"),
    [
        ({}, Poisson(2.0)),
        ({"arrivals": "poisson"}, Poisson(2.0)),
        ({"arrivals": "deterministic"}, Deterministic(2.0)),
        ({"arrivals": "gamma", "cv": 3.0}, Gamma(2.0, 3.0)),
    ],
)
def test_arrivals_are_the_process_asked_for(changes: dict[str, Any], process: object) -> None:
    assert drawn(**changes).process == process


def test_a_deadline_may_grow_with_the_answer() -> None:
    # 5 + 20 · 0.1
    assert [each.deadline_seconds for each in drawn(deadline_per_output_token_seconds=0.1)] == (
        [7.0, 7.0, 7.0]
    )


def test_pairs_of_lengths_come_from_a_trace(trace: str) -> None:
    workload = drawn(prompt_tokens=None, output_tokens=None, lengths=trace, num_requests=50)
    pairs = {(each.prompt_tokens, each.output_tokens) for each in workload}
    assert pairs == {(10, 3), (20, 5), (30, 9)}


def test_a_trace_is_replayed_in_its_window(trace: str) -> None:
    section = {"trace": trace, "deadline_seconds": 5.0, "start_seconds": 1.0}
    workload = build_workload(section, seed=1)
    assert isinstance(workload, TraceWorkload)
    assert [(each.arrival_seconds, each.prompt_tokens) for each in workload] == [(0, 20), (1, 30)]
    assert list(build_workload(section | {"start_seconds": 50.0}, seed=1)) == []


@pytest.mark.parametrize(
    ("key", "value", "limits"),
    [
        ("output_limit_factor", 1.5, [5, 8, 14]),  # 4.5, 7.5 and 13.5 rounded up
        ("output_limit_tokens", 4, [4, 4, 4]),
        ("output_limit_sizes", [4, 8], [4, 8, 8]),
    ],
)
def test_the_limit_told_follows_the_rule_asked_for(
    trace: str, key: str, value: object, limits: list[int]
) -> None:
    workload = build_workload({"trace": trace, "deadline_seconds": 5.0, key: value}, seed=1)
    assert [each.output_tokens for each in workload] == limits


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rate_per_second": None}, "workload.rate_per_second: is missing"),
        ({"rate_per_second": 1e13}, "workload.rate_per_second: must be from 1e-09 to 1e+12"),
        ({"num_requests": None}, "workload.num_requests: is missing; give it or duration_seconds"),
        ({"cv": 2.0}, "workload.cv: only goes with workload.arrivals = 'gamma'"),
        ({"arrivals": "gamma"}, "workload.cv: is missing; gamma arrivals need it"),
        ({"arrivals": "gamma", "cv": 500.0}, "workload.cv: must be from 0.001 to 100, got 500.0"),
        ({"start_seconds": 1.0}, "workload.start_seconds: only goes with workload.trace"),
        ({"prompt_tokens": None}, "workload.prompt_tokens: is missing; give it, or"),
        ({"output_limit_tokens": 4}, "workload.output_limit_tokens: only goes with workload.trace"),
        ({"prompt_tokens": 0}, "workload.prompt_tokens: must be at least 1"),
        ({"prompt_tokens": float("nan")}, "workload.prompt_tokens: must be a number, got nan"),
        ({"deadline_seconds": -1}, "workload.deadline_seconds: must be at least 0"),
        ({"min_quality": 1.5}, "workload.min_quality: must be at least 0 and at most 1"),
        ({"value": 0}, "workload.value: must be above 0"),
        ({"value": 1e308}, "workload.value: must be at most 1e+100"),
        ({"value": float("inf")}, "workload.value: must be finite"),
        ({"deadline_seconds": []}, "workload.deadline_seconds: must hold at least one number"),
        ({"deadline_seconds": [1, "x"]}, "workload.deadline_seconds[1]: must be a number"),
        (
            {"actual_fraction": 0.5, "actual_output_tokens": 3},
            "workload.actual_fraction: must not stand beside actual_output_tokens",
        ),
        (
            {"num_requests": None, "duration_seconds": 1e10},
            "workload.duration_seconds: would bring about 2e+10 requests",
        ),
        (
            {"prompt_tokens": {"distribution": "lognormal", "median": 9.0, "sigma": 99.0}},
            "workload.prompt_tokens.sigma: must be from 0 to 25, got 99.0",
        ),
        (
            {"value": {"distribution": "empirical", "path": "none.csv", "column": "v"}},
            "workload.value: none.csv: no such file",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused_at_its_key(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        drawn(**changes)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"arrivals": "poisson"}, "workload.arrivals: must not stand beside workload.trace"),
        ({"output_tokens": 3}, "workload.output_tokens: must not stand beside workload.trace"),
        ({"start_seconds": 2.0, "end_seconds": 2.0}, "workload.end_seconds: must be above"),
        (
            {"output_limit_tokens": 3, "output_limit_factor": 2.0},
            "workload.output_limit_tokens: must not stand beside workload.output_limit_factor",
        ),
        ({"output_limit_factor": 0.5}, "workload.output_limit_factor: must be a finite number"),
        ({"output_limit_sizes": [4, 2]}, "workload.output_limit_sizes[1]: must be a finite number"),
    ],
)
def test_what_cannot_be_replayed_is_refused_at_its_key(
    trace: str, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError) as caught:
        build_workload({"trace": trace, "deadline_seconds": 5.0} | changes, seed=1)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    "content",
    [
        lambda rows: rows.replace("1,20", "nan,20"),
        lambda rows: rows.replace("1,20", "1e300,20"),
        lambda rows: rows.replace("1,20", "1,-20"),
        lambda rows: rows.replace("arrival", "arival"),
        lambda _: "",
    ],
)
def test_a_bad_trace_is_named(trace: str, content: Callable[[str], str]) -> None:
    Path(trace).write_text(content(ROWS), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        list(build_workload({"trace": trace, "deadline_seconds": 5.0}, seed=1))
    assert caught.value.path.startswith(trace)
    assert len(str(caught.value).splitlines()) == 1


def test_lengths_alone_cannot_be_replayed(tmp_path: Path) -> None:
    path = tmp_path / "lengths.csv"
    path.write_text("prompt_tokens,output_tokens\n1,2\n", encoding="utf-8")
    with pytest.raises(InputError, match="holds lengths only, no arrival times"):
        build_workload({"trace": str(path), "deadline_seconds": 5.0}, seed=1)


def test_a_name_that_no_file_can_have_is_refused() -> None:
    with pytest.raises(InputError, match="no file has a NUL in its name"):
        build_workload({"trace": "a\0b", "deadline_seconds": 5.0}, seed=1)
