"""From a Hugging Face folder to OpenVINO's intermediate representation, one folder a precision."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edgebatch.errors import InputError, MissingExtraError
from edgebatch.local_models.quiet import first_line, quiet
from edgebatch.local_models.shapes import read_shape

OPENVINO_PRECISIONS = ("f16", "w8", "w4")
IR_FILE = "openvino_model.xml"

_GROUP_SIZES = (128, 64, 32)
# of the folder that is converted first, whose tokenizer and settings the others share
_WEIGHT_FILES = {IR_FILE, "openvino_model.bin"}


def convert_openvino(
    source: Path,
    target: Path,
    precisions: Sequence[str] = OPENVINO_PRECISIONS,
    report: Callable[[str], None] = lambda _stage: None,
) -> dict[str, Path]:
    """Write ``target/<precision>`` with the model, its tokenizer and its chat template.

    ``f16`` keeps 16-bit weights; ``w8`` has eight-bit integers with a scale and a zero point a
    row; ``w4`` four-bit integers with a scale for each group of 128, 64 or 32 (the largest that
    divides all rows), embeddings and output in ``w8``. The last two are made by NNCF from the
    first, without data.

    Args:
        source: folder as ``transformers`` saves it, tokenizer included.
        target: folder, made if need be; its subfolders must not exist.
        precisions: which to write, of :data:`OPENVINO_PRECISIONS`.
        report: is told what is being done.

    Returns:
        The folder of each precision.

    Raises:
        InputError: the model is of a kind that cannot be exported.
        MissingExtraError: ``optimum-intel`` or ``nncf`` is not installed.
    """
    folders = {precision: target / precision for precision in precisions}
    f16 = folders.get("f16", target / ".f16")
    report("exporting to f16")
    _export(source, f16)
    for precision, folder in folders.items():
        if precision != "f16":
            report(f"compressing to {precision}")
            _compress(f16, folder, precision)
    if "f16" not in folders:
        shutil.rmtree(f16)
    return folders


@quiet()
def _export(source: Path, folder: Path) -> None:
    try:
        from optimum.exporters.openvino import main_export
        from optimum.intel.openvino.configuration import OVConfig
    except ImportError as error:
        raise MissingExtraError("converting to OpenVINO", "convert") from error
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        main_export(
            str(source),
            folder,
            task="text-generation-with-past",
            ov_config=OVConfig(dtype="fp16"),
            library_name="transformers",
            local_files_only=True,
            convert_tokenizer=True,
        )
    except Exception as error:
        raise InputError(
            str(source), f"cannot be exported to OpenVINO: {first_line(error)}"
        ) from error
    if not (folder / "openvino_tokenizer.xml").is_file():
        raise InputError(str(source), "has no tokenizer that OpenVINO can take over")


@quiet()
def _compress(f16: Path, folder: Path, precision: str) -> None:
    try:
        import nncf
        import openvino
    except ImportError as error:
        raise MissingExtraError("compressing weights", "convert") from error
    if precision == "w8":
        settings: dict[str, Any] = {"mode": nncf.CompressWeightsMode.INT8_ASYM}
    else:
        settings = {
            "mode": nncf.CompressWeightsMode.INT4_SYM,
            "group_size": _group_size(f16),
            "ratio": 1.0,
        }
    try:
        model = openvino.Core().read_model(f16 / IR_FILE)
        compressed = nncf.compress_weights(model, **settings)
        shutil.copytree(f16, folder, ignore=lambda _folder, _names: _WEIGHT_FILES)
        openvino.save_model(compressed, folder / IR_FILE)
    except Exception as error:
        raise InputError(precision, f"cannot be made: {first_line(error)}") from error


def _group_size(folder: Path) -> int:
    shape = read_shape(folder / "config.json").model
    rows = (shape.hidden_size, shape.ffn_size, shape.attention_width)
    for size in _GROUP_SIZES:
        if not any(row % size for row in rows):
            return size
    raise InputError(
        str(folder), f"w4 needs rows that are multiples of {_GROUP_SIZES[-1]}, found {rows}"
    )
