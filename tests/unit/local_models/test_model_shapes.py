"""Shapes read from ``config.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgebatch.errors import InputError
from edgebatch.local_models.shapes import read_shape

LLAMA = {
    "model_type": "llama",
    "hidden_size": 8,
    "intermediate_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 10,
    "max_position_embeddings": 64,
    "tie_word_embeddings": False,
}
BLOOM = {"model_type": "bloom", "hidden_size": 8, "n_layer": 2, "n_head": 4, "vocab_size": 10}
OPT = {
    "model_type": "opt",
    "hidden_size": 8,
    "ffn_dim": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 10,
    "max_position_embeddings": 64,
}
GPT_NEOX = {
    "model_type": "gpt_neox",
    "hidden_size": 8,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 10,
    "max_position_embeddings": 64,
}
GEMMA3 = {**LLAMA, "model_type": "gemma3_text", "head_dim": 6}
QWEN2 = {**LLAMA, "model_type": "qwen2", "tie_word_embeddings": True}
QWEN3 = {**LLAMA, "model_type": "qwen3", "head_dim": 4}


def written(folder: Path, config: object) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


def test_a_llama_has_all_its_sizes_and_parameters(tmp_path: Path) -> None:
    shape = read_shape(written(tmp_path, LLAMA), "small")
    model = shape.model
    assert (model.layers, model.hidden_size, model.ffn_size) == (2, 8, 12)
    assert (model.heads, model.kv_heads, model.head_size, model.gated_ffn) == (4, 2, 2, True)
    assert (model.name, shape.vocabulary, shape.max_context_tokens) == ("small", 10, 64)
    # a layer: q and o 8·8, k and v 8·4, three matrices 8·12, two norms 8: 128 + 64 + 288 + 16
    # outside: embedding and output 10·8, last norm 8
    assert model.parameters == 2 * 496 + 160 + 8


def test_tied_embeddings_count_once(tmp_path: Path) -> None:
    tied = read_shape(written(tmp_path, {**LLAMA, "tie_word_embeddings": True}))
    assert tied.model.parameters == 2 * 496 + 80 + 8


def test_a_bloom_has_a_network_of_four_times_its_width(tmp_path: Path) -> None:
    shape = read_shape(written(tmp_path, BLOOM))
    assert (shape.model.ffn_size, shape.model.gated_ffn) == (32, False)
    assert shape.max_context_tokens is None
    # a layer: 12·64 in matrices, biases 3·8 + 8 + 32 + 8, two norms of 16; two more norms outside
    assert shape.model.parameters == 2 * (768 + 72 + 32) + 80 + 32


def test_an_opt_has_learned_positions(tmp_path: Path) -> None:
    # a layer: 4·64 + 2·96 in matrices, biases 4·8 + 12 + 8, norms 32; outside: 80, (64+2)·8, 16
    shape = read_shape(written(tmp_path, OPT))
    assert shape.model.parameters == 2 * (448 + 52 + 32) + 80 + 528 + 16


@pytest.mark.parametrize(
    "config", [LLAMA, BLOOM, OPT, GPT_NEOX, GEMMA3, QWEN2, QWEN3], ids=lambda it: it["model_type"]
)
def test_parameters_are_as_many_as_transformers_makes(
    tmp_path: Path, config: dict[str, Any]
) -> None:
    pytest.importorskip("torch", reason="transformers makes models with torch")
    transformers = pytest.importorskip("transformers", reason="the reference is transformers")
    values = {key: value for key, value in config.items() if key != "model_type"}
    made = transformers.AutoModelForCausalLM.from_config(
        transformers.AutoConfig.for_model(config["model_type"], **values, pad_token_id=0)
    )
    made.config.save_pretrained(tmp_path)
    assert read_shape(tmp_path / "config.json").model.parameters == made.num_parameters()


def test_the_language_model_inside_a_multimodal_one_is_found(tmp_path: Path) -> None:
    outer = {"model_type": "gemma3", "text_config": GEMMA3}
    assert read_shape(written(tmp_path, outer)).model.head_size == 6


@pytest.mark.parametrize(
    ("config", "path", "problem"),
    [
        ({**LLAMA, "model_type": "mamba"}, ": model_type", "is not a family whose shape is known"),
        ({**LLAMA, "hidden_size": "8"}, ": hidden_size", "must be a positive whole number"),
        ({**LLAMA, "num_hidden_layers": 0}, ": num_hidden_layers", "must be a positive"),
        ({**LLAMA, "vocab_size": True}, ": vocab_size", "must be a positive whole number"),
        ({"model_type": "llama"}, ": hidden_size", "missing"),
        ([], "", "must be a JSON object"),
        ({**LLAMA, "model_type": ["llama"]}, ": model_type", "is not a family whose shape"),
        ({**LLAMA, "hidden_size": 10**400}, ": hidden_size", "must be at most 2147483647"),
    ],
)
def test_a_wrong_configuration_is_refused_with_the_key(
    tmp_path: Path, config: object, path: str, problem: str
) -> None:
    file = written(tmp_path, config)
    with pytest.raises(InputError) as caught:
        read_shape(file)
    assert caught.value.path == f"{file}{path}"
    assert problem in caught.value.problem


def test_what_is_not_json_or_not_there_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    with pytest.raises(InputError, match="cannot be read"):
        read_shape(file)
    file.write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="is not JSON"):
        read_shape(file)
    file.write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(InputError, match="is not JSON"):
        read_shape(file)
