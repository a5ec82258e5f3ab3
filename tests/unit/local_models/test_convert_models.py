"""Conversion of Hugging Face folders; runs where the libraries for it are installed."""

from __future__ import annotations

import json
import os
import shutil
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgebatch.errors import InputError, UnknownNameError
from edgebatch.local_models import convert_model, open_model, shipped_tokenizer
from edgebatch.local_models.convert import unfinished
from edgebatch.local_models.convert_openvino import _compress
from edgebatch.local_models.gguf_vocabulary import split_name

NEEDS_TORCH = "models are made with torch and transformers (extra convert)"
PROMPT = "Return True if the file is open, otherwise"
SIZES: dict[str, dict[str, Any]] = {
    "llama": {
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
    },
    "qwen2": {
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
    },
    "bloom": {"hidden_size": 64, "n_layer": 2, "n_head": 4},
    "opt": {
        "hidden_size": 64,
        "ffn_dim": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "word_embed_proj_dim": 64,
    },
}


def small_model(family: str, folder: Path) -> Path:
    """Make a model whose weights are large enough for its favourites to be clear ones."""
    torch = pytest.importorskip("torch", reason=NEEDS_TORCH)
    transformers = pytest.importorskip("transformers", reason=NEEDS_TORCH)
    torch.manual_seed(1)
    config = transformers.AutoConfig.for_model(
        family,
        **SIZES[family],
        vocab_size=2048,
        max_position_embeddings=256,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=0,
    )
    model = transformers.AutoModelForCausalLM.from_config(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.15)
    model.save_pretrained(folder)
    for file in shipped_tokenizer().iterdir():
        shutil.copy(file, folder)
    return folder


