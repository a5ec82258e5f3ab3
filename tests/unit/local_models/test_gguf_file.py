"""Heads of GGUF files."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from pathlib import Path

import pytest

from edgebatch.errors import InputError
from edgebatch.local_models.gguf_file import read_gguf

LLAMA: dict[str, int | str | list[str] | list[int]] = {
    "general.architecture": "llama",
    "general.file_type": 15,
    "llama.block_count": 1,
    "llama.embedding_length": 8,
    "llama.feed_forward_length": 12,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "llama.context_length": 64,
    "tokenizer.ggml.tokens": ["a", "bc", ""],
    "tokenizer.ggml.token_type": [1, 1, 3],
}
TENSORS = {
    "token_embd.weight": (8, 10),
    "blk.0.ffn_gate.weight": (8, 12),
    "rope_freqs.weight": (1,),
}


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def typed(value: int | str | list[str] | list[int]) -> bytes:
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + text(value)
    if value and isinstance(value[0], str):
        return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(text(str(item)) for item in value)
    return struct.pack("<IIQ", 9, 4, len(value)) + struct.pack(f"<{len(value)}I", *value)


def head(
    metadata: Mapping[str, int | str | list[str] | list[int]],
    tensors: Mapping[str, tuple[int, ...]] = TENSORS,
    version: int = 3,
) -> bytes:
    content = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(metadata))
    for key, value in metadata.items():
        content += text(key) + typed(value)
    for name, shape in tensors.items():
        content += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, 0)
    return content + b"\0" * (-len(content) % 32)


def file_of(folder: Path, content: bytes) -> Path:
    path = folder / "model.gguf"
    path.write_bytes(content)
    return path


def test_sizes_come_from_the_metadata_and_parameters_from_the_tensors(tmp_path: Path) -> None:
    gguf = read_gguf(file_of(tmp_path, head(LLAMA) + b"w" * 100))
    shape = gguf.shape("mine")
    assert (gguf.precision, gguf.weight_bytes) == ("q4_k_m", 100)
    assert (shape.family, shape.max_context_tokens, shape.vocabulary) == ("llama", 64, 10)
    model = shape.model
    assert (model.layers, model.hidden_size, model.ffn_size) == (1, 8, 12)
    assert (model.heads, model.kv_heads, model.head_size, model.gated_ffn) == (4, 2, 2, True)
    # 8·10 + 8·12; angles are not parameters
    assert (model.parameters, model.name) == (176, "mine")


def test_a_given_head_size_and_alignment_are_heeded(tmp_path: Path) -> None:
    metadata = {**LLAMA, "llama.attention.key_length": 16, "general.alignment": 64}
    content = head(metadata)
    content += b"\0" * (-len(content) % 64)
    gguf = read_gguf(file_of(tmp_path, content + b"w" * 7))
    assert (gguf.shape("").model.head_size, gguf.weight_bytes) == (16, 7)


@pytest.mark.parametrize(("width", "gated"), [(12, False), (24, True)])
def test_a_gate_within_the_other_matrix_is_seen_by_its_width(
    tmp_path: Path, width: int, gated: bool
) -> None:
    tensors = {"token_embd.weight": (8, 10), "blk.0.ffn_up.weight": (8, width)}
    gguf = read_gguf(file_of(tmp_path, head(LLAMA, tensors)))
    assert gguf.shape("").model.gated_ffn == gated


@pytest.mark.parametrize(
    ("metadata", "tensors", "problem"),
    [
        ({**LLAMA, "llama.block_count": 0}, TENSORS, "must be one positive whole number"),
        ({**LLAMA, "llama.feed_forward_length": [1, 2]}, TENSORS, "must be one positive whole"),
        ({**LLAMA, "general.architecture": "odd"}, TENSORS, "must be one positive whole number"),
        (LLAMA, {"blk.0.ffn_up_exps.weight": (8, 12, 4)}, "is a mixture of experts"),
    ],
)
def test_a_shape_that_cannot_be_told_is_refused(
    tmp_path: Path,
    metadata: Mapping[str, int | str | list[str] | list[int]],
    tensors: Mapping[str, tuple[int, ...]],
    problem: str,
) -> None:
    gguf = read_gguf(file_of(tmp_path, head(metadata, tensors)))
    with pytest.raises(InputError, match=problem):
        gguf.shape("")


def test_an_unknown_file_type_is_refused(tmp_path: Path) -> None:
    gguf = read_gguf(file_of(tmp_path, head({**LLAMA, "general.file_type": 99})))
    with pytest.raises(InputError, match=r"has general.file_type 99"):
        _ = gguf.precision


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is not a GGUF file"),
        (b"PK\x03\x04", "is not a GGUF file"),
        (head(LLAMA, version=1), "is GGUF version 1"),
        (head({**LLAMA, "split.count": 3}), "is one part of several"),
    ],
)
def test_what_is_not_one_whole_model_is_refused(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    with pytest.raises(InputError, match=problem):
        read_gguf(file_of(tmp_path, content))


def test_a_head_cut_short_anywhere_is_one_clear_error(tmp_path: Path) -> None:
    content = head(LLAMA).rstrip(b"\0")
    for length in range(4, len(content) - 12, 7):
        with pytest.raises(InputError, match=r"damaged|is GGUF version"):
            read_gguf(file_of(tmp_path, content[:length]))


def test_a_head_of_random_bytes_is_one_clear_error(tmp_path: Path) -> None:
    huge = b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + b"\xff" * 64
    with pytest.raises(InputError, match="is a damaged GGUF file"):
        read_gguf(file_of(tmp_path, huge))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_gguf(tmp_path / "none.gguf")


def test_an_alignment_that_is_no_number_is_damage(tmp_path: Path) -> None:
    content = b"GGUF" + struct.pack("<IQQ", 3, 0, 1)
    content += text("general.alignment") + struct.pack("<If", 6, math.nan)
    with pytest.raises(InputError, match="is a damaged GGUF file"):
        read_gguf(file_of(tmp_path, content))


def test_lists_in_lists_without_end_are_damage(tmp_path: Path) -> None:
    content = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("tokens") + struct.pack("<I", 9)
    content += struct.pack("<IQ", 9, 1) * 100_000
    with pytest.raises(InputError, match="is a damaged GGUF file"):
        read_gguf(file_of(tmp_path, content))


def test_a_tensor_without_dimensions_is_damage(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a damaged GGUF file"):
        read_gguf(file_of(tmp_path, head(LLAMA, {"token_embd.weight": ()})))
