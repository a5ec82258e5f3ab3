"""Keeping libraries off the terminal that talk to their developers."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Swallow log records, warnings, progress bars and tables; what is wrong is still raised."""
    nowhere = io.StringIO()
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with (
            contextlib.redirect_stdout(nowhere),
            contextlib.redirect_stderr(nowhere),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def first_line(error: Exception) -> str:
    """Return what an error says, without the advice that libraries add over many lines."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
