"""Finding out what lies in a folder: which format, which precisions, which shape."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from edgebatch.errors import InputError
from edgebatch.local_models.gguf_file import read_gguf
from edgebatch.local_models.local_model import (
    HUGGING_FACE_WEIGHTS,
    LocalModel,
    bytes_on_disk,
)
from edgebatch.local_models.shapes import Shape, read_shape

_IR_FILE = "openvino_model.xml"
_IR_PRECISIONS = ("f32", "f16", "bf16", "w8", "w4")
_IR_CONSTANT = re.compile(r'<data element_type="(\w+)" shape="[^"]*" offset="\d+" size="(\d+)"')
_IR_KINDS = {"u4": "w4", "i4": "w4", "nf4": "w4", "u8": "w8", "i8": "w8"}
# scales and tables of four- and eight-bit models are small; their weights are not
_LEAST_PART = 0.05
_TORCH_PRECISIONS = {"bfloat16": "bf16", "float16": "f16", "float32": "f32"}


def read_openvino_folder(path: Path) -> LocalModel | None:
    """Return the OpenVINO model in a folder or in its subfolders; None if there is none.

    Raises:
        InputError: there is one, but it cannot be used.
    """
    if (path / _IR_FILE).is_file():
        folders = [path]
    else:
        folders = sorted(entry.parent for entry in path.glob(f"*/{_IR_FILE}"))
    if not folders:
        return None
    for folder in folders:
        for name in ("openvino_model.bin", "openvino_tokenizer.xml", "openvino_detokenizer.xml"):
            if not (folder / name).is_file():
                raise InputError(
                    str(folder), f"has no {name}; export the model again, with its tokenizer"
                )
    variants = [
        (folder.name if folder.name in _IR_PRECISIONS else _ir_precision(folder), folder)
        for folder in folders
    ]
    shapes = [read_shape(folder / "config.json", path.name) for folder in folders]
    return _local_model(path, "openvino", variants, shapes)


def read_gguf_files(path: Path) -> LocalModel | None:
    """Return the model in a ``.gguf`` file or in all those of a folder; None if there is none.

    Raises:
        InputError: there is one, but it cannot be used.
    """
    files = [path] if path.is_file() else sorted(path.glob("*.gguf"))
    if not files:
        return None
    heads = [read_gguf(file) for file in files]
    name = path.stem if path.is_file() else path.name
    variants = [(head.precision, head.path) for head in heads]
    return _local_model(path, "gguf", variants, [head.shape(name) for head in heads])


def read_hugging_face_folder(path: Path) -> LocalModel | None:
    """Return the model that ``transformers`` saved in a folder; None if there is none.

    Raises:
        InputError: there is one, but it cannot be used.
    """
    config = path / "config.json"
    if not config.is_file() or not any(any(path.glob(kind)) for kind in HUGGING_FACE_WEIGHTS):
        return None
    shape = read_shape(config, path.name)
    values = json.loads(config.read_text(encoding="utf-8"))
    written = str(values.get("dtype") or values.get("torch_dtype") or "float32")
    precision = _TORCH_PRECISIONS.get(written)
    if precision is None or "quantization_config" in values:
        raise InputError(
            str(config),
            f"the weights are {'quantised' if precision else written}; "
            f"expected one of {', '.join(_TORCH_PRECISIONS)}",
        )
    return _local_model(path, "huggingface", [(precision, path)], [shape])


FORMATS: dict[str, Callable[[Path], LocalModel | None]] = {
    "openvino": read_openvino_folder,
    "gguf": read_gguf_files,
    "huggingface": read_hugging_face_folder,
}
"""Who reads a folder of which format, in the order in which they are tried."""


def _local_model(
    path: Path, format_name: str, variants: Iterable[tuple[str, Path]], shapes: list[Shape]
) -> LocalModel:
    by_precision: dict[str, Path] = {}
    for precision, place in variants:
        if precision in by_precision:
            raise InputError(
                str(path),
                f"has {precision} twice, in {by_precision[precision].name!r} and {place.name!r}",
            )
        by_precision[precision] = place
    first = shapes[0]
    for shape, place in zip(shapes, by_precision.values(), strict=True):
        if shape.model != first.model:
            raise InputError(
                str(path), f"holds several models: {place.name!r} has a shape of its own"
            )
    by_size = sorted(
        by_precision.items(), key=lambda item: bytes_on_disk(item[1], format_name), reverse=True
    )
    return LocalModel(
        first.model.name, first.model, dict(by_size), format_name, first.max_context_tokens
    )


def _ir_precision(folder: Path) -> str:
    """Tell the precision of the weights by how many bytes of constants are of which type."""
    text = (folder / _IR_FILE).read_text(encoding="utf-8", errors="replace")
    num_bytes: Counter[str] = Counter()
    for kind, size in _IR_CONSTANT.findall(text):
        num_bytes[_IR_KINDS.get(kind, kind)] += int(size)
    total = sum(num_bytes.values())
    for precision in ("w4", "w8", "bf16", "f16", "f32"):
        if num_bytes[precision] > _LEAST_PART * total:
            return precision
    raise InputError(str(folder / _IR_FILE), "has no weights")
