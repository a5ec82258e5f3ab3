"""``edgebatch sweep``."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli_process import edgebatch, refusal
from edgebatch.study.results import RESULTS_FILE, STUDY_FILE, StudyResults
from toy_study import contents

STUDIES = Path(__file__).resolve().parents[2] / "examples" / "studies"
SHORT = ("-s", "workload.duration_seconds=2")
SMALL = (*SHORT, "--axis", "workload.rate_per_second=5,20", "-p", "edf", "-p", "sjf")
SIXTY = (
    *("-s", "workload.duration_seconds=30", "--axis", "workload.rate_per_second=10:50:5"),
    *("-p", "dftsp", "-p", "sjf", "--seeds", "6"),
)
"""5 rates × 2 policies × 6 seeds = 60 runs, several seconds in one process: time to be killed."""
STUDY = """\
title = "Small"
scenario = "edge-cell"
settings = ["workload.duration_seconds=2"]
policies = ["edf", "none"]
seeds = 2

[axes]
"workload.rate_per_second" = "5:20:2"
"node.count" = [10, 20]
"""


def done(*arguments: str | Path) -> str:
    """Run a sweep that must succeed and return what it says."""
    process = started(*arguments)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return errors.decode()


def started(*arguments: str | Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "edgebatch", "sweep", *map(str, arguments)]
    return subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE)


def num_done(folder: Path) -> int:
    return StudyResults.open(folder).num_done if (folder / STUDY_FILE).exists() else 0


def wait_for_more(folder: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until a process has written runs that were not there."""
    before = num_done(folder)
    while num_done(folder) == before:
        assert process.poll() is None, "ended without adding a run"
        time.sleep(0.02)


