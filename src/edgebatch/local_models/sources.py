"""What the command ``convert`` does: a source, a format and perhaps a folder to a model there."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from edgebatch.errors import InputError
from edgebatch.files import from_home
from edgebatch.local_models.convert import convert_model, precisions_of, require_absent
from edgebatch.local_models.generated import (
    GENERATED_MODELS,
    require_generated,
    write_random_model,
)
from edgebatch.local_models.local_model import LocalModel
from edgebatch.local_models.opening import open_model


def convert_source(
    source: str,
    target: Path | None,
    format_name: str,
    precisions: Sequence[str] = (),
    report: Callable[[str], None] = lambda _stage: None,
) -> LocalModel:
    """Convert a Hugging Face folder, or a model generated for the purpose.

    Args:
        source: the folder, or a name of :data:`GENERATED_MODELS`.
        target: folder to make; None for one in the working directory, named after the source, or
            for the cache if the source is a name.
        format_name: ``openvino`` or ``gguf``.
        precisions: which to write; those that ship if empty.
        report: is told what is being done.

    Returns:
        The model in its new place.

    Raises:
        InputError: the source is not such a folder, the target exists, or the model cannot be
            converted.
        UnknownNameError: there is no such format or precision.
        MissingExtraError: a library is not installed.
    """
    wanted = precisions_of(format_name, precisions)
    if source in GENERATED_MODELS:
        require_generated(source, format_name)
        if target is None:
            if precisions:
                raise InputError("--precision", f"needs --to: the cache holds {source} in all")
            return open_model(source, format_name, report)
        with tempfile.TemporaryDirectory(prefix="edgebatch-") as folder:
            require_absent(target)
            write_random_model(source, Path(folder), report)
            convert_model(Path(folder), target, format_name, wanted, report, source)
        return open_model(str(target), format_name).renamed(source)
    name = open_model(source, "huggingface").name
    target = target or Path(f"{name}-{format_name}")
    convert_model(from_home(source), target, format_name, wanted, report, name)
    return open_model(str(target), format_name).renamed(name)
