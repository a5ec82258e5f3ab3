"""Models with random weights, made when asked for: for speed and memory, not for what they say.

Weights are drawn with a fixed seed, large enough for answers to vary and too small for anything to
overflow; the tokenizer is that of the shipped model.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edgebatch.errors import InputError, MissingExtraError
from edgebatch.files import from_home
from edgebatch.local_models.convert import convert_model, unfinished
from edgebatch.local_models.quiet import quiet
from edgebatch.local_models.shipped import shipped_tokenizer

CACHE_VARIABLE = "EDGEBATCH_CACHE"

_SEED = 0
_VOCABULARY = 2048
_CONTEXT = 2048

# sizes are multiples of 256 where the family allows it, so that every kind of block fits the rows
GENERATED_MODELS: Mapping[str, Mapping[str, Any]] = {
    "llama-36m": {"family": "llama", "hidden": 512, "ffn": 1536, "layers": 10, "heads": 8},
    "llama-222m": {"family": "llama", "hidden": 1024, "ffn": 3072, "layers": 16, "heads": 16},
    "bloom-36m": {"family": "bloom", "hidden": 512, "layers": 11, "heads": 8},
    "bloom-222m": {"family": "bloom", "hidden": 1024, "layers": 17, "heads": 16},
    "opt-36m": {"family": "opt", "hidden": 512, "ffn": 2048, "layers": 11, "heads": 8},
    "opt-222m": {"family": "opt", "hidden": 1024, "ffn": 4608, "layers": 16, "heads": 16},
}
"""Sizes by name; the feed-forward network of BLOOM is always four times as wide as the rest."""


def cache_folder() -> Path:
    """Return where generated models are kept: ``$EDGEBATCH_CACHE``, or the user's cache folder."""
    given = os.environ.get(CACHE_VARIABLE)
    if given:
        return from_home(given)
    from platformdirs import user_cache_path

    return user_cache_path("edgebatch")


def generated_folder(
    name: str, format_name: str, report: Callable[[str], None] = lambda _stage: None
) -> Path:
    """Return the folder of a generated model in a format, making it if it is not there.

    Args:
        name: one of :data:`GENERATED_MODELS`.
        format_name: ``openvino``, ``gguf`` or ``huggingface``.
        report: is told what is being done.

    Raises:
        InputError: the family does not exist in that format, or the cache cannot be written.
        MissingExtraError: it must be made, and ``torch`` or another library is not installed.
    """
    require_generated(name, format_name)
    folder = cache_folder() / "models" / name / format_name
    if not folder.is_dir():
        try:
            _make(name, format_name, folder, report)
        except InputError:
            if not folder.is_dir():  # else another process was quicker
                raise
    return folder


def _make(name: str, format_name: str, folder: Path, report: Callable[[str], None]) -> None:
    if format_name == "huggingface":
        with unfinished(folder) as partial:
            write_random_model(name, partial, report)
        return
    temporary = folder.with_name(f".{format_name}.{os.getpid()}.source")
    try:
        write_random_model(name, temporary, report)
        convert_model(temporary, folder, format_name, report=report, name=name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def require_generated(name: str, format_name: str) -> None:
    """Raise if the family of a generated model does not exist in a format.

    Raises:
        InputError: it does not.
    """
    if format_name == "gguf" and GENERATED_MODELS[name]["family"] == "opt":
        raise InputError(name, "is an OPT model, which llama.cpp cannot run; use openvino")


def write_random_model(
    name: str, folder: Path, report: Callable[[str], None] = lambda _stage: None
) -> None:
    """Write a model of :data:`GENERATED_MODELS` as ``transformers`` saves it, with a tokenizer.

    Raises:
        InputError: the folder cannot be written.
        MissingExtraError: ``torch`` or ``transformers`` is not installed.
    """
    try:
        import torch
        from transformers import AutoModelForCausalLM
    except ImportError as error:
        raise MissingExtraError("generating a model", "convert") from error
    report("drawing weights")
    torch.manual_seed(_SEED)
    try:
        with quiet():
            model = AutoModelForCausalLM.from_config(_configuration(GENERATED_MODELS[name]))
            for parameter_name, parameter in model.named_parameters():
                # biases left at zero would be found out by exporters and left out
                if parameter.ndim > 1 or parameter_name.endswith("bias"):
                    torch.nn.init.normal_(parameter, std=_spread(model.config.hidden_size))
            folder.mkdir(parents=True, exist_ok=True)
            model.to(torch.bfloat16).save_pretrained(folder)
        for file in shipped_tokenizer().iterdir():
            shutil.copy(file, folder)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(str(folder), f"cannot be written: {reason}") from error


def _spread(hidden_size: int) -> float:
    """Return the standard deviation of weights.

    Layers then outweigh the embedding: with the usual 0.02, models with tied embeddings repeat
    the last token of the prompt, and if that is a marker their answer has no text at all.
    """
    return 2.0 / math.sqrt(hidden_size)


def _configuration(sizes: Mapping[str, Any]) -> Any:
    from transformers import BloomConfig, LlamaConfig, OPTConfig

    # the shipped tokenizer ends texts with its first token
    common = {
        "vocab_size": _VOCABULARY,
        "hidden_size": sizes["hidden"],
        "bos_token_id": 0,
        "eos_token_id": 0,
        "pad_token_id": 0,
    }
    if sizes["family"] == "bloom":
        return BloomConfig(
            **common, n_layer=sizes["layers"], n_head=sizes["heads"], seq_length=_CONTEXT
        )
    common |= {
        "num_hidden_layers": sizes["layers"],
        "num_attention_heads": sizes["heads"],
        "max_position_embeddings": _CONTEXT,
    }
    if sizes["family"] == "opt":
        return OPTConfig(**common, ffn_dim=sizes["ffn"], word_embed_proj_dim=sizes["hidden"])
    return LlamaConfig(**common, intermediate_size=sizes["ffn"])
