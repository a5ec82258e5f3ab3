"""From a Hugging Face folder to what engines load, whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from edgebatch.errors import InputError, UnknownNameError
from edgebatch.local_models.convert_gguf import (
    GGUF_PRECISIONS,
    WRITABLE_GGUF_PRECISIONS,
    convert_gguf,
)
from edgebatch.local_models.convert_openvino import OPENVINO_PRECISIONS, convert_openvino

CONVERTIBLE_FORMATS = ("openvino", "gguf")


def convert_model(
    source: Path,
    target: Path,
    format_name: str,
    precisions: Sequence[str] = (),
    report: Callable[[str], None] = lambda _stage: None,
    name: str = "",
) -> dict[str, Path]:
    """Write the model of a Hugging Face folder in another format.

    Args:
        source: folder as ``transformers`` saves it, tokenizer included.
        target: folder to make; it must not exist.
        format_name: ``openvino`` or ``gguf``.
        precisions: which to write; those that ship if empty.
        report: is told what is being done.
        name: of the model; that of the folder if empty.

    Returns:
        Where each precision lies, in ``target``.

    Raises:
        InputError: the target exists or cannot be written, or the model cannot be converted.
        UnknownNameError: there is no such format or precision.
        MissingExtraError: a library is not installed.
    """
    precisions = precisions_of(format_name, precisions)
    with unfinished(target) as partial:
        if format_name == "openvino":
            written = convert_openvino(source, partial, precisions, report)
        else:
            written = convert_gguf(source, partial, precisions, report, name or source.name)
    return {precision: target / path.relative_to(partial) for precision, path in written.items()}


def precisions_of(format_name: str, precisions: Sequence[str]) -> tuple[str, ...]:
    """Return the precisions to write in a format, each once; those that ship if none are given.

    Raises:
        UnknownNameError: there is no such format, or it has no such precision.
    """
    if format_name not in CONVERTIBLE_FORMATS:
        raise UnknownNameError("--format", format_name, CONVERTIBLE_FORMATS)
    openvino = format_name == "openvino"
    known = OPENVINO_PRECISIONS if openvino else WRITABLE_GGUF_PRECISIONS
    for precision in precisions:
        if precision not in known:
            raise UnknownNameError("--precision", precision, known)
    default = OPENVINO_PRECISIONS if openvino else GGUF_PRECISIONS
    return tuple(dict.fromkeys(precisions)) or default


@contextmanager
def unfinished(target: Path) -> Iterator[Path]:
    """Give a folder to write in that becomes ``target`` only if all goes well.

    Raises:
        InputError: the target exists or cannot be written.
    """
    require_absent(target)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        # of a process of this number that was killed; containers give few numbers
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        yield partial
        partial.rename(target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(str(target), f"cannot be written: {reason}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def require_absent(target: Path) -> None:
    """Raise if ``target`` exists: asked before a long run, not after it.

    Raises:
        InputError: it exists.
    """
    if target.exists():
        raise InputError(str(target), "exists already; nothing is overwritten")
