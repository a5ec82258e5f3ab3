"""``edgebatch trace``."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli_process import refusal
from edgebatch.cli.main import app

# gaps 1, 1, 2 s: 3 gaps in 4 s
ROWS = b"""arrival_seconds,prompt_tokens,output_tokens
10,100,10
11,200,20
12,300,30
14,400,40
"""


@pytest.fixture
def trace_file(tmp_path: Path) -> Path:
    path = tmp_path / "trace.csv"
    path.write_bytes(ROWS)
    return path


def output(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["trace", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_json_has_rates_and_lengths(trace_file: Path) -> None:
    statistics = json.loads(output(str(trace_file), "--json"))
    assert statistics["requests"] == 4
    assert statistics["span_seconds"] == 4.0
    assert statistics["mean_rate_per_second"] == 0.75
    assert statistics["prompt_tokens"]["mean"] == 250.0
    assert statistics["output_tokens"]["maximum"] == 40
    assert statistics["skipped_rows"] == {}


def test_json_counts_every_request_once_over_time(trace_file: Path) -> None:
    arrivals = json.loads(output(str(trace_file), "--json"))["arrivals"]
    # 4 s in at most 64 bins of 2^-k s: 2^-3 would end at 8 s, 2^-4 just at 4 s, not after it
    assert arrivals["bin_seconds"] == 0.125
    assert [index for index, count in enumerate(arrivals["requests"]) if count] == [0, 8, 16, 32]
    assert sum(arrivals["requests"]) == 4


def test_the_table_fits_80_columns_and_has_a_chart(trace_file: Path) -> None:
    text = output(str(trace_file))
    assert max(len(line) for line in text.splitlines()) <= 80 + len(str(trace_file))
    assert "0.75 requests/s" in text
    assert "250.0" in text
    # one request in 0.125 s
    assert "the highest 8 requests/s" in text
    assert "█" in text
    assert "\x1b" not in text


def test_a_trace_of_lengths_alone_has_no_rate(tmp_path: Path) -> None:
    path = tmp_path / "one.csv"
    path.write_bytes(b"".join(ROWS.splitlines(keepends=True)[:2]))
    assert json.loads(output(str(path), "--json"))["mean_rate_per_second"] is None
    assert "requests/s" not in output(str(path))


def test_a_compressed_trace_is_read_as_the_plain_one(trace_file: Path) -> None:
    packed = trace_file.with_suffix(".csv.gz")
    packed.write_bytes(gzip.compress(ROWS))
    plain, unpacked = (json.loads(output(str(path), "--json")) for path in (trace_file, packed))
    assert unpacked | {"file": ""} == plain | {"file": ""}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"when,what\n1,2\n", "trace.csv"),
        (ROWS.replace(b"300", b"NaN"), "trace.csv:4: prompt_tokens"),
        (ROWS.replace(b"300", b"-3"), "trace.csv:4: prompt_tokens"),
        (ROWS.replace(b"12,", b"nan,"), "trace.csv:4: arrival_seconds"),
        (ROWS.splitlines()[0], "trace.csv"),
        (gzip.compress(ROWS, mtime=0)[:-12], "trace.csv"),
        (gzip.compress(ROWS, mtime=0)[:20] + b"\x00" * 30, "trace.csv"),
    ],
)
def test_a_bad_trace_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "trace.csv"
    path.write_bytes(content)
    assert said in refusal("trace", path)


def test_a_missing_trace_is_refused() -> None:
    assert "missing.csv" in refusal("trace", "missing.csv")
