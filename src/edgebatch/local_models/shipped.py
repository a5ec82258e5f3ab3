"""The models that come with the package."""

from __future__ import annotations

from pathlib import Path

from edgebatch.errors import InputError
from edgebatch.registry import lookup

_DATA = Path(__file__).parent / "data"
SHIPPED_MODELS = ("edgebatch-tiny",)


def shipped_folder(name: str, format_name: str) -> Path:
    """Return where a shipped model lies in a format.

    Raises:
        InputError: it does not ship in that format.
    """
    folder = _DATA / lookup({known: known for known in SHIPPED_MODELS}, name, "model") / format_name
    if not folder.is_dir():
        raise InputError(name, "ships as openvino and as gguf only")
    return folder


def shipped_tokenizer() -> Path:
    """Return the folder of the shipped model's tokenizer, as ``transformers`` saves it."""
    return _DATA / SHIPPED_MODELS[0] / "tokenizer"


def heldout_text() -> str:
    """Return text that the shipped model has not read: docstrings of Python's library.

    It is under the licence of Python; see ``NOTICE`` beside it.
    """
    return (_DATA / SHIPPED_MODELS[0] / "heldout.txt").read_text(encoding="utf-8")
