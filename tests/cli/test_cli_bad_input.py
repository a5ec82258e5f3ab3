"""Whatever is wrong with scenarios, options and files: one line, status 2, nothing written."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from cli_process import edgebatch, refusal

ROWS = "arrival_seconds,prompt_tokens,output_tokens\n" + "".join(
    f"{second},{100 + second},{10 + second}\n" for second in range(200)
)
SHORT = ("-s", "workload.duration_seconds=1")

FILES = {
    "good.csv": ROWS.encode(),
    "header.csv": ROWS.replace("arrival_seconds", "arrived").encode(),
    "nan.csv": ROWS.replace("7,107,17", "nan,107,17").encode(),
    "negative.csv": ROWS.replace("7,107,17", "7,-107,17").encode(),
    "backwards.csv": ROWS.replace("7,107,17", "3,107,17").encode(),
    "huge.csv": ROWS.replace("199,299", "1e300,299").encode(),
    "infinite.csv": ROWS.replace("199,299", "inf,299").encode(),
    "short.csv.gz": gzip.compress(ROWS.replace("7,107,17", "7,107").encode(), mtime=0),
    "truncated.csv.gz": gzip.compress(ROWS.encode(), mtime=0)[:400],
    "empty.csv": b"",
    "lengths.csv": b"prompt_tokens,output_tokens\n1,2\n",
    "scenario.toml": b"[node]\nmemory_bytes = 1e9\nflops = 1e9\n",
    "five.toml": b"workload = 5\n",
    "broken.toml": b"[node\n",
    "binary.toml": b"\xff\xfe\x00",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files, good and bad, in the working directory of the command."""
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check_refused(folder: Path, said: str, *arguments: str) -> None:
    assert said in refusal(*arguments)
    assert {path.name for path in folder.iterdir()} == {*FILES, "folder"}
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES


TRACES = (
    ("missing.csv", "missing.csv: no such file"),
    ("folder", "folder: is a directory, expected a file"),
    ("header.csv", "header.csv:1: unknown header 'arrived,prompt_tokens,output_tokens'"),
    ("nan.csv", "nan.csv:9: arrival_seconds: must be a number of seconds"),
    ("negative.csv", "negative.csv:9: prompt_tokens: must be a whole number from 1"),
    ("backwards.csv", "backwards.csv:9: arrival_seconds: must not be earlier"),
    ("huge.csv", "huge.csv:201: arrival_seconds: must be a number of seconds"),
    ("infinite.csv", "infinite.csv:201: arrival_seconds: must be a number of seconds"),
    ("short.csv.gz", "short.csv.gz:9: has 2 columns, expected 3"),
    ("truncated.csv.gz", "the compressed data end early"),
    ("empty.csv", "empty.csv: is empty"),
)


@pytest.mark.parametrize(("trace", "said"), TRACES)
def test_a_bad_trace_is_refused(folder: Path, trace: str, said: str) -> None:
    check_refused(folder, said, "compare", "--trace", trace, "--results", "out.json")


def test_a_trace_that_goes_bad_during_a_run_leaves_nothing_behind(folder: Path) -> None:
    options = ("--requests", "out.csv", "--chrome-trace", "out.json")
    check_refused(folder, "huge.csv:201", "simulate", "--trace", "huge.csv", *options)
    check_refused(folder, "end early", "simulate", "--trace", "truncated.csv.gz", *options)


def test_lengths_alone_cannot_be_replayed(folder: Path) -> None:
    check_refused(folder, "no arrival times", "compare", "--trace", "lengths.csv")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("missing.toml", "missing.toml: cannot be read: No such file or directory"),
        ("edge-cel", "scenario: unknown name 'edge-cel'; did you mean 'edge-cell'?"),
        ("folder", "folder: cannot be read: Is a directory"),
        ("broken.toml", "broken.toml: not valid TOML"),
        ("binary.toml", "binary.toml: not UTF-8 text"),
        ("good.csv", "good.csv: not valid TOML"),
        ("scenario.toml", "workload: is missing; expected a table with the workload's keys"),
    ],
)
def test_a_bad_scenario_is_refused(folder: Path, source: str, said: str) -> None:
    check_refused(folder, said, "simulate", source, "--chrome-trace", "out.json")


