"""Precisions by name: bytes, measured times and perplexities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from statistics import fmean
from types import MappingProxyType

from edgebatch.presets.model_presets import model_preset
from edgebatch.presets.perplexity import Quality, nearest_record, perplexity_records
from edgebatch.presets.tables import Row, number_or_none, read_table
from edgebatch.problem import Precision
from edgebatch.registry import lookup

REFERENCE_MODEL = "Llama-3.1-8B"
"""Whose quality is meant where no model is named: the one with figures for most precisions."""

_BITS_PER_BYTE = 8.0


class CostForm(StrEnum):
    """For which form of the latency the factors of a precision are meant (formulation §3)."""

    ROOFLINE = "roofline"
    """Traffic is charged: factors are of arithmetic alone."""
    PUBLISHED = "published"
    """No bandwidth is given: factors are of the whole time, as measured."""


@dataclass(frozen=True, slots=True)
class PrecisionPreset:
    """A precision for which there are figures.

    Attributes:
        name: what it is called here, such as ``w8a16`` or ``q4_k_m``.
        bits_per_weight: effective bits of a parameter.
        kv_bytes: bytes of a cached key or value; none of the figures is of a quantised cache.
        prefill_time_factor: measured time of a prefill as a multiple of the 16-bit time; None if
            not measured.
        decode_time_factor: the same for decoding at batch size 1, mean over the measurements;
            what is saved on reading the weights is *in* it.
        speed_source: who measured the times, on what; empty if nobody.
        weight_source: where ``bits_per_weight`` comes from.
        notes: what stands in for what was not measured; may be empty.
        perplexity_method: its name in the table of perplexities; empty for 16 bits.
        perplexity_bits: tells records of one method apart; None if the method says it all.
    """

    name: str
    bits_per_weight: float
    kv_bytes: float
    prefill_time_factor: float | None
    decode_time_factor: float
    speed_source: str
    weight_source: str
    notes: str
    perplexity_method: str
    perplexity_bits: float | None

    @property
    def weight_bytes(self) -> float:
        """Bytes of one parameter."""
        return self.bits_per_weight / _BITS_PER_BYTE

    def quality(self, model_name: str | None = None) -> Quality:
        """Return Q = min(1, PPL16/PPLq) as measured on the model nearest to ``model_name``.

        Nearest is of the same family if any was measured, then of the closest size; the source
        names it. Without a model, :data:`REFERENCE_MODEL` is meant.

        Raises:
            UnknownNameError: no model preset is called so.
        """
        model = model_preset(model_name or REFERENCE_MODEL)
        if not self.perplexity_method:
            return Quality(1.0, "by definition")
        records = perplexity_records(self.perplexity_method, self.perplexity_bits)
        return nearest_record(records, model).quality

    def precision(self, model_name: str | None = None, form: str = CostForm.ROOFLINE) -> Precision:
        """Return the precision of a problem, with the quality that it has on ``model_name``.

        The *published* form has no traffic term, so its factors are the measured times of a
        prefill and of a decode step. In the *roofline* form fewer bytes shorten the traffic
        already, so that both factors are the measured prefill factor: a prefill is bound by
        arithmetic, which makes its time show what unpacking the weights costs, and a decode step
        unpacks the same weights. A prefill that was not measured counts as 1.

        Args:
            model_name: a model preset; None means :data:`REFERENCE_MODEL`.
            form: ``roofline`` or ``published``.

        Raises:
            UnknownNameError: no such model or form.
        """
        chosen = lookup({known.value: known for known in CostForm}, form, "form")
        prefill = 1.0 if self.prefill_time_factor is None else self.prefill_time_factor
        decode = prefill if chosen is CostForm.ROOFLINE else self.decode_time_factor
        return Precision(
            name=self.name,
            weight_bytes=self.weight_bytes,
            kv_bytes=self.kv_bytes,
            prefill_factor=prefill,
            decode_factor=decode,
            quality=self.quality(model_name).value,
        )


@cache
def precisions() -> Mapping[str, PrecisionPreset]:
    """Return every precision preset by name, in the order of the table."""
    return MappingProxyType({row["name"]: _preset(row) for row in read_table("precisions.csv")})


def precision_preset(name: str, path: str = "precision") -> PrecisionPreset:
    """Return the precision called ``name``, ignoring case.

    Raises:
        UnknownNameError: at ``path``; none is called so.
    """
    return lookup(precisions(), name, path)


def _preset(row: Row) -> PrecisionPreset:
    measured = [
        record
        for record in read_table("quantization_speed.csv")
        if record["precision"] == row["speed_precision"] and record["latency_factor_beta"]
    ]
    prefill = _time_factors(measured, "prefill 512")
    sources = dict.fromkeys(f"{one['device']}: {one['source']}" for one in measured)
    return PrecisionPreset(
        name=row["name"],
        bits_per_weight=float(row["bits_per_weight"]),
        kv_bytes=2.0,
        prefill_time_factor=fmean(prefill) if prefill else None,
        decode_time_factor=fmean(_time_factors(measured, "decode b=1")),
        speed_source="; ".join(sources),
        weight_source=row["weight_source"],
        notes=row["notes"],
        perplexity_method=row["perplexity_method"],
        perplexity_bits=number_or_none(row["perplexity_bits"]),
    )


def _time_factors(measured: list[Row], phase: str) -> list[float]:
    return [float(one["latency_factor_beta"]) for one in measured if one["phase"] == phase]
