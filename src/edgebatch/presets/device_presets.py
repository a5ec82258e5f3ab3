"""Devices by name: what their vendors say they have, and the node that this makes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import TypedDict, Unpack

from edgebatch.errors import InputError
from edgebatch.presets.tables import Row, number_or_none, read_table
from edgebatch.problem import Node
from edgebatch.problem.checks import require_count, require_number
from edgebatch.registry import lookup
from edgebatch.units import GIGA, TERA


class NodeOptions(TypedDict, total=False):
    """What a device does not determine of a node; see :class:`edgebatch.problem.Node`."""

    uplink_seconds: float
    downlink_seconds: float
    step_overhead_seconds: float
    batch_overhead_seconds: float
    reserved_bytes: float
    name: str


@dataclass(frozen=True, slots=True)
class DevicePreset:
    """A device as its vendor describes it; nothing here was achieved by a program.

    Attributes:
        name: what it is called here, such as ``Jetson TX2``.
        vector_flops: FP16 peak of its vector units, FLOP/s; None if not known.
        tensor_flops: dense FP16 peak of its matrix units, FLOP/s; None if not known or without.
        tensor_basis: how that figure was obtained, or that of the vector units where there are no
            others; ``DERIVED`` says that it was worked out from other figures. May be empty.
        memory_sizes_bytes: memory of its variants, the usual one first; of a range only the ends.
        memory_bandwidth: peak, bytes/s.
        power_watts: least and greatest power setting; None if not known.
        source: where the figures were read.
        notes: what is doubtful about them; may be empty.
    """

    name: str
    vector_flops: float | None
    tensor_flops: float | None
    tensor_basis: str
    memory_sizes_bytes: tuple[float, ...]
    memory_bandwidth: float
    power_watts: tuple[float, float] | None
    source: str
    notes: str

    @property
    def peak_flops(self) -> float:
        """FP16 peak of the matrix units where known, else of the vector units, FLOP/s."""
        peak = self.vector_flops if self.tensor_flops is None else self.tensor_flops
        if peak is None:
            raise InputError(f"device {self.name!r}", "has no known peak; give node.flops instead")
        return peak

    def node(
        self,
        *,
        count: int = 1,
        efficiency: float = 1.0,
        bandwidth_efficiency: float = 1.0,
        memory_bytes: float | None = None,
        roofline: bool = True,
        **options: Unpack[NodeOptions],
    ) -> Node:
        """Return a node of ``count`` such devices, taken as one of ``count`` times the size.

        The peaks are the vendor's or derived from the vendor's. What the device achieves is not
        known: set the efficiencies, or fit them to measured times. :func:`bandwidth_evidence` says
        what share of the bandwidth others have reached on a few devices.

        Args:
            count: how many devices.
            efficiency: share of the peak arithmetic that is achieved; above 1 only makes sense
                where the peak is that of the vector units and matrix units exist too.
            bandwidth_efficiency: share of the peak bandwidth that is achieved.
            memory_bytes: memory of *one* device; the usual variant by default.
            roofline: whether to charge memory traffic; False is the published model.
            **options: overheads, radio phases, reserve and name of the node.

        Raises:
            InputError: a number is out of its range.
        """
        require_count("node.count", count)
        require_number("node.efficiency", efficiency, exclusive=True)
        require_number("node.bandwidth_efficiency", bandwidth_efficiency, exclusive=True)
        each = self.memory_sizes_bytes[0] if memory_bytes is None else memory_bytes
        options.setdefault("name", self.name if count == 1 else f"{count} × {self.name}")
        return Node(
            memory_bytes=count * each,
            flops=count * self.peak_flops * efficiency,
            memory_bandwidth=(
                count * self.memory_bandwidth * bandwidth_efficiency if roofline else None
            ),
            **options,
        )


@cache
def devices() -> Mapping[str, DevicePreset]:
    """Return every device preset by name, in the order of the table."""
    return MappingProxyType({row["device"]: _preset(row) for row in read_table("devices.csv")})


def device_preset(name: str, path: str = "node.device") -> DevicePreset:
    """Return the device called ``name``, ignoring case.

    Raises:
        UnknownNameError: at ``path``; none is called so.
    """
    return lookup(devices(), name, path)


def _preset(row: Row) -> DevicePreset:
    vector = number_or_none(row["fp16_tflops_vector"])
    tensor = number_or_none(row["fp16_tflops_tensor_dense"])
    watts = _numbers(row["power_W"])
    return DevicePreset(
        name=row["device"],
        vector_flops=None if vector is None else vector * TERA,
        tensor_flops=None if tensor is None else tensor * TERA,
        tensor_basis=row["tensor_basis"],
        memory_sizes_bytes=tuple(size * GIGA for size in _numbers(row["memory_GB"])),
        memory_bandwidth=float(row["mem_bw_GBps"]) * GIGA,
        power_watts=(watts[0], watts[-1]) if watts else None,
        source=row["sources"],
        notes=row["notes"],
    )


def _numbers(cell: str) -> list[float]:
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", cell)]
