"""What the head of a GGUF file says, read without any library.

The format is described in ggml's ``docs/gguf.md``: a magic word, counts, typed key–value pairs and
a table of tensors, then the tensors.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from edgebatch.errors import InputError
from edgebatch.local_models.shapes import Shape
from edgebatch.problem import Model

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_NUMBERS = dict(zip((0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12), "BbHhIif?Qqd", strict=True))
_STRING = 8
_ARRAY = 9
_DEFAULT_ALIGNMENT = 32
# of damaged files the lengths are random
_LONGEST_STRING = 1 << 26
_MOST_DIMENSIONS = 8
_SIGNS_OF_DAMAGE = (
    struct.error,
    LookupError,
    ArithmeticError,
    TypeError,
    ValueError,  # not UTF-8, or not a number
    RecursionError,  # lists in lists in lists
)
# general.file_type, as in llama.h; the names people use for files
_FILE_TYPES = {
    0: "f32", 1: "f16", 2: "q4_0", 3: "q4_1", 7: "q8_0", 8: "q5_0", 9: "q5_1", 10: "q2_k",
    11: "q3_k_s", 12: "q3_k_m", 13: "q3_k_l", 14: "q4_k_s", 15: "q4_k_m", 16: "q5_k_s",
    17: "q5_k_m", 18: "q6_k", 19: "iq2_xxs", 20: "iq2_xs", 21: "q2_k_s", 22: "iq3_xs",
    23: "iq3_xxs", 24: "iq1_s", 25: "iq4_nl", 26: "iq3_s", 27: "iq3_m", 28: "iq2_s", 29: "iq2_m",
    30: "iq4_xs", 31: "iq1_m", 32: "bf16", 36: "tq1_0", 37: "tq2_0", 38: "mxfp4",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class GgufFile:
    """The head of a GGUF file.

    Attributes:
        path: the file.
        metadata: key–value pairs; arrays are left out.
        tensors: shape of each tensor.
        weight_bytes: bytes of all tensors.
    """

    path: Path
    metadata: Mapping[str, Any]
    tensors: Mapping[str, tuple[int, ...]]
    weight_bytes: int

    @property
    def precision(self) -> str:
        """Lower-case name of the file's type, such as ``q4_k_m``."""
        number = self.metadata.get("general.file_type")
        if number not in _FILE_TYPES:
            raise InputError(str(self.path), f"has general.file_type {number!r}, not a known one")
        return _FILE_TYPES[number]

    def shape(self, name: str) -> Shape:
        """Return the model's shape.

        Raises:
            InputError: a size is missing, or the model is a mixture of experts.
        """
        family = str(self.metadata.get("general.architecture", ""))
        if any("_exps." in tensor for tensor in self.tensors):
            raise InputError(str(self.path), "is a mixture of experts, whose cost is not modelled")
        heads = self._count(f"{family}.attention.head_count")
        hidden = self._count(f"{family}.embedding_length")
        ffn = self._count(f"{family}.feed_forward_length")
        # files carry tables of angles that no one trained
        parameters = sum(
            math.prod(shape)
            for tensor, shape in self.tensors.items()
            if not tensor.startswith("rope_")
        )
        model = Model(
            layers=self._count(f"{family}.block_count"),
            hidden_size=hidden,
            ffn_size=ffn,
            heads=heads,
            kv_heads=self._count(f"{family}.attention.head_count_kv", default=heads),
            head_size=self._count(f"{family}.attention.key_length", default=hidden // heads or 1),
            # some keep the gate in the same tensor as what it gates
            gated_ffn="blk.0.ffn_gate.weight" in self.tensors
            or self.tensors.get("blk.0.ffn_up.weight", (0, 0))[-1] == 2 * ffn,
            parameters=parameters,
            name=name,
        )
        vocabulary = self.tensors.get("token_embd.weight", (0, 0))[-1]
        limit = self.metadata.get(f"{family}.context_length")
        return Shape(family, model, limit if isinstance(limit, int) else None, vocabulary)

    def _count(self, key: str, default: int | None = None) -> int:
        value = self.metadata.get(key, default)
        if not isinstance(value, int) or value < 1:
            raise InputError(
                f"{self.path}: {key}", "must be one positive whole number for all layers"
            )
        return value


def read_gguf(path: Path) -> GgufFile:
    """Return what the head of the file says.

    Raises:
        InputError: it cannot be read, is not GGUF, or is one part of several.
    """
    try:
        with path.open("rb") as file:
            return _read(path, file)
    except OSError as error:
        raise InputError(str(path), f"cannot be read: {error.strerror}") from error
    except _SIGNS_OF_DAMAGE as error:
        raise InputError(str(path), "is a damaged GGUF file: its head cannot be read") from error


def _read(path: Path, file: BinaryIO) -> GgufFile:
    if file.read(4) != _MAGIC:
        raise InputError(str(path), "is not a GGUF file")
    (version,) = _unpack(file, "I")
    if version not in _VERSIONS:
        raise InputError(str(path), f"is GGUF version {version}; known: 2, 3 (little-endian)")
    num_tensors, num_pairs = _unpack(file, "QQ")
    metadata = {}
    for _ in range(num_pairs):
        key = _string(file)
        (kind,) = _unpack(file, "I")
        value = _value(file, kind)
        if value is not None:
            metadata[key] = value
    if metadata.get("split.count", 1) > 1:
        raise InputError(
            str(path), "is one part of several; join them with llama-gguf-split --merge"
        )
    tensors = {}
    for _ in range(num_tensors):
        name = _string(file)
        (dimensions,) = _unpack(file, "I")
        if not 1 <= dimensions <= _MOST_DIMENSIONS:
            raise struct.error("no tensor has so many dimensions, or none")
        tensors[name] = _unpack(file, f"{dimensions}Q")
        _unpack(file, "IQ")  # type and place
    alignment = metadata.get("general.alignment", _DEFAULT_ALIGNMENT)
    head_bytes = math.ceil(file.tell() / alignment) * alignment
    return GgufFile(path, metadata, tensors, max(0, path.stat().st_size - head_bytes))


def _unpack(file: BinaryIO, layout: str) -> tuple[Any, ...]:
    layout = "<" + layout
    return struct.unpack(layout, file.read(struct.calcsize(layout)))


def _string(file: BinaryIO) -> str:
    (length,) = _unpack(file, "Q")
    content = file.read(min(length, _LONGEST_STRING))
    if len(content) < length:
        raise struct.error("the file ends early")
    return content.decode("utf-8")


def _value(file: BinaryIO, kind: int) -> Any:
    """Return a value; None for an array, which is passed over."""
    if kind == _STRING:
        return _string(file)
    if kind != _ARRAY:
        return _unpack(file, _NUMBERS[kind])[0]
    inner, length = _unpack(file, "IQ")
    if inner in (_STRING, _ARRAY):
        for _ in range(length):
            _value(file, inner)
    else:
        file.seek(length * struct.calcsize(_NUMBERS[inner]), 1)
    return None
