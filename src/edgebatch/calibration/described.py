"""The shape of a model that only a server has, by what its operator calls it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from edgebatch.errors import InputError, UnknownNameError
from edgebatch.files import from_home
from edgebatch.local_models import SHIPPED_MODELS, open_model
from edgebatch.local_models.gguf_file import read_gguf
from edgebatch.local_models.shapes import read_shape
from edgebatch.presets import models, precisions
from edgebatch.problem import Model

_CONFIG = "config.json"
_NOMINAL_BYTES: Mapping[str, float] = MappingProxyType(
    {
        **{"f32": 4.0, "f16": 2.0, "fp16": 2.0, "bf16": 2.0},
        **{"w8": 1.0, "int8": 1.0, "fp8": 1.0, "w4": 0.5, "int4": 0.5},
    }
)


class Description(NamedTuple):
    """What is said of a model.

    Attributes:
        model: its shape.
        max_context_tokens: most tokens of prompt and answer; None if that is not said.
        source: where it was read, for notes.
    """

    model: Model
    max_context_tokens: int | None
    source: str


def description(said: str) -> Description:
    """Return what is known of the model that is meant.

    Args:
        said: a model preset, a shipped model, a GGUF file, a ``config.json`` or a folder with one;
            weights need not lie beside it.

    Raises:
        InputError: the file is not one, or of a family that is not known.
        UnknownNameError: nothing is called so.
    """
    path = from_home(said)
    if said in models():
        return Description(models()[said].model, None, f"preset {said}")
    if said in SHIPPED_MODELS:
        local = open_model(said)
        return Description(local.model, local.max_context_tokens, said)
    if not path.exists():
        raise UnknownNameError("--describe", said, (*models(), *SHIPPED_MODELS))
    name = path.resolve().stem if path.is_file() else path.resolve().name
    if path.suffix == ".gguf":
        shape = read_gguf(path).shape(name)
    else:
        shape = read_shape(path / _CONFIG if path.is_dir() else path, name)
    return Description(shape.model, shape.max_context_tokens, str(path))


def known_description(served_names: Iterable[str]) -> Description:
    """Return what is known of a model by the names under which it is served.

    Raises:
        InputError: none of them is that of a model preset.
    """
    names = list(served_names)
    for preset in models().values():
        for name in names:
            if name.casefold() in (preset.name.casefold(), preset.hf_id.casefold()):
                return description(preset.name)
    raise InputError(
        "--describe",
        f"is needed: nothing is known of {' and '.join(map(repr, names))}; give a model preset "
        "(edgebatch models), a GGUF file, a config.json or a folder with one",
    )


def nominal_bytes(precision: str) -> float:
    """Return the bytes of a parameter in a precision that is called so.

    Raises:
        UnknownNameError: no precision is called so whose bytes are known.
    """
    name = precision.casefold()
    if name in precisions():
        return precisions()[name].weight_bytes
    if name in _NOMINAL_BYTES:
        return _NOMINAL_BYTES[name]
    raise UnknownNameError(
        "--url (the server does not tell the bytes of its weights)",
        precision,
        (*_NOMINAL_BYTES, *precisions()),
    )
