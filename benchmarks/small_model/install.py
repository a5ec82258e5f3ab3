"""Exports the trained model into the package, in the precisions that ship."""

from __future__ import annotations

import shutil
from pathlib import Path

from edgebatch.local_models import open_model
from edgebatch.local_models.convert_gguf import convert_gguf
from edgebatch.local_models.convert_openvino import convert_openvino

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "edgebatch"
SHIPPED = PACKAGE / "local_models" / "data" / "edgebatch-tiny"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def install(trained: Path) -> None:
    """Replace what ships by exports of the Hugging Face folder ``trained``."""
    for format_name in ("openvino", "gguf", "tokenizer"):
        shutil.rmtree(SHIPPED / format_name, ignore_errors=True)
    (SHIPPED / "tokenizer").mkdir(parents=True)
    exported = convert_openvino(trained, SHIPPED / "openvino", report=print)
    for folder in exported.values():
        for name in TOKENIZER_FILES:  # the OpenVINO tokenizer holds all of this
            (folder / name).unlink(missing_ok=True)
    convert_gguf(trained, SHIPPED / "gguf", report=print, name="edgebatch-tiny")
    for name in TOKENIZER_FILES:
        shutil.copy(trained / name, SHIPPED / "tokenizer" / name)
    shutil.copy(trained / "heldout.txt", SHIPPED / "heldout.txt")
    for format_name in ("openvino", "gguf"):
        model = open_model("edgebatch-tiny", format_name)
        for precision in model.variants:
            print(
                f"{format_name} {precision}: {model.weight_bytes(precision):,} bytes, "
                f"{model.bytes_per_parameter(precision):.3f} a parameter"
            )
    num_bytes = sum(path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file())
    print(f"{num_bytes / 1e6:.1f} MB in {SHIPPED}")
