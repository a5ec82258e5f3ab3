"""Parquet files of a study's rows: written whole or not at all, and known by the study's hash."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgebatch.errors import InputError, MissingExtraError
from edgebatch.files import replacing
from edgebatch.study.definition import Study
from edgebatch.study.rows import Row, column_types

if TYPE_CHECKING:
    import pyarrow

_HASH_KEY = b"edgebatch.study"


def require_parquet() -> None:
    """Raise unless Parquet files can be read and written.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("the results of a study", "study") from error


def study_table(study: Study, rows: Sequence[Row]) -> pyarrow.Table:
    """Return rows as a table with the study's columns.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    require_parquet()
    import pyarrow

    schema = pyarrow.schema(
        [
            pyarrow.field(name, pyarrow.type_for_alias(kind))
            for name, kind in column_types(study).items()
        ],
        metadata={_HASH_KEY: study.hash.encode("ascii")},
    )
    return pyarrow.Table.from_pylist(rows, schema=schema)


def write_part(path: Path, table: pyarrow.Table) -> None:
    """Write a table that :func:`study_table` or :func:`in_order` made.

    Raises:
        InputError: the file cannot be written.
    """
    import pyarrow.parquet

    content = io.BytesIO()
    pyarrow.parquet.write_table(table, content, compression="zstd")
    write_durably(path, content.getvalue())


def read_part(path: Path, study: Study, columns: Sequence[str] | None = None) -> pyarrow.Table:
    """Return the table in a file, or some of its columns.

    Arrow is handed bytes and kept from its threads: one of them that still holds a file of Python's
    when the process ends aborts it.

    Raises:
        FileNotFoundError: it is not there.
        InputError: it cannot be read, or is of another study.
        MissingExtraError: pyarrow is not installed.
    """
    require_parquet()
    import pyarrow.parquet

    try:
        content = pyarrow.BufferReader(path.read_bytes())
        table = pyarrow.parquet.ParquetFile(content).read(columns, use_threads=False)
    except FileNotFoundError:
        raise
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(
            str(path), "cannot be read or is damaged; remove it, and its runs are made again"
        ) from error
    if (table.schema.metadata or {}).get(_HASH_KEY) != study.hash.encode("ascii"):
        raise InputError(str(path), "belongs to another study; remove it")
    return table


def in_order(tables: Sequence[pyarrow.Table]) -> pyarrow.Table:
    """Return the rows of at least one table as one, by ``run``, each run once.

    In one chunk, so that the file made of it does not depend on the parts that it came in.
    """
    import pyarrow

    together = pyarrow.concat_tables(tables)
    _, first = np.unique(together.column("run").to_numpy(), return_index=True)
    return together.take(first).combine_chunks()


def write_durably(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, so that it outlives a crash of the machine.

    Raises:
        InputError: the file cannot be written.
    """
    with replacing(path) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
