"""Operator tables of a small machine whose times can be worked out by hand."""

from __future__ import annotations

from itertools import product
from pathlib import Path

DENSE = (
    *("embedding", "final_layernorm", "layernorm", "qkv_proj", "rotary_emb"),
    *("o_proj", "gate_up_proj", "act_fn", "down_proj"),
)
SIZES = (1, 2, 4, 8, 16)
CONTEXTS = (4, 8, 16, 32, 64)
PROMPTS = (4, 8, 12, 16, 24, 32)
MOST_TOKENS = 64


def attention_us(prompt: int, members: int, context: int) -> float:
    """One layer's attention: 10 ns a square of the prompt, 50 ns a token of context."""
    return 0.01 * prompt**2 + 0.05 * members * context


def write_tables(folder: Path) -> Path:
    """Write tables in which every time is a constant plus a sum over members.

    Operators take 1 µs, and qkv_proj 0.5 µs a token besides; lm_head takes 20 µs and 2 µs a
    sequence, the sampler 1 µs.
    """
    folder.mkdir(exist_ok=True)
    dense = ["layer,tokens,time_us"]
    for name, tokens in product(DENSE, range(1, MOST_TOKENS + 1)):
        dense.append(f"{name},{tokens},{1.0 + 0.5 * tokens * (name == 'qkv_proj')}")
    head = ["layer,sequences,time_us"]
    for sequences in range(1, 33):
        head += [f"lm_head,{sequences},{20.0 + 2.0 * sequences}", f"sampler,{sequences},1.0"]
    attention = ["prefill_chunk,kv_prefill,n_decode,kv_decode,time_us"]
    decoding = [(0, 0), *product(SIZES, CONTEXTS)]
    for prompt, (members, context) in product((0, *PROMPTS), decoding):
        if prompt or members:
            seconds = attention_us(prompt, members, context)
            attention.append(f"{prompt},0,{members},{context},{seconds}")
    attention.append("4,16,0,0,999.0")  # a prompt whose first part is cached: not used
    for name, rows in (("dense", dense), ("per_sequence", head), ("attention", attention)):
        (folder / f"{name}.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder
