"""Every known format is recognised by its header and read to the same rows."""

from __future__ import annotations

import gzip
import pickle
from collections import Counter
from pathlib import Path

import pytest

from edgebatch.errors import InputError
from edgebatch.workload import TraceRow, open_trace

AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
OURS = "arrival_seconds,prompt_tokens,output_tokens"

SAME_TRACE = {
    "azure": AZURE + "2023-11-16 23:59:58.5000000,374,44\n2023-11-17 00:00:01.0000000,396,109\n",
    "vidur": "arrived_at,num_prefill_tokens,num_decode_tokens\n0.0,374,44\n2.5,396,109\n",
    "burstgpt": (
        "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
        "0,ChatGPT,374,44,418,Conversation log\n2.5,GPT-4,396,109,505,API log\n"
    ),
    "mooncake": (
        '{"timestamp": 0, "input_length": 374, "output_length": 44, "hash_ids": [0, 1]}\n'
        '{"timestamp": 2500, "input_length": 396, "output_length": 109, "hash_ids": [0, 2]}\n'
    ),
    "edgebatch": OURS + "\n0.0,374,44\n2.5,396,109\n",
}


def write(folder: Path, text: str | bytes) -> Path:
    file = folder / "trace"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("name", SAME_TRACE)
def test_every_format_reads_to_the_same_rows(tmp_path: Path, name: str, packed: bool) -> None:
    text = SAME_TRACE[name].encode()
    trace = open_trace(write(tmp_path, gzip.compress(text) if packed else text))
    assert trace.format.name == name
    assert trace.format.has_arrivals
    assert list(trace) == [TraceRow(0.0, 374, 44), TraceRow(2.5, 396, 109)]
    assert list(trace) == list(trace)


@pytest.mark.parametrize("name", SAME_TRACE)
def test_byte_order_mark_windows_line_ends_and_blank_lines_are_tolerated(
    tmp_path: Path, name: str
) -> None:
    text = "\ufeff" + SAME_TRACE[name].replace("\n", "\r\n\r\n")
    assert list(open_trace(write(tmp_path, text)))[1] == TraceRow(2.5, 396, 109)


def test_a_trace_can_be_sent_to_another_process(tmp_path: Path) -> None:
    trace = open_trace(write(tmp_path, SAME_TRACE["azure"]))
    assert list(pickle.loads(pickle.dumps(trace))) == list(trace)


@pytest.mark.parametrize(
    "second",
    [
        "2024-05-10 00:01:00.25",
        "2024-05-10T00:01:00.250",
        "2024-05-10 00:01:00.250000+00:00",
        "2024-05-10 00:01:00.2500000Z",
        "2024-05-10 02:01:00.25 +0200",
    ],
)
def test_azure_timestamps_may_be_written_in_many_ways(tmp_path: Path, second: str) -> None:
    trace = open_trace(write(tmp_path, f"{AZURE}2024-05-10 00:00:59,1,1\n{second},1,1\n"))
    assert [row.arrival_seconds for row in trace] == [0.0, 1.25]


def test_the_seventh_digit_of_a_timestamp_counts(tmp_path: Path) -> None:
    text = f"{AZURE}2024-05-10 00:00:00.0000000,1,1\n2024-05-10 00:00:00.0000007,1,1\n"
    assert [row.arrival_seconds for row in open_trace(write(tmp_path, text))] == [0.0, 7e-7]


def test_azure_times_begin_anew_in_every_iteration(tmp_path: Path) -> None:
    trace = open_trace(write(tmp_path, SAME_TRACE["azure"]))
    next(iter(trace))
    assert next(iter(trace)).arrival_seconds == 0.0


def test_columns_may_stand_in_any_order_among_others(tmp_path: Path) -> None:
    text = "num_decode_tokens,pd_ratio,arrived_at,num_prefill_tokens\n44,8.5,0.0,374\n"
    assert list(open_trace(write(tmp_path, text))) == [TraceRow(0.0, 374, 44)]


def test_our_format_has_optional_columns_and_empty_cells(tmp_path: Path) -> None:
    text = f"{OURS},deadline_seconds,min_quality,prompt_bits\n0,1,2,1.5,0.9,2e5\n1,1,2,inf,,\n"
    assert list(open_trace(write(tmp_path, text))) == [
        TraceRow(0.0, 1, 2, 1.5, 0.9, 2e5),
        TraceRow(1.0, 1, 2, float("inf"), None, None),
    ]
    text = f"min_quality,{OURS}\n0.5,0,1,2\n"
    assert list(open_trace(write(tmp_path, text))) == [TraceRow(0.0, 1, 2, None, 0.5, None)]


def test_lengths_alone_are_a_trace_without_times(tmp_path: Path) -> None:
    trace = open_trace(write(tmp_path, "prompt_tokens,output_tokens\n3772,54\n2015,156\n"))
    assert trace.format.name == "lengths"
    assert not trace.format.has_arrivals
    assert list(trace) == [TraceRow(0.0, 3772, 54), TraceRow(0.0, 2015, 156)]


def test_burstgpt_failures_are_left_out_and_counted(tmp_path: Path) -> None:
    header, first, second = SAME_TRACE["burstgpt"].splitlines()
    failure = "1,ChatGPT,12,0,12,Conversation log"
    trace = open_trace(write(tmp_path, "\n".join([header, first, failure, failure, second])))
    skipped: Counter[str] = Counter()
    assert len(list(trace.rows(skipped))) == 2
    assert skipped == {"requests that failed": 2}


BURST = SAME_TRACE["burstgpt"].splitlines()[0] + "\n"
MOON = '{"timestamp": 0, "input_length": 1, "output_length": 1}\n'


@pytest.mark.parametrize(
    ("text", "path", "problem"),
    [
        ("", "", "is empty"),
        (AZURE, "", "has no rows"),
        ("a,b,c\n1,2,3\n", ":1", "unknown header 'a,b,c'; known formats: mooncake"),
        ('{"timestamp": 0}\n', ":1", "unknown header"),
        ('a,"b\n', ":1", "unknown header"),
        (f"{OURS},deadline_secs\n0,1,1,1\n", ":1", "unknown header"),
        ("arrival_second,prompt_tokens,output_tokens\n", ":1", "edgebatch (arrival_seconds,"),
        (f"{OURS},prompt_tokens\n", ":1", "names a column twice"),
        (f"{AZURE}2023-11-16 18:15:46,1\n", ":2", "has 2 columns, expected 3: TIMESTAMP,"),
        (f"{AZURE}2023-11-16 18:15:46,1,1,1\n", ":2", "has 4 columns, expected 3"),
        (f"{AZURE}yesterday,1,1\n", ":2: TIMESTAMP", "must be a timestamp such as 2023-11-16"),
        (f"{AZURE}2023-13-16 18:15:46,1,1\n", ":2: TIMESTAMP", "must be a timestamp such as"),
        (f"{AZURE}2023-11-16 18:15:61,1,1\n", ":2: TIMESTAMP", "must be a timestamp such as"),
        (
            f"{AZURE}2023-11-16 18:15:46,1,1\n2023-11-16 18:15:45,1,1\n",
            ":3: TIMESTAMP",
            "must not be earlier than the row before (0 s into the trace)",
        ),
        (f"{OURS}\nnan,1,1\n", ":2: arrival_seconds", "must be a number of seconds of at least 0"),
        (f"{OURS}\ninf,1,1\n", ":2: arrival_seconds", "got 'inf'"),
        (f"{OURS}\n-1,1,1\n", ":2: arrival_seconds", "got '-1'"),
        (f"{OURS}\n2,1,1\n\n1,1,1\n", ":4: arrival_seconds", "must not be earlier"),
        (f"{OURS}\n0,nan,1\n", ":2: prompt_tokens", "must be a whole number from 1 to"),
        (f"{OURS}\n0,0,1\n", ":2: prompt_tokens", "got '0'"),
        (f"{OURS}\n0,-3,1\n", ":2: prompt_tokens", "got '-3'"),
        (f"{OURS}\n0,1,1.5\n", ":2: output_tokens", "got '1.5'"),
        (f"{OURS}\n0,1,0\n", ":2: output_tokens", "got '0'"),
        (f"{OURS}\n0,1,{10**30}\n", ":2: output_tokens", f"got '{10**30}'"),
        (f"{OURS}\n0,1,\n", ":2: output_tokens", "got ''"),
        (f"{OURS},deadline_seconds\n0,1,1,0\n", ":2: deadline_seconds", "seconds above 0"),
        (f"{OURS},deadline_seconds\n0,1,1,nan\n", ":2: deadline_seconds", "got 'nan'"),
        (f"{OURS},min_quality\n0,1,1,1.5\n", ":2: min_quality", "empty or a number from 0 to 1"),
        (f"{OURS},prompt_bits\n0,1,1,inf\n", ":2: prompt_bits", "got 'inf'"),
        (f'{OURS}\n0,1,"1\n', ":2", "not CSV"),
        (f"{OURS}\n0,1,\0\n", ":2: output_tokens", r"got '\x00'"),
        (f"{BURST}0,m,1,-1,1,x\n", ":2: Response tokens", "or 0, got '-1'"),
        (f"{BURST}0,m,0,0,0,x\n", ":2: Request tokens", "got '0'"),
        (f"{BURST}5,m,1,1,1,x\n4,m,1,0,1,x\n", ":3: Timestamp", "must not be earlier"),
        (f"{MOON}{{broken\n", ":2", "must be one JSON object, got '{broken'"),
        (f"{MOON}[1]\n", ":2", "must be one JSON object"),
        (f"{MOON}{'[' * 100_000}\n", ":2", "must be one JSON object"),
        (f'{MOON}{{"timestamp": 1, "input_length": 1}}\n', ":2: output_length", "is missing"),
        (MOON.replace("0", "NaN"), ":1: timestamp", "must be milliseconds of at least 0 and at"),
        (MOON.replace("0", '"0"'), ":1: timestamp", "got '0'"),
        (MOON.replace("0", "9") + MOON, ":2: timestamp", "must not be earlier"),
        (MOON.replace("1", "1.0"), ":1: input_length", "must be a whole number from 1 to"),
        (MOON.replace("1", "true"), ":1: input_length", "got True"),
        (MOON.replace("1", "0"), ":1: input_length", "got 0"),
    ],
)
def test_what_is_wrong_is_said_with_line_and_column(
    tmp_path: Path, text: str, path: str, problem: str
) -> None:
    file = write(tmp_path, text)
    with pytest.raises(InputError) as caught:
        list(open_trace(file))
    assert caught.value.path == f"{file}{path}"
    assert problem in caught.value.problem


def test_rows_before_a_damaged_one_are_read(tmp_path: Path) -> None:
    rows = iter(open_trace(write(tmp_path, f"{OURS}\n0,1,1\n1,x,1\n")))
    assert next(rows) == TraceRow(0.0, 1, 1)
    with pytest.raises(InputError, match=":3: prompt_tokens"):
        next(rows)