def test_a_sweep_fills_a_folder_and_says_when_it_is_complete(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    said = done(*SMALL, "--seeds", "2", "--output", folder)
    assert said == f"complete: 8 runs in {folder}, 0 of them from before\n"
    assert set(contents(folder)) == {STUDY_FILE, RESULTS_FILE}
    before = contents(folder)
    said = done(*SMALL, "--seeds", "2", "--output", folder)
    assert said == f"complete: 8 runs in {folder}, 8 of them from before\n"
    assert contents(folder) == before


def test_json_has_every_row(tmp_path: Path) -> None:
    result = edgebatch("sweep", *SMALL, "--output", tmp_path / "results", "--json")
    document = json.loads(result.stdout)
    assert document["rows"] == StudyResults.open(tmp_path / "results").rows()
    assert [(row["workload.rate_per_second"], row["policy"]) for row in document["rows"]] == [
        (5, "edf"),
        (5, "sjf"),
        (20, "edf"),
        (20, "sjf"),
    ]


def test_json_spells_infinity_out(tmp_path: Path) -> None:
    axis = ("--axis", "workload.deadline_seconds=1,inf")
    result = edgebatch("sweep", *SHORT, *axis, "-p", "edf", "-o", tmp_path / "a", "--json")
    rows = json.loads(result.stdout)["rows"]
    assert [row["workload.deadline_seconds"] for row in rows] == [1.0, "inf"]


def test_a_study_file_says_what_is_run_and_options_outweigh_it(tmp_path: Path) -> None:
    file = tmp_path / "small.toml"
    file.write_text(STUDY)
    done(file, "--output", tmp_path / "as-written")
    study = StudyResults.open(tmp_path / "as-written").study
    assert (study.title, study.num_runs) == ("Small", 2 * 2 * 2 * 2)
    options = ("--axis", "node.count=20", "-p", "sjf", "--seeds", "1", "--seed", "9")
    done(file, *options, *SHORT, "--output", tmp_path / "changed")
    study = StudyResults.open(tmp_path / "changed").study
    assert [run.values for run in study.runs()] == [(5, 20), (20, 20)]
    assert (study.policies, study.seeds) == (("sjf",), (9,))


def test_the_study_of_a_results_folder_can_be_run_again(tmp_path: Path) -> None:
    done(*SMALL, "--output", tmp_path / "a")
    kept = tmp_path / "a" / STUDY_FILE
    done(kept, "--output", tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert "which options cannot change" in refusal("sweep", kept, "--seeds", "2", "-o", "c")


def test_a_trace_may_be_named_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [f"{second},100,20" for second in range(10)]
    header = "arrived_at,num_prefill_tokens,num_decode_tokens"
    (tmp_path / "trace.csv").write_text("\n".join((header, *rows, "")))
    options = ("--axis", "load=0.5,2", "-p", "rolling")
    monkeypatch.chdir(tmp_path)
    done(*options, "--trace", "trace.csv", "--output", "results")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    said = done(*options, "--trace", "../trace.csv", "--output", "../results")
    assert "2 of them from before" in said
    assert [row["requests"] for row in StudyResults.open(tmp_path / "results").rows()] == [10, 10]


def test_the_study_of_a_trace_is_run_again_where_the_trace_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "\n".join(("arrived_at,num_prefill_tokens,num_decode_tokens", "0,9,9", "1,9,9", ""))
    (tmp_path / "far").mkdir()
    trace = tmp_path / "far" / "trace.csv"
    trace.write_text(text)
    folder = tmp_path / "near" / "results"
    folder.parent.mkdir()
    done("-p", "edf", "--trace", trace, "--output", folder)
    kept = folder / STUDY_FILE
    assert str(tmp_path) not in kept.read_text()
    again = ("sweep", kept, "--output", tmp_path / "again")
    assert "trace.csv: is not here; run this in its folder, or" in refusal(*again)
    done(kept, "--trace", trace, "--output", tmp_path / "given")
    monkeypatch.chdir(trace.parent)
    done(kept, "--output", tmp_path / "here")
    assert contents(folder) == contents(tmp_path / "given") == contents(tmp_path / "here")
    trace.write_text(f"{text}2,9,9\n")
    assert "trace.csv: has changed since" in refusal(*again)


def test_the_end_is_a_table_that_fits_the_terminal(tmp_path: Path) -> None:
    arguments = (*SMALL, "--seeds", "2", "--output", tmp_path / "results")
    result = edgebatch("sweep", *arguments)
    lines = result.stdout.decode().splitlines()
    assert lines[0].split() == ["Policy", "5/s", "20/s"]
    assert {"edf", "sjf"} <= {line.partition(" ")[0] for line in lines}
    assert max(map(len, lines)) <= 80
    assert edgebatch("sweep", *arguments).stdout == result.stdout
    json.loads(edgebatch("sweep", *arguments, "--json").stdout)


@pytest.mark.parametrize("name", ["quick", "paper"])
def test_committed_studies_run(name: str, tmp_path: Path) -> None:
    reduced = ("--seeds", "1", "-s", "workload.duration_seconds=0.5", "--jobs", "1")
    said = done(STUDIES / f"{name}.toml", *reduced, "--output", tmp_path / "results")
    assert said.startswith("complete: ")


def test_the_study_about_a_trace_needs_one() -> None:
    assert "--trace: is missing" in refusal("sweep", STUDIES / "azure-trace.toml", "-o", "results")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--output: is missing; give the folder of the results"),
        (["-o", "x", "--axis", "load=1,,2"], "--axis 'load=1,,2', value 2: is empty"),
        (["-o", "x", "--axis", "node.coutn=1"], "did you mean 'count'?"),
        (["-o", "x", "-p", "dfstp"], "unknown name 'dfstp'; did you mean 'dftsp'?"),
        (["-o", "x", "--axis", "load=1", "--axis", "load=2"], "--axis: load is given twice"),
        (["-o", "x", "--jobs", "0"], "jobs: must be at least 1, or -1"),
        (["-o", "/proc/x"], "/proc/x: cannot hold results: No such file or directory"),
        (["nowhere.toml", "-o", "x"], "nowhere.toml: cannot be read"),
    ],
)
def test_bad_options_are_refused_and_nothing_is_written(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in refusal("sweep", *SHORT, *arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("seeds = 0", "seeds: must be a whole number of at least 1, got 0"),
        ("polices = ['edf']", "unknown name 'polices'; did you mean 'policies'?"),
        ("[axes]\nload = '1:2'", "a range must be START:STOP:COUNT"),
        ("[axes]\nload = 1", "axes.load: must be a list of values, or a range in quotes"),
        ("[axes]\nload = [1, 1]", "axis 'load': 1 is given twice"),
    ],
)
def test_a_wrong_study_file_is_refused_by_name(line: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(f'scenario = "edge-cell"\n{line}\n')
    message = refusal("sweep", file, "--output", tmp_path / "results")
    assert str(file) in message
    assert said in message


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("!")
    assert "'thesis.tex' is in it" in refusal("sweep", *SMALL, "--output", tmp_path)
    done(*SMALL, "--output", tmp_path / "results")
    other = refusal("sweep", *SMALL, "--seeds", "2", "--output", tmp_path / "results")
    assert "its seeds are 1, not 1, 2; give another --output" in other
    assert StudyResults.open(tmp_path / "results").is_finished


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert "Permission denied" in refusal("sweep", *SMALL, "--output", tmp_path / "results")


def test_a_full_disk_ends_in_one_line_and_keeps_what_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    process = started(*SIXTY, "--jobs", "1", "--output", folder)
    wait_for_more(folder, process)
    process.kill()
    process.communicate()
    before = num_done(folder)
    # every file that is longer than this is refused, as all are on a full disk
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, kept[1]))
    try:
        said = refusal("sweep", *SIXTY, "--jobs", "1", "--output", folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept)
    assert re.search(r"part-\d+\.parquet: cannot be written: File too large", said)
    assert said.endswith(f"the {before} runs written before are kept")
    assert num_done(folder) == before
    assert not list(folder.glob(".*"))


