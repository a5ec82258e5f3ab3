"""Models on this machine: the one that ships, generated ones, and the user's own.

``open_model(source, format=None)`` → :class:`LocalModel`
    ``name, model, variants, format, max_context_tokens``, ``variant(precision)``,
    ``weight_bytes(precision)``, ``bytes_per_parameter(precision)``
``convert_model(source, target, format_name, precisions)``
    a Hugging Face folder to OpenVINO or GGUF; ``convert_source`` also takes generated models
``heldout_text()``
    what the shipped model has not read
"""

from edgebatch.local_models.convert import CONVERTIBLE_FORMATS, convert_model
from edgebatch.local_models.folders import FORMATS
from edgebatch.local_models.generated import GENERATED_MODELS, cache_folder
from edgebatch.local_models.local_model import LocalModel
from edgebatch.local_models.opening import open_model
from edgebatch.local_models.shipped import SHIPPED_MODELS, heldout_text, shipped_tokenizer
from edgebatch.local_models.sources import convert_source

__all__ = [
    "CONVERTIBLE_FORMATS",
    "FORMATS",
    "GENERATED_MODELS",
    "SHIPPED_MODELS",
    "LocalModel",
    "cache_folder",
    "convert_model",
    "convert_source",
    "heldout_text",
    "open_model",
    "shipped_tokenizer",
]
