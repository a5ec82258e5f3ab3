"""The results of a study: a folder with ``study.toml`` and Parquet files, one row a run.

While runs are being made, rows come in parts, each written whole or not at all; once all are
there, they become one file in the study's order, whose bytes depend on the study alone.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w

from edgebatch import __version__
from edgebatch.errors import EdgebatchError, InputError
from edgebatch.schema import read_toml
from edgebatch.study.definition import Study, StudyRun
from edgebatch.study.parts import in_order, read_part, study_table, write_durably, write_part
from edgebatch.study.rows import Row
from edgebatch.study.study_document import difference, restored, stored

if TYPE_CHECKING:
    import pyarrow

STUDY_FILE = "study.toml"
RESULTS_FILE = "results.parquet"
_PART_PREFIX = "part-"
_MOST_PARTS = 64
"""More are made one, so that a long study neither fills the folder nor is slow to go on with."""


@dataclass(slots=True)
class StudyResults:
    """A folder of results; made by :meth:`create` or :meth:`open`.

    Attributes:
        folder: where it is.
        study: what is run.
        version: the version of edgebatch that made the results.
    """

    folder: Path
    study: Study
    version: str
    _numbers: set[int] = field(default_factory=set, repr=False)
    _next_part: int = 0

    @classmethod
    def create(cls, folder: Path, study: Study) -> StudyResults:
        """Return the results of a study, so far none, in a folder that is empty or yet to be made.

        Raises:
            InputError: something is in the folder already, or it cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            others = [path.name for path in folder.iterdir() if not _is_leftover(path)]
        except OSError as error:
            raise InputError(str(folder), f"cannot hold results: {error.strerror}") from error
        if others:
            raise InputError(
                str(folder),
                f"is no results folder, but {min(others)!r} is in it; give a new or empty folder",
            )
        write_durably(folder / STUDY_FILE, tomli_w.dumps(stored(study)).encode("utf-8"))
        return cls(folder, study, __version__)

    @classmethod
    def open(cls, folder: Path, study: Study | None = None) -> StudyResults:
        """Return the results in a folder, complete or not.

        Args:
            folder: where they are.
            study: what they must be results of; None if that does not matter. Then this version of
                edgebatch must have made them, too.

        Raises:
            InputError: there are none, they are damaged, or of another study or version.
        """
        path = folder / STUDY_FILE
        if not path.is_file():
            raise InputError(str(folder), f"is no results folder: there is no {STUDY_FILE} in it")
        try:
            kept, version = restored(read_toml(path))
        except InputError as error:
            raise error if error.path.startswith(str(path)) else error.within(str(path)) from None
        if study is not None:
            _require_same(folder, study, kept, version)
        results = cls(folder, kept, version)
        results._look_through()
        return results

    def append(self, rows: Sequence[Row]) -> None:
        """Add finished runs durably: when this returns, they outlive a crash.

        Raises:
            InputError: they cannot be written, and what was there before is kept; or they were
                made by another version.
        """
        new = [row for row in rows if row["run"] not in self._numbers]
        if not new:
            return
        for row in new:
            if row["edgebatch"] != self.version:
                raise InputError(
                    str(self.folder),
                    f"holds runs of edgebatch {self.version}, but one was made by "
                    f"{row['edgebatch']}; install the same version everywhere",
                )
        self._write(self._new_part(), new)
        self._numbers.update(row["run"] for row in new)
        if len(self._parts()) >= _MOST_PARTS:
            self._merge(self._new_part())

    def finish(self) -> None:
        """Make one sorted file of a complete study; nothing happens while runs are missing.

        Raises:
            InputError: it cannot be written; the parts are kept.
        """
        if self.is_complete and not self.is_finished:
            self._merge(self.folder / RESULTS_FILE)

    @property
    def num_done(self) -> int:
        """How many runs there are."""
        return len(self._numbers)

    @property
    def is_complete(self) -> bool:
        """Whether no run is missing."""
        return self.num_done == self.study.num_runs

    @property
    def is_finished(self) -> bool:
        """Whether no run is missing, and all of them are in the one sorted file."""
        return self.is_complete and not self._parts()

    def missing_runs(self) -> list[StudyRun]:
        """Return the runs that are yet to be made, in the study's order."""
        return [run for run in self.study.runs() if run.number not in self._numbers]

    def table(self, columns: list[str] | None = None) -> pyarrow.Table:
        """Return all rows in the study's order.

        Args:
            columns: which ones, ``run`` among them; None for all of :func:`.rows.column_types`.

        Raises:
            InputError: a file cannot be read.
        """
        parts = self._read(columns)
        if parts:
            return in_order(parts)
        empty = study_table(self.study, [])
        return empty if columns is None else empty.select(columns)

    def rows(self) -> list[Row]:
        """Return all rows in the study's order, each by column."""
        rows: list[Row] = self.table().to_pylist()
        return rows

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from writing; remove what one that was killed left behind.

        Raises:
            EdgebatchError: another process is writing.
        """
        import fcntl

        handle = os.open(self.folder, os.O_RDONLY)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise EdgebatchError(
                    f"{self.folder}: another process is adding to these results; wait for it"
                ) from None
            self._look_through()
            for path in self.folder.iterdir():
                if _is_leftover(path):
                    path.unlink()
            yield
        finally:
            os.close(handle)

    def _look_through(self) -> None:
        """Find out which runs there are."""
        self._numbers = {
            number for part in self._read(["run"]) for number in part.column("run").to_pylist()
        }
        self._next_part = 1 + max(
            (int(path.stem.removeprefix(_PART_PREFIX)) for path in self._parts()), default=-1
        )

    def _read(self, columns: Sequence[str] | None = None) -> list[pyarrow.Table]:
        while True:
            # a process that adds runs may just have made one file of those that were listed
            with contextlib.suppress(FileNotFoundError):
                return [read_part(path, self.study, columns) for path in self._files()]

    def _new_part(self) -> Path:
        number, self._next_part = self._next_part, self._next_part + 1
        return self.folder / f"{_PART_PREFIX}{number:06d}.parquet"

    def _merge(self, target: Path) -> None:
        obsolete = [path for path in self._files() if path != target]
        write_part(target, self.table())
        for path in obsolete:
            path.unlink()

    def _write(self, path: Path, rows: Sequence[Row]) -> None:
        try:
            write_part(path, study_table(self.study, rows))
        except InputError as error:
            kept = f"the {self.num_done} runs written before are kept"
            raise InputError(error.path, f"{error.problem}; {kept}") from error

    def _parts(self) -> list[Path]:
        pattern = f"{_PART_PREFIX}{'[0-9]' * 6}.parquet"
        return sorted(self.folder.glob(pattern))

    def _files(self) -> list[Path]:
        whole = self.folder / RESULTS_FILE
        return [*([whole] if whole.exists() else []), *self._parts()]


def _is_leftover(path: Path) -> bool:
    return path.name.startswith(".") and path.name.endswith(".partial")


def _require_same(folder: Path, asked: Study, kept: Study, version: str) -> None:
    found: Any = difference(asked, kept)
    if version != __version__:
        found = f"they were made by edgebatch {version}, and this is {__version__}"
    if found:
        raise InputError(
            str(folder),
            f"holds other results: {found}; give another --output, or remove the folder",
        )
