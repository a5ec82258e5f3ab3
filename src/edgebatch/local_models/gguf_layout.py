"""Sizes and parameters of a model of ``transformers`` as llama.cpp lays them out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from edgebatch.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Tensor = NDArray[np.float32]


def add_sizes(writer: Any, family: str, config: Any) -> None:
    """Add a model's sizes to a ``gguf.GGUFWriter``.

    Raises:
        InputError: it rotates by angles that are scaled in a way not written here.
    """
    heads = config.num_attention_heads
    writer.add_vocab_size(config.vocab_size)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_head_count(heads)
    if family == "bloom":
        writer.add_context_length(getattr(config, "seq_length", 2048))
        writer.add_feed_forward_length(4 * config.hidden_size)
        writer.add_head_count_kv(heads)
        writer.add_layer_norm_eps(config.layer_norm_epsilon)
        return
    head_size = getattr(config, "head_dim", None) or config.hidden_size // heads
    writer.add_context_length(config.max_position_embeddings)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head_size)
    writer.add_value_length(head_size)
    writer.add_rope_dimension_count(head_size)
    writer.add_rope_freq_base(_rope_base(config))
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)


def _rope_base(config: Any) -> float:
    """Return the base of the rotation's angles; later releases keep it with its scaling."""
    rope = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind != "default":
        raise InputError(
            "rope_scaling",
            f"is {kind!r}, which is not written here; llama.cpp's convert_hf_to_gguf.py does",
        )
    return float(rope.get("rope_theta") or config.rope_theta)


def tensors(family: str, model: Any) -> Iterator[tuple[str, Tensor]]:
    """Yield the parameters as llama.cpp lays them out, tied ones once."""
    config = model.config
    heads = config.num_attention_heads
    for key, parameter in model.named_parameters():
        tensor: Tensor = parameter.detach().float().numpy()
        if family == "bloom":
            key = key.removeprefix("transformer.")
            if "query_key_value" in key:
                tensor = _queries_first(tensor, heads)
        elif family != "qwen2" and "q_proj" in key:
            tensor = _halves_interleaved(tensor, heads)
        elif family != "qwen2" and "k_proj" in key:
            tensor = _halves_interleaved(tensor, config.num_key_value_heads)
        yield key, tensor


def _halves_interleaved(tensor: Tensor, heads: int) -> Tensor:
    """Reorder rows: llama.cpp rotates neighbouring pairs, transformers the halves of a head."""
    rows = tensor.reshape(heads, 2, -1, *tensor.shape[1:])
    return rows.swapaxes(1, 2).reshape(tensor.shape)


def _queries_first(tensor: Tensor, heads: int) -> Tensor:
    """Reorder rows: BLOOM keeps q, k and v of a head together, llama.cpp all q, all k, all v."""
    rows = tensor.reshape(heads, 3, -1, *tensor.shape[1:])
    return rows.swapaxes(0, 1).reshape(tensor.shape)
