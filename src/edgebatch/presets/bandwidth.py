"""What share of their bandwidth devices have been seen to reach while decoding."""

from __future__ import annotations

from dataclasses import dataclass

from edgebatch.presets.device_presets import device_preset
from edgebatch.presets.model_presets import model_preset
from edgebatch.presets.precision_presets import precision_preset
from edgebatch.presets.tables import read_table


@dataclass(frozen=True, slots=True)
class BandwidthEvidence:
    """One measured decoding speed, read as a bandwidth.

    Attributes:
        device, model, precision: names of our presets of what was measured.
        tokens_per_second: as measured at batch size 1.
        efficiency: tokens/s times all weight bytes over the peak bandwidth. It blames the weights
            for the whole of a step (its arithmetic, its cache and its overheads too) and counts
            embeddings and vision towers as our formulas do, so it is no property of the device
            alone. It falls with the bits, as the rest of a step does not shrink with them.
        source: who measured.
        notes: how the thing measured differs from our presets; may be empty.
    """

    device: str
    model: str
    precision: str
    tokens_per_second: float
    efficiency: float
    source: str
    notes: str


def bandwidth_evidence(device_name: str) -> tuple[BandwidthEvidence, ...]:
    """Return what was measured on a device, in the order of the table; empty for most.

    Raises:
        UnknownNameError: no device preset is called so.
    """
    device = device_preset(device_name)
    evidence = []
    for row in read_table("quantization_speed.csv"):
        if row["device_preset"] != device.name or row["phase"] != "decode b=1":
            continue
        model = model_preset(row["model_preset"])
        precision = precision_preset(row["precision_preset"])
        tokens_per_second = float(row["tokens_per_s"])
        bytes_per_second = tokens_per_second * model.model.parameters * precision.weight_bytes
        evidence.append(
            BandwidthEvidence(
                device=device.name,
                model=model.name,
                precision=precision.name,
                tokens_per_second=tokens_per_second,
                efficiency=bytes_per_second / device.memory_bandwidth,
                source=row["source"],
                notes=row["notes"],
            )
        )
    return tuple(evidence)
