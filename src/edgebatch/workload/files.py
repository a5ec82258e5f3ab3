"""Reading and writing text that may be compressed."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from edgebatch.errors import InputError
from edgebatch.files import replacing

_GZIP_MAGIC = b"\x1f\x8b"


def read_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a UTF-8 text, plain or gzip (told by its first bytes), one at a time.

    A byte-order mark and Windows line ends are taken out.

    Raises:
        InputError: the file cannot be opened, is not UTF-8, or its compressed data are damaged or
            cut short; the path says after which line.
    """
    number = 0
    if "\0" in str(path):
        raise InputError(repr(str(path)), "no file has a NUL in its name")
    try:
        with path.open("rb") as raw, _decoded(raw) as text:
            for line in text:
                number += 1
                yield line
    except EOFError:
        raise _broken(path, number, "the compressed data end early") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise _broken(path, number, f"the compressed data are damaged ({error})") from None
    except UnicodeDecodeError as error:
        raise _broken(path, number, f"not UTF-8 text ({error.reason})") from None
    except FileNotFoundError:
        raise InputError(str(path), "no such file") from None
    except IsADirectoryError:
        raise InputError(str(path), "is a directory, expected a file") from None
    except OSError as error:
        raise InputError(str(path), f"cannot be read: {error.strerror or error}") from None


def _decoded(raw: io.BufferedReader) -> TextIO:
    binary: BinaryIO = raw
    if raw.peek(len(_GZIP_MAGIC)).startswith(_GZIP_MAGIC):
        binary = cast(BinaryIO, gzip.GzipFile(fileobj=raw, mode="rb"))
    return io.TextIOWrapper(binary, encoding="utf-8-sig")


def _broken(path: Path, last_line: int, problem: str) -> InputError:
    where = f"line {last_line} was the last good one" if last_line else "before the first line"
    return InputError(f"{path}:{last_line + 1}", f"{problem}; {where}")


@contextmanager
def replacing_file(path: Path) -> Iterator[TextIO]:
    """Open a text to write that becomes ``path`` only if all goes well; gzip if it ends in .gz.

    The same text makes the same bytes: the compressed file holds neither a name nor a time.

    Raises:
        InputError: the file cannot be written.
    """
    with replacing(path) as raw:
        if path.suffix == ".gz":
            with (
                gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed,
                io.TextIOWrapper(packed, encoding="utf-8", newline="") as text,
            ):
                yield text
        else:
            with io.TextIOWrapper(raw, encoding="utf-8", newline="") as text:
                yield text
