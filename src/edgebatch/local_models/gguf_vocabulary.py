"""A tokenizer's part of a GGUF file."""

from __future__ import annotations

import json
from typing import Any

from edgebatch.errors import InputError

# how text is cut before BPE: the pattern in tokenizer.json, and what llama.cpp calls it
_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_SPLITS = {
    rf"{_WORDS}\p{{N}}{{1,3}}{_REST}": "llama-bpe",
    rf"{_WORDS}\p{{N}}{_REST}": "qwen2",
    r" ?[^(\s|[.,!?…。，、।۔،])]+": "bloom",
}
_GPT2 = "gpt-2"


def add_vocabulary(writer: Any, tokenizer: Any, vocabulary: int) -> None:
    """Add tokens, merges, markers and chat template of a byte-level BPE tokenizer.

    Args:
        writer: a ``gguf.GGUFWriter``.
        tokenizer: a fast tokenizer of ``transformers``.
        vocabulary: rows of the model's embedding; may exceed the tokens there are.

    Raises:
        InputError: it is not byte-level BPE, or cuts text in a way not known here.
    """
    import gguf

    document = json.loads(tokenizer.backend_tokenizer.to_str())
    if document["model"]["type"] != "BPE":
        raise _unknown("is not byte-level BPE")
    tokens = [f"[PAD{number}]" for number in range(vocabulary)]
    types = [gguf.TokenType.UNUSED] * vocabulary
    for token, number in document["model"]["vocab"].items():
        tokens[number], types[number] = token, gguf.TokenType.NORMAL
    for added in document["added_tokens"]:
        tokens[added["id"]] = added["content"]
        types[added["id"]] = (
            gguf.TokenType.CONTROL if added["special"] else gguf.TokenType.USER_DEFINED
        )
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(split_name(document["pre_tokenizer"]))
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    merges = document["model"]["merges"]
    writer.add_token_merges(
        [merge if isinstance(merge, str) else " ".join(merge) for merge in merges]
    )
    _add_markers(writer, tokenizer)


def split_name(pre_tokenizer: dict[str, Any] | None) -> str:
    """Return llama.cpp's name for how text is cut into words before BPE.

    Args:
        pre_tokenizer: that part of a ``tokenizer.json``.

    Raises:
        InputError: it is not one of those known here.
    """
    steps = [pre_tokenizer] if pre_tokenizer else []
    if steps and steps[0]["type"] == "Sequence":
        steps = steps[0]["pretokenizers"]
    kinds = [step["type"] for step in steps]
    if kinds == ["ByteLevel"] and steps[0].get("use_regex", True):
        return _GPT2
    if kinds == ["Split", "ByteLevel"]:
        pattern = steps[0]["pattern"].get("Regex", "")
        if pattern in _SPLITS:
            return _SPLITS[pattern]
    raise _unknown(f"cuts text in a way that is not known here ({', '.join(kinds) or 'none'})")


def _add_markers(writer: Any, tokenizer: Any) -> None:
    if tokenizer.bos_token_id is not None:
        writer.add_bos_token_id(tokenizer.bos_token_id)
    if tokenizer.eos_token_id is not None:
        writer.add_eos_token_id(tokenizer.eos_token_id)
    if tokenizer.pad_token_id is not None:
        writer.add_pad_token_id(tokenizer.pad_token_id)
    encoded = tokenizer("a")["input_ids"]
    writer.add_add_bos_token(len(encoded) > 0 and encoded[0] == tokenizer.bos_token_id)
    if tokenizer.chat_template:
        writer.add_chat_template(tokenizer.chat_template)


def _unknown(problem: str) -> InputError:
    return InputError(
        "tokenizer", f"{problem}; llama.cpp's convert_hf_to_gguf.py may be able to convert it"
    )