def reference(folder: Path, num_tokens: int) -> tuple[list[int], list[int], NDArray[np.float32]]:
    """Return the prompt's tokens, the likeliest answer's, and the logits after the prompt."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder)
    prompt = AutoTokenizer.from_pretrained(folder)(PROMPT)["input_ids"]
    tokens = list(prompt)
    logits = []
    with torch.inference_mode():
        for _ in range(num_tokens):
            logits.append(model(torch.tensor([tokens])).logits[0, -1].numpy())
            tokens.append(int(logits[-1].argmax()))
    return prompt, tokens[len(prompt) :], logits[0]


def llama_cpp_answer(path: Path, prompt: list[int], num_tokens: int) -> list[int]:
    xllamacpp = pytest.importorskip("xllamacpp", reason="runs GGUF files (extra llama-cpp)")
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.n_ctx = 256
    parameters.port = 0
    parameters.verbosity = 0
    server = xllamacpp.Server(parameters)
    body = {"prompt": prompt, "n_predict": num_tokens, "temperature": 0, "return_tokens": True}
    request = urllib.request.Request(
        f"{server.listening_address}/completion",
        json.dumps({**body, "ignore_eos": True}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        answer = json.load(response)
    return [int(token) for token in answer["tokens"]]


@pytest.mark.parametrize("family", ["llama", "qwen2", "bloom"])
def test_a_gguf_file_answers_as_transformers_does(family: str, tmp_path: Path) -> None:
    pytest.importorskip("gguf", reason="writes GGUF files (extra convert)")
    source = small_model(family, tmp_path / "source")
    written = convert_model(source, tmp_path / "made", "gguf", ("f32", "q8_0", "q4_0"))
    prompt, expected, _ = reference(source, 12)
    assert llama_cpp_answer(written["f32"], prompt, 12) == expected
    model = open_model(str(tmp_path / "made"))
    assert list(model.variants) == ["f32", "q8_0", "q4_0"]
    assert model.model.parameters == open_model(str(source)).model.parameters
    # blocks of 32 values: q8_0 has 34 bytes of them, q4_0 18; embeddings stay at q8_0
    assert 0.55 < model.bytes_per_parameter("q4_0") < model.bytes_per_parameter("q8_0") < 1.15


@pytest.mark.parametrize("family", ["llama", "bloom", "opt"])
def test_an_openvino_model_has_the_logits_of_transformers(family: str, tmp_path: Path) -> None:
    pytest.importorskip("optimum.intel", reason="exports to OpenVINO (extra convert)")
    source = small_model(family, tmp_path / "source")
    written = convert_model(source, tmp_path / "made", "openvino")
    prompt, _, expected = reference(source, 1)
    logits = {name: openvino_logits(folder, prompt) for name, folder in written.items()}
    spread = float(expected.std())
    errors = {name: float(np.abs(found - expected).mean()) for name, found in logits.items()}
    assert errors["f16"] < 0.01 * spread
    assert errors["f16"] < errors["w8"] < errors["w4"] < spread
    model = open_model(str(tmp_path / "made"))
    assert list(model.variants) == ["f16", "w8", "w4"]
    assert model.model == open_model(str(source)).model.replace(name="made")


def openvino_logits(folder: Path, prompt: list[int]) -> NDArray[np.float32]:
    import openvino

    model = openvino.Core().read_model(folder / "openvino_model.xml")
    settings = {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0"}
    compiled = openvino.compile_model(model, "CPU", settings)
    inputs: dict[str, NDArray[np.int64] | NDArray[np.int32]] = {
        "input_ids": np.array([prompt]),
        "attention_mask": np.ones((1, len(prompt)), dtype=np.int64),
        "position_ids": np.arange(len(prompt))[None],
        "beam_idx": np.zeros(1, dtype=np.int32),
    }
    wanted = {name for port in compiled.inputs for name in port.names}
    result = compiled.create_infer_request().infer(
        {name: value for name, value in inputs.items() if name in wanted}
    )
    logits: NDArray[np.float32] = result["logits"][0, -1]
    return logits


def test_one_precision_can_be_had_alone(tmp_path: Path) -> None:
    pytest.importorskip("optimum.intel", reason="exports to OpenVINO (extra convert)")
    source = small_model("llama", tmp_path / "source")
    convert_model(source, tmp_path / "made", "openvino", ("w8", "w8"))
    assert [entry.name for entry in (tmp_path / "made").iterdir()] == ["w8"]


def test_an_opt_model_has_no_gguf(tmp_path: Path) -> None:
    config = {"model_type": "opt"}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(InputError, match="is an OPT model"):
        convert_model(tmp_path, tmp_path / "made", "gguf")
    assert not (tmp_path / "made").exists()


def test_a_family_that_is_not_written_is_refused_with_who_can(tmp_path: Path) -> None:
    config = {"model_type": "gpt_neox"}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(InputError, match=r"convert_hf_to_gguf.py knows more"):
        convert_model(tmp_path, tmp_path / "made", "gguf")


def test_a_broken_model_is_one_clear_error(tmp_path: Path) -> None:
    source = small_model("llama", tmp_path / "source")
    (source / "model.safetensors").write_bytes(b"not weights")
    for format_name in ("openvino", "gguf"):
        with pytest.raises(InputError, match=r"cannot be (exported|loaded)") as caught:
            convert_model(source, tmp_path / "made", format_name)
        assert "\n" not in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["source"]


def test_a_tokenizer_that_llama_cpp_does_not_know_is_refused(tmp_path: Path) -> None:
    source = small_model("llama", tmp_path / "source")
    tokenizer = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer["pre_tokenizer"] = {"type": "Whitespace"}
    (source / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    with pytest.raises(InputError, match=r"cuts text in a way that is not known here \(White"):
        convert_model(source, tmp_path / "made", "gguf")


def test_scaled_rotations_are_refused_rather_than_left_out(tmp_path: Path) -> None:
    source = small_model("llama", tmp_path / "source")
    pytest.importorskip("gguf", reason="writes GGUF files (extra convert)")
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    config["rope_scaling"] = {"rope_type": "linear", "factor": 2.0}
    (source / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(InputError, match="rope_scaling: is 'linear', which is not written here"):
        convert_model(source, tmp_path / "made", "gguf")


# the patterns in tokenizer.json of Llama 3, of Qwen2 and of BLOOM
@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
            r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            "llama-bpe",
        ),
        (
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
            r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            "qwen2",
        ),
        (r" ?[^(\s|[.,!?…。，、।۔،])]+", "bloom"),
    ],
)
def test_published_tokenizers_are_known_by_how_they_cut(pattern: str, expected: str) -> None:
    steps = [{"type": "Split", "pattern": {"Regex": pattern}}, {"type": "ByteLevel"}]
    assert split_name({"type": "Sequence", "pretokenizers": steps}) == expected


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="exists already; nothing is overwritten"):
        convert_model(tmp_path / "source", tmp_path, "gguf")


def test_unknown_formats_and_precisions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="--format: unknown name 'onnx'"):
        convert_model(tmp_path, tmp_path / "made", "onnx")
    with pytest.raises(UnknownNameError, match="--precision: unknown name 'q4_k_m'"):
        convert_model(tmp_path, tmp_path / "made", "gguf", ("q4_k_m",))


def test_what_is_interrupted_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "inner" / "made"

    def interrupted() -> None:
        with unfinished(target) as partial:
            (partial / "half").write_text("of it", encoding="utf-8")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list((tmp_path / "inner").iterdir()) == []


def test_what_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(InputError, match="cannot be written: Not a directory"),
        unfinished(tmp_path / "file" / "made"),
    ):
        pass


def test_what_a_killed_process_of_the_same_number_left_is_in_nobodys_way(tmp_path: Path) -> None:
    left = tmp_path / f".made.{os.getpid()}.partial"
    left.mkdir()
    (left / "half").write_text("of it", encoding="utf-8")
    with unfinished(tmp_path / "made") as partial:
        (partial / "whole").touch()
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["whole"]


def test_weights_that_cannot_be_compressed_are_one_clear_error(tmp_path: Path) -> None:
    pytest.importorskip("nncf", reason="compresses weights (extra convert)")
    (tmp_path / "openvino_model.xml").write_text("no model", encoding="utf-8")
    with pytest.raises(InputError, match=r"^w8: cannot be made: ") as caught:
        _compress(tmp_path, tmp_path / "w8", "w8")
    assert "\n" not in str(caught.value)
