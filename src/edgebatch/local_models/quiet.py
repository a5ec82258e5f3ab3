"""Keeping libraries off the terminal that talk to their developers."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

# one by one, since optimum itself calls logging.disable and then undoes it
_TALKATIVE = ("transformers", "optimum", "nncf", "openvino")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Swallow log records, warnings, progress bars and tables; what is wrong is still raised."""
    nowhere = io.StringIO()
    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with (
            contextlib.redirect_stdout(nowhere),
            contextlib.redirect_stderr(nowhere),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def first_line(error: Exception) -> str:
    """Return what an error says, without the advice that libraries add over many lines."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
