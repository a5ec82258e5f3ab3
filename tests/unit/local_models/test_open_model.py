"""Models found by name or by path."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from edgebatch.errors import InputError, UnknownNameError
from edgebatch.local_models import heldout_text, open_model
from edgebatch.local_models.shipped import shipped_folder

CONFIG = {
    "model_type": "llama",
    "hidden_size": 8,
    "intermediate_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 10,
    "max_position_embeddings": 64,
    "torch_dtype": "bfloat16",
}
IR_FILES = ("openvino_tokenizer.xml", "openvino_detokenizer.xml")


def ir_folder(folder: Path, *constants: tuple[str, int], config: object = CONFIG) -> Path:
    """Write what is looked at in an exported model; ``constants`` are types and bytes."""
    folder.mkdir(parents=True)
    lines = [
        f'<data element_type="{kind}" shape="2, 2" offset="0" size="{size}" />'
        for kind, size in constants
    ]
    (folder / "openvino_model.xml").write_text("\n".join(lines), encoding="utf-8")
    (folder / "openvino_model.bin").write_bytes(b"w" * sum(size for _, size in constants))
    for name in IR_FILES:
        (folder / name).touch()
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def hugging_face_folder(folder: Path, **changes: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({**CONFIG, **changes}), encoding="utf-8")
    (folder / "model-1.safetensors").write_bytes(b"w" * 100)
    (folder / "model-2.safetensors").write_bytes(b"w" * 50)
    return folder


@pytest.mark.parametrize(
    ("format_name", "precisions"),
    [(None, ["f16", "w8", "w4"]), ("gguf", ["f16", "q8_0", "q4_0"])],
)
def test_the_shipped_model_is_there_in_two_formats(
    format_name: str | None, precisions: list[str]
) -> None:
    model = open_model("edgebatch-tiny", format_name)
    assert (model.name, model.model.name) == ("edgebatch-tiny", "edgebatch-tiny")
    assert list(model.variants) == precisions
    assert model.max_context_tokens == 2048
    # 2 bytes, 1 byte, and 4 bits for layers with 8 for embeddings, each with scales
    low, middle, high = sorted(model.bytes_per_parameter(name) for name in precisions)
    assert (0.6 < low < 0.8, 1.0 < middle < 1.1, 2.0 <= high < 2.02) == (True, True, True)


def test_both_formats_of_the_shipped_model_have_one_shape() -> None:
    assert open_model("edgebatch-tiny", "gguf").model == open_model("edgebatch-tiny").model


def test_the_held_out_text_is_long_enough_to_measure_with() -> None:
    assert 50_000 < len(heldout_text().encode()) < 100_000


def test_a_folder_of_one_precision_is_known_by_the_types_of_its_weights(tmp_path: Path) -> None:
    # eight-bit embeddings and sixteen-bit scales beside four-bit layers
    path = ir_folder(tmp_path / "mine", ("i4", 500), ("u8", 400), ("f16", 100))
    model = open_model(str(path))
    assert (model.name, model.format, model.variants) == ("mine", "openvino", {"w4": path})
    assert model.weight_bytes("w4") == 1000


def test_four_bit_tables_of_a_tokenizer_size_do_not_make_a_model_four_bit(tmp_path: Path) -> None:
    path = ir_folder(tmp_path / "mine", ("u4", 10), ("u8", 900), ("f32", 90))
    assert list(open_model(str(path)).variants) == ["w8"]


def test_a_folder_with_a_folder_a_precision_has_them_most_bytes_first(tmp_path: Path) -> None:
    ir_folder(tmp_path / "both" / "w8", ("f16", 100))  # a known name counts, whatever is inside
    ir_folder(tmp_path / "both" / "sixteen", ("f16", 300))
    model = open_model(str(tmp_path / "both"))
    assert list(model.variants) == ["f16", "w8"]
    assert (model.model.layers, model.max_context_tokens) == (2, 64)


def test_a_hugging_face_folder_has_one_precision(tmp_path: Path) -> None:
    model = open_model(str(hugging_face_folder(tmp_path / "mine")))
    assert (model.format, list(model.variants)) == ("huggingface", ["bf16"])
    assert model.weight_bytes("bf16") == 150


def test_a_file_and_a_folder_of_gguf_files_are_models(tmp_path: Path) -> None:
    for name in ("f16", "q8_0"):
        shutil.copy(shipped_folder("edgebatch-tiny", "gguf") / f"{name}.gguf", tmp_path / name)
        (tmp_path / name).rename(tmp_path / f"tiny-{name}.gguf")
    assert list(open_model(str(tmp_path)).variants) == ["f16", "q8_0"]
    alone = open_model(str(tmp_path / "tiny-q8_0.gguf"))
    assert (alone.name, alone.format, list(alone.variants)) == ("tiny-q8_0", "gguf", ["q8_0"])


def test_the_format_asked_for_is_taken(tmp_path: Path) -> None:
    path = ir_folder(tmp_path / "mine", ("f16", 300))
    hugging_face_folder(path)
    assert open_model(str(path)).format == "openvino"
    assert open_model(str(path), "huggingface").format == "huggingface"


def test_an_unknown_format_or_precision_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'gguf'"):
        open_model("edgebatch-tiny", "ggml")
    with pytest.raises(UnknownNameError, match="precision: unknown name 'w3'"):
        open_model("edgebatch-tiny").variant("w3")


def test_what_does_not_ship_is_refused() -> None:
    with pytest.raises(InputError, match="ships as openvino and as gguf only"):
        open_model("edgebatch-tiny", "huggingface")


def test_nothing_at_all_is_refused_with_the_names_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder, nor a model known as edgebatch-"):
        open_model(str(tmp_path / "none"))


def test_a_folder_without_a_model_is_refused_with_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no model in it; expected openvino_model.xml, or"):
        open_model(str(tmp_path))
    with pytest.raises(InputError, match=r"has no model in it; expected \*.gguf$"):
        open_model(str(tmp_path), "gguf")


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.touch()
    with pytest.raises(InputError, match="is a file; expected a folder"):
        open_model(str(path))


@pytest.mark.parametrize("missing", ["openvino_model.bin", *IR_FILES])
def test_an_export_without_one_of_its_files_is_refused(tmp_path: Path, missing: str) -> None:
    path = ir_folder(tmp_path / "mine", ("f16", 300))
    (path / missing).unlink()
    with pytest.raises(InputError, match=f"has no {missing}; export the model again"):
        open_model(str(path))


def test_an_export_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no weights"):
        open_model(str(ir_folder(tmp_path / "mine")))


def test_the_same_precision_twice_is_refused(tmp_path: Path) -> None:
    ir_folder(tmp_path / "both" / "one", ("f16", 100))
    ir_folder(tmp_path / "both" / "two", ("f16", 100))
    with pytest.raises(InputError, match="has f16 twice, in 'one' and 'two'"):
        open_model(str(tmp_path / "both"))


def test_two_models_in_one_folder_are_refused(tmp_path: Path) -> None:
    ir_folder(tmp_path / "both" / "f16", ("f16", 100))
    ir_folder(tmp_path / "both" / "w8", ("u8", 50), config={**CONFIG, "num_hidden_layers": 3})
    with pytest.raises(InputError, match="holds several models: 'w8' has a shape of its own"):
        open_model(str(tmp_path / "both"))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"torch_dtype": "int8"}, "the weights are int8; expected one of bfloat16"),
        ({"quantization_config": {"bits": 4}}, "the weights are quantised; expected one of"),
    ],
)
def test_quantised_hugging_face_weights_are_refused(
    tmp_path: Path, changes: dict[str, object], problem: str
) -> None:
    with pytest.raises(InputError, match=problem):
        open_model(str(hugging_face_folder(tmp_path / "mine", **changes)))


def test_a_home_folder_of_nobody_is_a_place_where_nothing_is() -> None:
    with pytest.raises(InputError, match="~no-such-user/model: there is no such file or folder"):
        open_model("~no-such-user/model")