def test_a_workload_that_is_no_table_is_refused_with_a_trace_as_without(folder: Path) -> None:
    said = "workload: must be a table with the workload's keys, got 5"
    check_refused(folder, said, "simulate", "five.toml")
    check_refused(folder, said, "simulate", "five.toml", "--trace", "good.csv")


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("workload.rate_per_secnd=3", "did you mean 'rate_per_second'?"),
        ("nodes.count=3", "nodes: unknown name 'nodes'; did you mean 'node'?"),
        ("node.device=Jetson TX3", "did you mean 'Jetson TX2'?"),
        ("node.count=0", "node.count: must be a whole number of at least 1, got 0"),
        ("node=3", "node: must be a table with the node's keys, got 3"),
        ("node", "--set: must be like workload.rate_per_second=2, got 'node'"),
        ("node.memory_bytes=1e6", "BLOOM-3b in w8a16 needs 3.00 GB for its weights"),
        ("workload.rate_per_second=0", "must be a finite number above 0, got 0"),
        ("workload.rate_per_second=-1", "must be a finite number above 0, got -1"),
        ("workload.rate_per_second=nan", "must be a finite number above 0, got nan"),
        ("workload.rate_per_second=1e300", "workload.rate_per_second: must be at most 1e+100"),
        ("workload.duration_seconds=1e11", "would bring about 2e+12 requests"),
        ("workload.num_requests=0", "workload.num_requests: must be a whole number"),
        ("workload.deadline_seconds=", "workload.deadline_seconds: is missing"),
        ("workload.deadline_seconds=nan", "workload.deadline_seconds: must be a number, got nan"),
        ("workload.min_quality=1.5", "workload.min_quality: must be at least 0 and at most 1"),
        ("workload.trace=good.csv", "workload.arrivals: must not stand beside workload.trace"),
        ("workload.lengths=good.csv", "must not stand beside workload.lengths"),
        ("workload.cv=2", "workload.cv: only goes with workload.arrivals = 'gamma'"),
        ("scheduler.epoch_seconds=1e-9", "scheduler.epoch_seconds: must be at least 0.0001"),
        ("reality.noise=-1", "reality.noise: must be a finite number of at least 0, got -1"),
        ("seed=-1", "seed: must be a whole number of at least 0, got -1"),
    ],
)
def test_a_bad_setting_is_refused(folder: Path, setting: str, said: str) -> None:
    check_refused(folder, said, "simulate", "-s", setting, "--requests", "out.csv")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("-p", "dfstp"), "policy: unknown name 'dfstp'; did you mean 'dftsp'?"),
        (("-p", "static:batch_kap=3"), "did you mean 'batch_cap'?"),
        (("-p", "static:batch_cap=0"), "policy.batch_cap: must be a whole number"),
        (("-p", "dftsp:batch_cap=3"), "has no knob 'batch_cap'"),
        (("-p", "continuous:precision=w8a61"), "precision: unknown name 'w8a61'; did you mean"),
        (("--seed", "-1"), "--seed"),
        (("--seed", "9223372036854775808"), "seed: must be at most"),
        (("--requests", "out.txt"), "--requests: must end in .csv or .parquet"),
        (("--requests", "missing/out.csv"), "--requests: there is no folder"),
        (("--requests", "good.csv/out.csv"), "--requests: there is no folder"),
        (("--chrome-trace", "missing/out.json"), "--chrome-trace: there is no folder"),
        (("--chrome-trace", "folder"), "--chrome-trace: must be a file"),
        (("--polcy", "dftsp"), "--policy"),
        (("one", "two"), "two"),
    ],
)
def test_a_bad_option_of_simulate_is_refused(
    folder: Path, options: tuple[str, ...], said: str
) -> None:
    check_refused(folder, said, "simulate", *SHORT, *options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("-p", "statc"), "policy: unknown name 'statc'; did you mean 'static'?"),
        (("-p", "static", "-p", "STATIC"), "--policy: 'static' is given twice"),
        (("--load", "0"), "--load: must be a finite number above 0, got 0.0"),
        (("--load", "nan"), "--load: must be a finite number above 0, got nan"),
        (("--rate", "-1"), "--rate: must be a finite number above 0, got -1.0"),
        (("--rate", "5", "--rate", "5"), "--rate: 5 is given twice"),
        (("--rate", "1e300"), "rate_per_second: must be from 1e-09 to 1e+12"),
        (("--load", "1", "--rate", "1"), "--load: must not stand beside --rate"),
        (
            ("-s", "compare.loads=[1]"),
            "compare.loads: must not stand beside compare.rates_per_second",
        ),
        (("-s", "compare.rates_per_second=[0]"), "must be a finite number above 0, got 0"),
        (("-s", "compare.policies=[]"), "compare.policies: must be a list of at least one policy"),
        (("-s", "compare.policies=['statc']"), "policy: unknown name 'statc'"),
        (("--seeds", "0"), "--seeds"),
        (("--jobs", "0"), "jobs: must be at least 1, or -1 for one per core, got 0"),
        (("--plot", "missing/out.png"), "--plot: there is no folder"),
        (("--plot", "out.gif"), "--plot: must end in .png, .svg, .pdf, got 'out.gif'"),
        (("--plot", "folder"), "--plot: must end in"),
        (("--results", "missing/out.json"), "--results: there is no folder"),
        (("--results", "folder"), "--results: must be a file"),
        (("--load", "1", "-s", "workload.deadline_seconds=0.001"), "the capacity is 0"),
    ],
)
def test_a_bad_option_of_compare_is_refused(
    folder: Path, options: tuple[str, ...], said: str
) -> None:
    check_refused(folder, said, "compare", *SHORT, *options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("-s", "workload.start_seconds=1e6"), "workload: has no requests"),
        (
            ("--rate", "2", "-s", "workload.num_requests=1"),
            "workload: has too few arrivals to have a rate",
        ),
        (("-s", "workload.duration_seconds=1"), "must not stand beside workload.trace"),
    ],
)
def test_a_window_with_nothing_to_compare_is_refused(
    folder: Path, options: tuple[str, ...], said: str
) -> None:
    check_refused(folder, said, "compare", "--trace", "good.csv", *options)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_what_a_worker_finds_wrong_is_one_line_too(folder: Path, jobs: str) -> None:
    options = ("-p", "continuous:precision=w8a61", "-p", "static", "--rate", "2", "--jobs", jobs)
    said = "error: precision: unknown name 'w8a61'; did you mean 'w8a16'?"
    check_refused(folder, said, "compare", *SHORT, *options, "--results", "out.json")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize(
    "arguments",
    [
        ("simulate", *SHORT, "--chrome-trace", "/dev/full"),
        ("compare", *SHORT, "--rate", "2", "--no-plot", "--results", "/dev/full"),
    ],
)
def test_a_full_disk_is_one_line(folder: Path, arguments: tuple[str, ...]) -> None:
    said = "/dev/full: cannot be written: No space left on device"
    check_refused(folder, said, *arguments)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("name", ["full.csv", "full.parquet", "full.png", "full.svg"])
def test_every_kind_of_file_notices_a_full_disk(folder: Path, name: str) -> None:
    link = folder / name
    link.symlink_to("/dev/full")
    command = ("compare", "--rate", "2", "--plot") if name[5:] in ("png", "svg") else ()
    said = refusal(*(command or ("simulate", "--requests")), name, *SHORT)
    assert f"{name}: cannot be written: " in said
    assert link.is_symlink()


def test_a_file_that_was_there_survives_what_goes_wrong_later(folder: Path) -> None:
    (folder / "out.csv").write_text("old", encoding="utf-8")
    result = edgebatch("simulate", "--trace", "huge.csv", "--requests", "out.csv")
    assert result.returncode == 2
    assert (folder / "out.csv").read_text(encoding="utf-8") == "old"
