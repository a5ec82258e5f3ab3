"""One row a request, in two formats that say the same."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from edgebatch.errors import InputError
from edgebatch.reporting.request_records import check_records_path, records_csv, write_records
from edgebatch.scenario import Policy
from edgebatch.scheduling import RequestRecord
from edgebatch.simulation import RunLog
from toy_scenario import toy

MIXED = (
    "workload.rate_per_second=2",
    "workload.deadline_seconds=[0.5, 3, 6]",
    "reality.noise=0.5",
)


@pytest.fixture(params=["dftsp", "continuous"])
def log(request: pytest.FixtureRequest) -> RunLog:
    """A run with requests that are served, late, rejected and expired."""
    return toy(*MIXED).run(Policy(request.param))


def rows(log: RunLog) -> list[dict[str, str]]:
    return list(csv.DictReader(records_csv(log).splitlines()))


def test_there_is_a_row_for_every_request_in_order(log: RunLog) -> None:
    read = rows(log)
    assert tuple(read[0]) == RequestRecord._fields
    assert [int(row["number"]) for row in read] == list(range(40))
    assert [float(row["arrival_seconds"]) for row in read] == [
        each.arrival_seconds for each in toy(*MIXED).workload
    ]


def test_floats_are_written_with_every_bit(log: RunLog) -> None:
    column = dict(
        zip(
            log.ledger.column("number").tolist(),
            log.ledger.column("deadline_at_seconds").tolist(),
            strict=True,
        )
    )
    for row in rows(log):
        assert float(row["deadline_at_seconds"]) == column[int(row["number"])]


def test_what_never_happened_is_an_empty_cell(log: RunLog) -> None:
    for row in rows(log):
        was_served = row["outcome"] in ("in_time", "late")
        assert (row["finished_at_seconds"] != "") is was_served
        assert (row["precision"] == "w16") is was_served
        assert (int(row["batch"]) >= 0) is was_served
        assert (row["reason"] == "none") is was_served
        if row["outcome"] == "in_time":
            assert float(row["finished_at_seconds"]) <= float(row["deadline_at_seconds"])


def test_outcomes_add_up_to_those_of_the_ledger(log: RunLog) -> None:
    outcomes = [row["outcome"] for row in rows(log)]
    assert {"in_time"} < set(outcomes) <= {"in_time", "late", "rejected", "expired"}


def _plain(value: Any) -> str:
    return "" if value is None else str(value)


def test_parquet_holds_the_same_as_csv(log: RunLog, tmp_path: Path) -> None:
    path = tmp_path / "records.parquet"
    write_records(log, path)
    table = pq.read_table(path).to_pylist()
    assert [{name: _plain(value) for name, value in row.items()} for row in table] == rows(log)
    assert list(tmp_path.iterdir()) == [path]


def test_the_same_records_are_the_same_bytes(log: RunLog, tmp_path: Path) -> None:
    for suffix in (".csv", ".parquet"):
        first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
        write_records(log, first)
        write_records(log, second)
        assert first.read_bytes() == second.read_bytes()


def test_no_deadline_is_infinity_in_both_formats(tmp_path: Path) -> None:
    log = toy("workload.deadline_seconds=inf", "workload.num_requests=1").run(Policy("dftsp"))
    assert [row["deadline_at_seconds"] for row in rows(log)] == ["inf"]
    write_records(log, tmp_path / "a.parquet")
    [row] = pq.read_table(tmp_path / "a.parquet").to_pylist()
    assert row["deadline_at_seconds"] == math.inf


def test_a_run_without_requests_has_a_header_only(tmp_path: Path) -> None:
    scenario = toy("workload.num_requests=", "workload.duration_seconds=1e-9")
    log = scenario.run(Policy("dftsp"))
    assert records_csv(log) == ",".join(RequestRecord._fields) + "\n"
    write_records(log, tmp_path / "a.parquet")
    assert pq.read_table(tmp_path / "a.parquet").num_rows == 0


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.txt", "--requests: must end in .csv or .parquet, got"),
        ("missing/a.csv", "--requests: there is no folder"),
    ],
)
def test_a_bad_place_is_refused_beforehand(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        check_records_path(tmp_path / name)
    assert str(caught.value).startswith(said)
