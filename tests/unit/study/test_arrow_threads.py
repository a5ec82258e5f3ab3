"""Arrow's threads: one that outlives its work aborts the process as it ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from edgebatch.study.results import StudyResults
from toy_study import made, toy_study

WITHOUT_AND_WITH = """\
import sys
from pathlib import Path

import psutil
import pyarrow.parquet

from edgebatch.study.results import StudyResults

process = psutil.Process()
before = process.num_threads()
results = StudyResults.open(Path(sys.argv[1]))
assert len(results.rows()) == 8
results.finish()
assert len(StudyResults.open(Path(sys.argv[1])).rows()) == 8
print(process.num_threads() - before)
pyarrow.parquet.read_table(Path(sys.argv[1], "results.parquet")).to_pylist()
print(process.num_threads() - before)
"""


def test_results_are_read_and_written_without_a_thread_of_arrow(tmp_path: Path) -> None:
    study = toy_study()
    rows = made(study)
    results = StudyResults.create(tmp_path, study)
    results.append(rows[:3])
    results.append(rows[3:])
    started = subprocess.run(
        [sys.executable, "-c", WITHOUT_AND_WITH, tmp_path],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    ours, arrows_own = map(int, started.stdout.split())
    assert ours == 0
    assert arrows_own > 0, "no thread was counted where there are some"
