"""Models, devices and precisions by name, each with where its numbers come from.

All three tables ship with the package (``presets/data``) and are read when first asked for.

``models()`` → :class:`ModelPreset`
    ``name, hf_id, family, model, source, fp16_weight_bytes, fp16_kv_bytes_per_token``
``devices()`` → :class:`DevicePreset`
    ``name, vector_flops, tensor_flops, tensor_basis, peak_flops, memory_sizes_bytes,
    memory_bandwidth, power_watts, source, notes`` and ``node(count=…, efficiency=…, …)``
``precisions()`` → :class:`PrecisionPreset`
    ``name, bits_per_weight, weight_bytes, kv_bytes, prefill_time_factor, decode_time_factor,
    speed_source, weight_source, notes``, ``quality(model_name)`` (``value, source``) and
    ``precision(model_name, form)``
``bandwidth_evidence(device_name)`` → tuple of :class:`BandwidthEvidence`
    ``device, model, precision, tokens_per_second, efficiency, source, notes``
"""

from edgebatch.presets.bandwidth import BandwidthEvidence, bandwidth_evidence
from edgebatch.presets.device_presets import DevicePreset, NodeOptions, device_preset, devices
from edgebatch.presets.model_presets import ModelPreset, model_preset, models
from edgebatch.presets.perplexity import Quality
from edgebatch.presets.precision_presets import (
    REFERENCE_MODEL,
    CostForm,
    PrecisionPreset,
    precision_preset,
    precisions,
)

__all__ = [
    "REFERENCE_MODEL",
    "BandwidthEvidence",
    "CostForm",
    "DevicePreset",
    "ModelPreset",
    "NodeOptions",
    "PrecisionPreset",
    "Quality",
    "bandwidth_evidence",
    "device_preset",
    "devices",
    "model_preset",
    "models",
    "precision_preset",
    "precisions",
]
