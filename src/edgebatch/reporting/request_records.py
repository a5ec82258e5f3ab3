"""A run's requests as a CSV or Parquet file, one row a request."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebatch.errors import InputError, MissingExtraError
from edgebatch.files import replacing, require_place, write_text
from edgebatch.scheduling import Outcome, Reason, RequestRecord
from edgebatch.simulation import RunLog

SUFFIXES = (".csv", ".parquet")


def check_records_path(path: Path) -> None:
    """Raise unless records could be written to ``path``.

    Raises:
        InputError: the suffix is not a known format, or there is no such folder.
        MissingExtraError: the Parquet library is not installed.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError("--requests", f"must end in {' or '.join(SUFFIXES)}, got {str(path)!r}")
    require_place("--requests", path)
    if path.suffix.lower() == ".parquet":
        try:
            import pyarrow  # noqa: F401  (only to see whether it is there)
        except ImportError as error:
            raise MissingExtraError("writing Parquet", "study") from error


def record_columns(log: RunLog) -> dict[str, npt.NDArray[Any]]:
    """Return one column for each field of a record, in order of request number.

    Outcomes, reasons and precisions are spelt out.
    """
    order = np.argsort(log.ledger.column("number"), kind="stable")
    columns = {field: log.ledger.column(field)[order] for field in RequestRecord._fields}
    outcomes = np.array([outcome.name.lower() for outcome in Outcome])
    reasons = np.array([reason.name.lower() for reason in Reason])
    precisions = np.array([*log.precisions, ""])  # -1, served by none, is the last
    columns["outcome"] = outcomes[columns["outcome"]]
    columns["reason"] = reasons[columns["reason"]]
    columns["precision"] = precisions[columns["precision"]]
    return columns


def records_csv(log: RunLog) -> str:
    """Return the records as CSV text; what never happened is an empty cell."""
    columns = record_columns(log)
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(_cells(column) for column in columns.values()), strict=True))
    return text.getvalue()


def _cells(column: npt.NDArray[Any]) -> Iterator[object]:
    if column.dtype.kind != "f":
        return iter(column.tolist())
    return ("" if value != value else value for value in column.tolist())


def write_records(log: RunLog, path: Path) -> None:
    """Write the records as CSV or, if the name ends so, as Parquet; whole or not at all.

    Raises:
        InputError: the file cannot be written.
    """
    if path.suffix.lower() == ".parquet":
        _write_parquet(log, path)
    else:
        write_text(path, records_csv(log))


def _write_parquet(log: RunLog, path: Path) -> None:
    """Write the records as Parquet; what never happened is null."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        name: pa.array(column, from_pandas=column.dtype.kind == "f")
        for name, column in record_columns(log).items()
    }
    with replacing(path) as file:
        pq.write_table(pa.table(columns), file)