def test_a_sweep_killed_twice_ends_with_the_bytes_of_one_that_was_not(tmp_path: Path) -> None:
    killed = tmp_path / "killed"
    for _ in range(2):
        process = started(*SIXTY, "--jobs", "1", "--output", killed)
        wait_for_more(killed, process)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    assert 0 < num_done(killed) < 60
    done(*SIXTY, "--jobs", "2", "--output", killed)
    done(*SIXTY, "--jobs", "2", "--output", tmp_path / "whole")
    assert contents(killed) == contents(tmp_path / "whole")


def test_an_interrupt_keeps_what_is_finished(tmp_path: Path) -> None:
    process = started(*SIXTY, "--jobs", "2", "--output", tmp_path / "results")
    wait_for_more(tmp_path / "results", process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130
    assert errors.decode().splitlines() == [
        f"stopped; what was finished is in {tmp_path / 'results'}; the same command goes on"
    ]
    assert 0 < num_done(tmp_path / "results") < 60


class Cluster:
    """A Dask scheduler and workers of one thread, each a process of its own."""

    def __init__(self, folder: Path, num_workers: int) -> None:
        self._folder = folder
        self._file = folder / "scheduler.json"
        options = ("--port", "0", "--no-dashboard", "--no-show")
        self._processes = [self._start("scheduler", *options)]
        self.workers = [
            self._start("worker", "--nthreads", "1", "--no-nanny", "--no-dashboard")
            for _ in range(num_workers)
        ]
        self._processes += self.workers

    @property
    def address(self) -> str:
        while not self._file.exists() or not self._file.read_text():
            assert self._processes[0].poll() is None
            time.sleep(0.05)
        return str(json.loads(self._file.read_text())["address"])

    def stop(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "dask", *arguments, "--host", "127.0.0.1"]
        return subprocess.Popen(
            [*command, "--scheduler-file", str(self._file)],
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    pytest.importorskip("distributed")
    (tmp_path / "cluster").mkdir()
    cluster = Cluster(tmp_path / "cluster", num_workers=3)
    yield cluster
    cluster.stop()


def test_a_cluster_whose_worker_is_killed_makes_the_same_bytes(
    cluster: Cluster, tmp_path: Path
) -> None:
    folder = tmp_path / "cluster-results"
    process = started(*SIXTY, "--cluster", cluster.address, "--output", folder)
    wait_for_more(folder, process)
    cluster.workers[0].kill()
    _, errors = process.communicate(timeout=300)
    assert errors.decode() == f"complete: 60 runs in {folder}, 0 of them from before\n"
    done(*SIXTY, "--output", tmp_path / "here")
    assert contents(folder) == contents(tmp_path / "here")


def test_workers_of_another_version_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    metadata = tmp_path / "old" / "edgebatch-0.0.9.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: edgebatch\nVersion: 0.0.9\n")
    with monkeypatch.context() as changed:
        # found before the installed one by the workers only
        changed.setenv("PYTHONPATH", str(metadata.parent))
        cluster = Cluster(tmp_path, num_workers=1)
    try:
        said = refusal("sweep", *SMALL, "--cluster", cluster.address, "-o", tmp_path / "results")
    finally:
        cluster.stop()
    assert "has edgebatch 0.0.9, but this is" in said


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("tcp://127.0.0.1:9", "no Dask scheduler answers at 'tcp://127.0.0.1:9'"),
        ("somewhere", "must be like tcp://host:8786, got 'somewhere'"),
    ],
)
def test_a_cluster_that_is_not_there_is_refused(address: str, said: str, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    assert said in refusal("sweep", *SMALL, "--cluster", address, "--output", tmp_path / "results")
