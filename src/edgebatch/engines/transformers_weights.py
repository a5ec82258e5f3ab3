"""Linear layers whose weights stay integers in memory; imported in the child only."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Callable
from functools import partial

import torch

GROUP_SIZES = (64, 32)
"""Neighbouring weights of a row that share a scale in four bits, the one to prefer first."""
_INT8_COLUMNS = 16
"""Torch's kernel reads beyond rows of another multiple, without a word."""
_INT4_ROWS = 16


class Int8Linear(torch.nn.Module):  # type: ignore[misc, unused-ignore]
    """Eight-bit weights with a scale for each output, symmetric around zero.

    Args:
        linear: the layer to stand in for; weights of shape (outputs, inputs), inputs a multiple
            of 16.
    """

    def __init__(self, linear: torch.nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach()
        exact = weight.float()
        scales = _scales(exact.abs().amax(dim=1) / 127, weight.dtype)
        packed = (exact / scales.float()[:, None]).round().clamp(-128, 127).to(torch.int8)
        self.register_buffer("packed", packed)
        self.register_buffer("scales", scales)
        self.bias = linear.bias

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the layer's outputs for inputs of shape (…, inputs)."""
        rows = inputs.reshape(-1, inputs.shape[-1])
        outputs = torch._weight_int8pack_mm(rows, self.packed, self.scales)
        return _shaped(outputs, inputs, self.bias)


class Int4Linear(torch.nn.Module):  # type: ignore[misc, unused-ignore]
    """Four-bit weights with a scale and a zero for each group of neighbours in a row.

    A weight is (q − 8)·scale + zero, q from 0 to 15, as torch's kernel reads it.

    Args:
        linear: the layer to stand in for; weights of shape (outputs, inputs), outputs a multiple
            of 16.
        group_size: one of :data:`GROUP_SIZES` that divides the inputs.
    """

    def __init__(self, linear: torch.nn.Linear, group_size: int) -> None:
        super().__init__()
        weight = linear.weight.detach()
        groups = weight.float().unflatten(1, (-1, group_size))
        least, most = groups.amin(dim=2), groups.amax(dim=2)
        scales = _scales((most - least) / 15, weight.dtype)
        zeros = (least + 8 * scales.float()).to(weight.dtype)
        steps = (groups - zeros.float()[..., None]) / scales.float()[..., None]
        levels = (steps + 8).round().clamp(0, 15).flatten(1).to(torch.int32)
        self.register_buffer(
            "packed", torch.ops.aten._convert_weight_to_int4pack_for_cpu(levels, 1)
        )
        # the kernel wants (groups, outputs, 2)
        pairs = torch.stack((scales, zeros), dim=-1).transpose(0, 1).contiguous()
        self.register_buffer("scales_and_zeros", pairs)
        self.bias = linear.bias
        self._group_size = group_size

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the layer's outputs for inputs of shape (…, inputs)."""
        rows = inputs.reshape(-1, inputs.shape[-1])
        outputs = torch.ops.aten._weight_int4pack_mm_for_cpu(
            rows, self.packed, self._group_size, self.scales_and_zeros
        )
        return _shaped(outputs, inputs, self.bias)


def store_in_integers(network: torch.nn.Module, bits: int) -> None:
    """Replace the linear layers of a language model, one after another.

    The output layer has eight bits also where the others have four. It is left alone if it is the
    embedding, which rows are looked up in; so are layers whose sizes the kernels cannot take.
    Layers that four bits do not fit get eight.

    Args:
        network: on the CPU, in the type in which it will compute.
        bits: 8 or 4.
    """
    output = network.get_output_embeddings()
    embedding = network.get_input_embeddings().weight
    for path, layer in list(network.named_modules()):
        if type(layer) is not torch.nn.Linear or layer.weight is embedding:
            continue
        make = _maker(layer, 8 if layer is output else bits)
        if make is not None:
            parent, _, name = path.rpartition(".")
            setattr(network.get_submodule(parent), name, make(layer))
    for parameter in network.parameters():
        # the file of weights stays mapped, and resident, while any of its tensors is in use
        parameter.data = parameter.data.clone()
    _give_back()


def _give_back() -> None:
    """Let the system have what was freed; without, glibc keeps more than the weights take."""
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError):  # other C libraries have no such function
            ctypes.CDLL(None).malloc_trim(0)


def _maker(
    layer: torch.nn.Linear, bits: int
) -> Callable[[torch.nn.Linear], torch.nn.Module] | None:
    num_outputs, num_inputs = layer.weight.shape
    if bits == 4 and num_outputs % _INT4_ROWS == 0:
        for group_size in GROUP_SIZES:
            if num_inputs % group_size == 0:
                return partial(Int4Linear, group_size=group_size)
    return Int8Linear if num_inputs % _INT8_COLUMNS == 0 else None


def _scales(wanted: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return scales as they are stored; none is zero."""
    return wanted.clamp(min=torch.finfo(dtype).tiny).to(dtype)


def _shaped(outputs: torch.Tensor, inputs: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    shaped = outputs.reshape(*inputs.shape[:-1], outputs.shape[-1])
    return shaped if bias is None else shaped + bias
