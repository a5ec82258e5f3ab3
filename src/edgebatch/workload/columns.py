"""One column of a CSV file as an array."""

from __future__ import annotations

import csv
import math
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgebatch.errors import InputError
from edgebatch.problem.checks import FloatArray
from edgebatch.registry import lookup
from edgebatch.schema import LARGEST_NUMBER
from edgebatch.workload.files import read_lines


def csv_records(lines: Iterator[str], file: str) -> Iterator[tuple[int, list[str]]]:
    """Yield number and fields of each line that is not blank, the header included.

    Raises:
        InputError: a line breaks the rules of CSV.
    """
    reader = csv.reader(lines, strict=True)
    try:
        for fields in reader:
            if fields:
                yield reader.line_num, fields
    except csv.Error as error:
        raise InputError(f"{file}:{reader.line_num}", f"not CSV: {error}") from None


def read_number_column(path: Path, column: str) -> FloatArray:
    """Return the column called ``column``: float64, shape (rows,).

    Raises:
        InputError: the file cannot be read, is empty, has no such column, or has an entry in it
            that is not a finite number.
    """
    file = str(path)
    records = csv_records(read_lines(path), file)
    first, header = next(records, (1, []))
    if not header:
        raise InputError(file, "is empty, expected a header line and rows of numbers")
    names = {name.strip(): index for index, name in enumerate(header)}
    index = lookup(names, column, f"{file}:{first}")
    numbers = array("d")
    for line, fields in records:
        try:
            number = float(fields[index])
        except (ValueError, IndexError):
            number = math.nan
        if not abs(number) <= LARGEST_NUMBER:
            found = repr(fields[index]) if index < len(fields) else "a row cut short"
            raise InputError(f"{file}:{line}: {column}", f"must be a finite number, got {found}")
        numbers.append(number)
    if not numbers:
        raise InputError(file, "has no rows after its header")
    return np.frombuffer(numbers, dtype=np.float64)
