"""Models by name: shapes of published decoder-only transformers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from edgebatch.presets.tables import Row, read_table
from edgebatch.problem import Model
from edgebatch.registry import lookup

FP16_BYTES = 2.0


@dataclass(frozen=True, slots=True)
class ModelPreset:
    """A published model.

    Attributes:
        name: what it is called here, such as ``BLOOM-3b``.
        hf_id: its name on the Hugging Face hub.
        family: models that were trained alike, such as ``bloom``; perplexities are looked up in it.
        model: its shape.
        source: where the shape was read, and why the embeddings count once or twice.
    """

    name: str
    hf_id: str
    family: str
    model: Model
    source: str

    @property
    def fp16_weight_bytes(self) -> float:
        """Bytes of all parameters at two bytes each."""
        return self.model.parameters * FP16_BYTES

    @property
    def fp16_kv_bytes_per_token(self) -> float:
        """Bytes that one token leaves in a cache of two bytes a value."""
        return self.model.kv_values_per_token * FP16_BYTES


@cache
def models() -> Mapping[str, ModelPreset]:
    """Return every model preset by name, in the order of the table."""
    return MappingProxyType({row["model"]: _preset(row) for row in read_table("models.csv")})


def model_preset(name: str, path: str = "model.name") -> ModelPreset:
    """Return the model called ``name``, ignoring case.

    Raises:
        UnknownNameError: at ``path``; none is called so.
    """
    return lookup(models(), name, path)


def _preset(row: Row) -> ModelPreset:
    model = Model(
        layers=int(row["layers"]),
        hidden_size=int(row["d_model"]),
        ffn_size=int(row["d_ff"]),
        heads=int(row["heads"]),
        kv_heads=int(row["kv_heads"]),
        head_size=int(row["head_dim"]),
        gated_ffn=row["gated_mlp"] == "True",
        parameters=int(row["params_total"]),
        name=row["model"],
    )
    source = f"{row['arch_source']}; embeddings: {row['tied_source']}"
    return ModelPreset(row["model"], row["hf_id"], row["family"], model, source)
