"""Linear layers whose weights are stored as integers."""

import sys
from pathlib import Path
from typing import Any

import pytest
from tiny_transformers import FAMILIES, tiny_config

torch = pytest.importorskip("torch", reason="needs the extra 'transformers'")
transformers = pytest.importorskip("transformers", reason="needs the extra 'transformers'")

from edgebatch.engines.transformers_weights import (  # noqa: E402 - it imports torch
    Int4Linear,
    Int8Linear,
    store_in_integers,
)


def linear(num_inputs: int, num_outputs: int, dtype: str = "float32", bias: bool = True) -> Any:
    torch.manual_seed(0)
    return torch.nn.Linear(num_inputs, num_outputs, bias=bias, dtype=getattr(torch, dtype))


def network(family: str, dtype: str = "bfloat16") -> Any:
    torch.manual_seed(0)
    made = transformers.AutoModelForCausalLM.from_config(tiny_config(family))
    return made.to(getattr(torch, dtype))


def num_bytes(module: Any) -> int:
    return sum(each.nbytes for each in (*module.parameters(), *module.buffers()))


def unpacked(layer: Any, num_inputs: int) -> Any:
    """The weights that a layer stands for: its answers to the unit vectors, without bias."""
    units = torch.eye(num_inputs)
    with torch.inference_mode():
        return (layer(units) - layer(torch.zeros(1, num_inputs))).T


def test_eight_bits_are_off_by_half_a_step_at_most() -> None:
    layer = linear(96, 33)
    weight = layer.weight.detach()
    error = (unpacked(Int8Linear(layer), 96) - weight).abs()
    # 127 steps from zero to the largest of each row
    assert (error <= weight.abs().amax(1, keepdim=True) / 127 / 2 + 1e-6).all()
    assert error.max() > 1e-4


@pytest.mark.parametrize("group_size", [32, 64])
def test_four_bits_are_off_by_half_a_step_of_their_group_at_most(group_size: int) -> None:
    layer = linear(128, 48)
    weight = layer.weight.detach()
    error = (unpacked(Int4Linear(layer, group_size), 128) - weight).abs()
    groups = weight.unflatten(1, (-1, group_size))
    # 15 steps from the least to the most of each group
    half = (groups.amax(2) - groups.amin(2)) / 15 / 2
    assert (error.unflatten(1, (-1, group_size)) <= half[..., None] + 1e-6).all()
    assert error.max() > 1e-3


@pytest.mark.parametrize(("dtype", "most"), [("bfloat16", 4e-3), ("float16", 5e-4)])
def test_sixteen_bit_inputs_are_multiplied_as_exactly_as_they_are(dtype: str, most: float) -> None:
    layer = linear(64, 64, dtype)
    for packed in (Int8Linear(layer), Int4Linear(layer, 64)):
        inputs = torch.randn(2, 5, 64).to(getattr(torch, dtype))
        with torch.inference_mode():
            outputs = packed(inputs).float()
            weight = packed(torch.eye(64, dtype=inputs.dtype)) - layer.bias
            expected = inputs.float() @ weight.float() + layer.bias.float()
        assert outputs.shape == (2, 5, 64)
        # the weights were read through 16 bits too, so twice the rounding of one number
        assert (outputs - expected).norm() < 2 * most * expected.norm()


def test_a_layer_of_zeros_stays_one() -> None:
    layer = linear(64, 16)
    torch.nn.init.zeros_(layer.weight)
    for packed in (Int8Linear(layer), Int4Linear(layer, 32)):
        with torch.inference_mode():
            assert torch.equal(packed(torch.ones(1, 64))[0], layer.bias)


def test_layers_of_a_model_take_the_bytes_of_their_bits() -> None:
    # a layer of the Llama: four matrices of 64 x 64 and three of 64 x 128, 40,960 weights;
    # q, k, v, o, gate, up and down have 5 * 64 + 2 * 128 = 576 outputs
    sixteen, eight, four = (network("llama").model.layers for _ in range(3))
    norms = 2 * 64 * 2
    assert num_bytes(sixteen[0]) == 40_960 * 2 + norms
    for bits, layers in ((8, eight), (4, four)):
        whole = network("llama")
        whole.model.layers = layers
        store_in_integers(whole, bits)
        # the output has eight bits in both: 2048 x 64 of them, and 2048 scales
        assert num_bytes(whole.lm_head) == 2048 * 64 + 2048 * 2
    assert num_bytes(eight[0]) == 40_960 + 576 * 2 + norms
    # a scale and a zero for 64 weights
    assert num_bytes(four[0]) == 40_960 // 2 + 40_960 // 64 * 4 + norms


@pytest.mark.parametrize("family", FAMILIES)
def test_an_output_that_is_the_embedding_stays_it(family: str) -> None:
    whole = network(family)
    tied = whole.lm_head.weight is whole.get_input_embeddings().weight
    assert tied == (family != "llama")
    store_in_integers(whole, 4)
    assert isinstance(whole.lm_head, torch.nn.Linear if tied else Int8Linear)
    assert not tied or whole.lm_head.weight is whole.get_input_embeddings().weight
    kinds = {type(module) for module in whole.modules()}
    assert Int4Linear in kinds


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what is mapped")
def test_nothing_of_the_sixteen_bit_weights_stays_in_memory(tmp_path: Path) -> None:
    def is_mapped() -> bool:
        return str(tmp_path) in Path("/proc/self/maps").read_text()

    network("llama").save_pretrained(tmp_path)
    whole = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.bfloat16)
    mapped = [is_mapped()]
    store_in_integers(whole, 8)
    mapped.append(is_mapped())
    assert mapped == [True, False]


def test_sizes_that_the_kernels_cannot_take_get_more_bits_or_stay() -> None:
    whole = network("llama")
    layer = whole.model.layers[0]
    layer.mlp.up_proj = linear(64, 24, "bfloat16")  # outputs are no multiple of 16
    layer.mlp.down_proj = linear(65, 64, "bfloat16")  # inputs neither
    store_in_integers(whole, 4)
    assert isinstance(layer.mlp.gate_proj, Int4Linear)
    assert isinstance(layer.mlp.up_proj, Int8Linear)
    assert type(layer.mlp.down_proj) is torch.nn.Linear
