"""From what a user calls a model to the model."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from edgebatch.errors import InputError
from edgebatch.files import from_home
from edgebatch.local_models.folders import FORMATS
from edgebatch.local_models.generated import GENERATED_MODELS, generated_folder
from edgebatch.local_models.local_model import LocalModel
from edgebatch.local_models.shipped import SHIPPED_MODELS, shipped_folder
from edgebatch.registry import lookup


def open_model(
    source: str,
    format: str | None = None,
    report: Callable[[str], None] = lambda _stage: None,
) -> LocalModel:
    """Return the model that ``source`` names.

    Args:
        source: ``edgebatch-tiny``; a generated model such as ``llama-36m``, made and kept in the
            user's cache when it is not there; or a path: a folder with OpenVINO files or with one
            such folder a precision, a ``.gguf`` file or a folder of them, or a folder as
            ``transformers`` saves it. A file or folder of this name comes before a known name only
            if written as a path (``./llama-36m``).
        format: ``openvino``, ``gguf`` or ``huggingface``; None takes the first of these that is
            there.
        report: is told what is being done where that takes long.

    Raises:
        InputError: nothing is there, or no model that can be used.
        UnknownNameError: there is no such format.
        MissingExtraError: it must be generated, and the libraries for that are not installed.
    """
    formats = dict(FORMATS) if format is None else {format: lookup(FORMATS, format, "format")}
    if source in SHIPPED_MODELS:
        path = shipped_folder(source, format or "openvino")
    elif source in GENERATED_MODELS:
        path = generated_folder(source, format or "openvino", report)
    else:
        path = _existing(source)
    for read in formats.values():
        found = read(path)
        if found is not None:
            known = source in SHIPPED_MODELS or source in GENERATED_MODELS
            return found.renamed(source) if known else found
    expected = {
        "openvino": "openvino_model.xml, or subfolders with one",
        "gguf": "*.gguf",
        "huggingface": "config.json with *.safetensors",
    }
    raise InputError(
        str(path), f"has no model in it; expected {' or '.join(expected[name] for name in formats)}"
    )


def _existing(source: str) -> Path:
    path = from_home(source)
    if path.is_file() and path.suffix != ".gguf":
        raise InputError(source, "is a file; expected a folder with a model or a .gguf file")
    if not path.exists():
        names = ", ".join((*SHIPPED_MODELS, *GENERATED_MODELS))
        raise InputError(source, f"there is no such file or folder, nor a model known as {names}")
    # a link keeps its own name: what it leads to may have one that says nothing
    return Path(os.path.normpath(path.absolute()))
