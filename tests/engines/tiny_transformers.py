"""Tiny models with random weights, as transformers saves them, with the shipped tokenizer."""

import shutil
from pathlib import Path
from typing import Any

from edgebatch.local_models.shipped import shipped_tokenizer

CONTEXT = 256
FAMILIES = ("llama", "bloom", "opt")


def write_tiny(family: str, folder: Path) -> Path:
    """Write a model of two layers of width 64, in 32 bits."""
    import torch
    import transformers

    torch.manual_seed(1)
    network = transformers.AutoModelForCausalLM.from_config(tiny_config(family))
    for name, parameter in network.named_parameters():
        # layers must outweigh the embedding, or a model repeats the last token for ever
        if parameter.ndim > 1 or name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.25)
    network.save_pretrained(folder)
    for file in shipped_tokenizer().iterdir():
        shutil.copy(file, folder)
    return folder


def tiny_config(family: str) -> Any:
    import transformers

    common = {"vocab_size": 2048, "hidden_size": 64, "bos_token_id": 0, "eos_token_id": 0}
    if family == "bloom":
        return transformers.BloomConfig(**common, n_layer=2, n_head=4, seq_length=CONTEXT)
    common |= {
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": CONTEXT,
    }
    if family == "opt":
        return transformers.OPTConfig(**common, ffn_dim=128, word_embed_proj_dim=64, pad_token_id=0)
    return transformers.LlamaConfig(**common, intermediate_size=128)
