"""Trace files on disk: damaged ones, large ones, and those that we write."""

from __future__ import annotations

import gzip
import math
import os
import threading
import tracemalloc
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebatch.errors import InputError
from edgebatch.workload import (
    Choice,
    Constant,
    Deadlines,
    Demands,
    IndependentLengths,
    Poisson,
    SyntheticWorkload,
    TraceRow,
    TraceWorkload,
    open_trace,
    recorded,
    trace_statistics,
    write_trace,
)

HEADER = "arrival_seconds,prompt_tokens,output_tokens\n"


def many_rows(count: int) -> Iterator[TraceRow]:
    return (TraceRow(0.25 * n, 1 + n * 7919 % 4000, 1 + n * 104_729 % 900) for n in range(count))


def failure(file: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        list(open_trace(file))
    return caught.value


def test_a_missing_file_and_a_directory_are_said_to_be_such(tmp_path: Path) -> None:
    assert str(failure(tmp_path / "none.csv")) == f"{tmp_path / 'none.csv'}: no such file"
    assert str(failure(tmp_path)) == f"{tmp_path}: is a directory, expected a file"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_which_cannot_be_read_again_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=("prompt_tokens,output_tokens\n1,1\n",))
    writer.start()
    with pytest.raises(InputError, match="pipe: is a pipe, expected a file"):
        open_trace(path)
    writer.join()


def test_a_gzip_cut_short_says_which_line_was_the_last_good_one(tmp_path: Path) -> None:
    file = tmp_path / "trace.gz"
    write_trace(file, many_rows(20_000))
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    rows: list[TraceRow] = []
    with pytest.raises(InputError, match="the compressed data end early") as caught:
        rows.extend(open_trace(file))
    # the header is line 1
    assert caught.value.path == f"{file}:{len(rows) + 2}"
    assert caught.value.problem.endswith(f"line {len(rows) + 1} was the last good one")
    assert rows == list(many_rows(len(rows)))
    assert 5_000 < len(rows) < 15_000


def test_a_gzip_cut_in_its_first_bytes_has_no_good_line(tmp_path: Path) -> None:
    file = tmp_path / "trace.gz"
    file.write_bytes(gzip.compress(HEADER.encode())[:12])
    assert "end early; before the first line" in failure(file).problem


@pytest.mark.parametrize("place", [slice(200, 264), slice(-8, -4)], ids=["data", "check sum"])
def test_a_damaged_gzip_is_said_to_be_such(tmp_path: Path, place: slice) -> None:
    file = tmp_path / "trace.gz"
    write_trace(file, many_rows(2000))
    damaged = bytearray(file.read_bytes())
    damaged[place] = b"\xff" * len(damaged[place])
    file.write_bytes(damaged)
    assert "the compressed data are damaged" in failure(file).problem


def test_text_that_is_not_utf8_is_said_to_be_such(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    file.write_bytes(HEADER.encode() + b"0,1,\xff\n")
    assert "not UTF-8 text" in failure(file).problem


def test_streaming_a_large_gzip_takes_constant_memory(tmp_path: Path) -> None:
    file = tmp_path / "trace.gz"
    write_trace(file, many_rows(300_000))
    trace = open_trace(file)
    tracemalloc.start()
    try:
        assert sum(1 for _ in trace) == 300_000
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # the rows alone would take 300,000 · (88 + 24 + 28 + 28) bytes, some 50 MB
    assert peak_bytes < 1e6


def test_replay_and_statistics_hold_a_chunk_at_a_time(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    write_trace(file, many_rows(50_000))
    workload = TraceWorkload(open_trace(file), Demands(Deadlines(Constant(1.0))))
    tracemalloc.start()
    try:
        assert trace_statistics(recorded(workload)).requests == 50_000
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # 50,000 rows would take 8 MB, and as many arrivals more
    assert peak_bytes < 5e6


optional_numbers = st.none() | st.floats(0.0, 1.0)
rows_in_order = st.lists(
    st.builds(
        TraceRow,
        st.floats(0.0, 1e9),
        st.integers(1, 10**9),
        st.integers(1, 10**9),
        st.none() | st.floats(0.0, math.inf, exclude_min=True),
        optional_numbers,
        optional_numbers,
    ),
    min_size=1,
    max_size=20,
).map(lambda rows: sorted(rows, key=lambda row: row.arrival_seconds))


@given(rows=rows_in_order, suffix=st.sampled_from(["csv", "csv.gz"]))
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, rows: list[TraceRow], suffix: str
) -> None:
    file = tmp_path_factory.getbasetemp() / f"round_trip.{suffix}"
    write_trace(file, rows)
    assert list(open_trace(file)) == rows


def test_the_same_rows_make_the_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "a.gz", tmp_path / "b.gz"
    write_trace(first, many_rows(10))
    write_trace(second, many_rows(10))
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes().startswith(b"\x1f\x8b")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    write_trace(file, many_rows(3))
    before = file.read_bytes()
    backwards = chain(many_rows(3), [TraceRow(0.1, 1, 1)])
    with pytest.raises(InputError, match=r"rows\[3\].arrival_seconds: must be at least 0.5"):
        write_trace(file, backwards)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"trace\.csv: cannot be written: No such file"):
        write_trace(tmp_path / "no" / "trace.csv", many_rows(3))
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"trace\.csv: cannot be written: Not a directory"):
        write_trace(tmp_path / "file" / "trace.csv", many_rows(3))


def test_a_synthetic_workload_survives_being_written_and_replayed(tmp_path: Path) -> None:
    lengths = IndependentLengths(Choice((128.0, 256.0)), Choice((64.0, 512.0)))
    demands = Demands(Deadlines(Choice((0.5, 2.0))), Choice((0.0, 0.9)))
    workload = SyntheticWorkload(Poisson(5.0), lengths, demands, num_requests=500)
    file = tmp_path / "trace.csv.gz"
    write_trace(file, recorded(workload))
    replayed = TraceWorkload(open_trace(file), Demands(Deadlines(Constant(9.0))))
    assert list(replayed) == list(workload)
