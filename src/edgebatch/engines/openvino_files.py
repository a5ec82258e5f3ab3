"""What the files of a model in OpenVINO's format say of it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from edgebatch.engines.openvino import MODEL_FILE
from edgebatch.engines.stepping import one_line
from edgebatch.errors import InputError

if TYPE_CHECKING:
    import openvino

CONTEXT_KEYS = ("max_position_embeddings", "n_positions", "seq_length", "max_sequence_length")
"""Under which architectures say how long their context is."""


def read_about(folder: Path) -> Mapping[str, object]:
    """Return the model's ``config.json``, in which multimodal ones keep the text part apart."""
    path = folder / "config.json"
    if not path.is_file():
        return {}
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(str(path), f"not JSON: {error}") from error
    if not isinstance(about, dict):
        raise InputError(str(path), "expected an object")
    return {**about, **(about.get("text_config") or {})}


def first(about: Mapping[str, object], keys: tuple[str, ...]) -> int | None:
    """Return the number under the first of the keys that has one."""
    return next((found for key in keys if isinstance(found := about.get(key), int)), None)


def cache_values(core: openvino.Core, folder: Path) -> int:
    """Return how many values a token has in the key-value cache: all states' heads × head size."""
    try:
        model = core.read_model(folder / MODEL_FILE)
    except RuntimeError as error:
        raise InputError(str(folder / MODEL_FILE), f"cannot be read: {one_line(error)}") from error
    total = 0
    for variable in model.get_variables():
        shape = variable.info.data_shape
        if shape.rank.is_static and len(shape) == 4:
            total += math.prod(side.get_length() for side in shape if side.is_static)
    if total == 0:
        raise InputError(
            str(folder / MODEL_FILE),
            "not a language model with a key-value cache; export it as text-generation-with-past",
        )
    return total
