"""The shape of a model, read from the ``config.json`` beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgebatch.errors import InputError
from edgebatch.problem import Model

_LARGEST = 2**31 - 1
"""Far above any size, so that no product can overflow."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a model's configuration says.

    Attributes:
        family: ``model_type`` in the configuration, such as ``llama``.
        model: sizes; ``parameters`` counts all, tied matrices once.
        max_context_tokens: most tokens of prompt and answer; None if it sets no limit.
        vocabulary: rows of the embedding.
    """

    family: str
    model: Model
    max_context_tokens: int | None
    vocabulary: int


@dataclass(frozen=True, slots=True)
class _Config:
    """A configuration, with errors that say where they are."""

    path: str
    values: Mapping[str, Any]

    def count(self, *keys: str, default: int | None = None) -> int:
        """Return the whole number under the first of ``keys`` that is there."""
        for key in keys:
            value = self.values.get(key)
            if value is not None:
                if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                    problem = f"must be a positive whole number, got {value!r}"
                    raise InputError(f"{self.path}: {key}", problem)
                if value > _LARGEST:
                    problem = f"must be at most {_LARGEST}, has {value.bit_length()} bits"
                    raise InputError(f"{self.path}: {key}", problem)
                return value
        if default is None:
            raise InputError(f"{self.path}: {keys[0]}", "missing; it belongs to the model's shape")
        return default

    def limit(self) -> int | None:
        """Return the most tokens of a context; None if nothing is said of it."""
        for key in ("max_position_embeddings", "seq_length", "n_positions"):
            if self.values.get(key) is not None:
                return self.count(key)
        return None

    def flag(self, key: str, default: bool) -> bool:
        """Return whether ``key`` is set."""
        return bool(self.values.get(key, default))


def read_shape(path: Path, name: str = "") -> Shape:
    """Return the shape that a ``config.json`` describes.

    Raises:
        InputError: it cannot be read, is not one, or is of a family that is not known here.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(str(path), f"cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(str(path), f"is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise InputError(str(path), "must be a JSON object")
    family = values.get("model_type")
    # multimodal models keep the language model's sizes one level further in
    inner = values.get("text_config")
    if isinstance(inner, dict):
        family = inner.get("model_type", family)
        values = {**values, **inner}
    if not isinstance(family, str) or family not in _FAMILIES:
        raise InputError(
            f"{path}: model_type",
            f"{family!r} is not a family whose shape is known; known: {', '.join(_FAMILIES)}",
        )
    return _FAMILIES[family](_Config(str(path), values), family, name)


def _llama_like(config: _Config, family: str, name: str) -> Shape:
    hidden = config.count("hidden_size")
    heads = config.count("num_attention_heads")
    layers = config.count("num_hidden_layers")
    vocabulary = config.count("vocab_size")
    gemma = family.startswith("gemma")
    model = Model(
        layers=layers,
        hidden_size=hidden,
        ffn_size=config.count("intermediate_size"),
        heads=heads,
        kv_heads=config.count("num_key_value_heads", default=heads),
        head_size=config.count("head_dim", default=max(1, hidden // heads)),
        gated_ffn=True,
        name=name,
    )
    qkv_width = (heads + 2 * model.kv_heads) * model.head_size
    norms = hidden * (4 if family in ("gemma2", "gemma3", "gemma3_text") else 2)
    if family in ("qwen3", "gemma3", "gemma3_text"):
        norms += 2 * model.head_size
    biases = qkv_width if family == "qwen2" else 0
    if config.flag("attention_bias", default=False) and family != "qwen2":
        biases = qkv_width + hidden
    if config.flag("mlp_bias", default=False):
        biases += 2 * model.ffn_size + hidden
    embeddings = vocabulary * hidden
    if not config.flag("tie_word_embeddings", default=gemma):
        embeddings *= 2
    return _shape(config, family, model, vocabulary, norms + biases, embeddings + hidden)


def _bloom(config: _Config, family: str, name: str) -> Shape:
    hidden = config.count("hidden_size", "n_embed")
    model = Model(
        layers=config.count("n_layer", "num_hidden_layers"),
        hidden_size=hidden,
        ffn_size=4 * hidden,
        heads=config.count("n_head", "num_attention_heads"),
        name=name,
    )
    # biases of qkv (3), attention's output, both of the feed-forward network (4 + 1); two norms
    vocabulary = config.count("vocab_size")
    embeddings = vocabulary * hidden * (1 if config.flag("tie_word_embeddings", True) else 2)
    # and norms before the first layer and after the last
    return _shape(
        config, family, model, vocabulary, (3 + 1 + 5 + 4) * hidden, embeddings + 4 * hidden
    )


def _opt(config: _Config, family: str, name: str) -> Shape:
    hidden = config.count("hidden_size")
    ffn = config.count("ffn_dim", "intermediate_size")
    model = Model(
        layers=config.count("num_hidden_layers"),
        hidden_size=hidden,
        ffn_size=ffn,
        heads=config.count("num_attention_heads"),
        name=name,
    )
    vocabulary = config.count("vocab_size")
    width = config.count("word_embed_proj_dim", default=hidden)
    positions = config.count("max_position_embeddings") + 2  # OPT's table begins with two unused
    embeddings = vocabulary * width * (1 if config.flag("tie_word_embeddings", True) else 2)
    outside = embeddings + positions * hidden
    if width != hidden:
        outside += 2 * width * hidden
    if config.flag("do_layer_norm_before", True):
        outside += 2 * hidden
    # biases of q, k, v and the output, of both matrices of the network; two norms
    per_layer = 4 * hidden + ffn + hidden + 4 * hidden
    return _shape(config, family, model, vocabulary, per_layer, outside)


def _gpt_neox(config: _Config, family: str, name: str) -> Shape:
    hidden = config.count("hidden_size")
    ffn = config.count("intermediate_size")
    model = Model(
        layers=config.count("num_hidden_layers"),
        hidden_size=hidden,
        ffn_size=ffn,
        heads=config.count("num_attention_heads"),
        name=name,
    )
    vocabulary = config.count("vocab_size")
    embeddings = vocabulary * hidden * (1 if config.flag("tie_word_embeddings", False) else 2)
    attention_biases = 4 * hidden if config.flag("attention_bias", True) else 0
    per_layer = attention_biases + ffn + hidden + 4 * hidden
    return _shape(config, family, model, vocabulary, per_layer, embeddings + 2 * hidden)


def _shape(
    config: _Config, family: str, model: Model, vocabulary: int, per_layer: int, outside: int
) -> Shape:
    """Add up all parameters: the matrices of each layer, what else it has, and what is outside."""
    parameters = model.layers * (model.linear_parameters_per_layer + per_layer) + outside
    return Shape(family, model.replace(parameters=parameters), config.limit(), vocabulary)


_Reader = Callable[[_Config, str, str], Shape]
_FAMILIES: dict[str, _Reader] = {
    **dict.fromkeys(
        ("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3", "gemma3_text"),
        _llama_like,
    ),
    "bloom": _bloom,
    "opt": _opt,
    "gpt_neox": _gpt_neox,
}
