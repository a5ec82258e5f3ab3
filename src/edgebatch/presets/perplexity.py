"""Quality of a precision, from perplexities before and after quantising (formulation §2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from edgebatch.presets.model_presets import ModelPreset
from edgebatch.presets.tables import read_table


class Quality(NamedTuple):
    """Q_q in [0, 1] and the measurement that it was taken from."""

    value: float
    source: str


@dataclass(frozen=True, slots=True)
class PerplexityRecord:
    """One model, quantised in one way, and its perplexity on one text.

    Attributes:
        model, family: which model; families as in :class:`ModelPreset`.
        parameters: its nominal size.
        method: how it was quantised, such as ``GPTQ`` or ``GGUF q4_K_M``.
        weight_bits: bits of a weight, nominal or effective as its source says.
        dataset: the text.
        perplexity, perplexity_16bit: after and before quantising.
        source: who measured.
    """

    model: str
    family: str
    parameters: float
    method: str
    weight_bits: float
    dataset: str
    perplexity: float
    perplexity_16bit: float
    source: str

    @property
    def quality(self) -> Quality:
        """Q = min(1, PPL16/PPLq)."""
        source = (
            f"{self.model}, {self.method} at {self.weight_bits:g} bits: perplexity "
            f"{self.perplexity_16bit:.4g} → {self.perplexity:.4g} on {self.dataset} ({self.source})"
        )
        return Quality(min(1.0, self.perplexity_16bit / self.perplexity), source)


@cache
def perplexity_records(method: str, weight_bits: float | None) -> tuple[PerplexityRecord, ...]:
    """Return all records of a method, of one bit width if given; names ignore case."""
    records = (
        PerplexityRecord(
            model=row["model"],
            family=row["family"],
            parameters=float(row["parameters"]),
            method=row["method"],
            weight_bits=float(row["weight_bits"]),
            dataset=row["dataset"],
            perplexity=float(row["ppl"]),
            perplexity_16bit=float(row["ppl_fp16"]),
            source=row["source"],
        )
        for row in read_table("quantization_ppl.csv")
    )
    return tuple(
        record
        for record in records
        if record.method.casefold() == method.casefold()
        and (weight_bits is None or record.weight_bits == weight_bits)
    )


def nearest_record(records: Sequence[PerplexityRecord], model: ModelPreset) -> PerplexityRecord:
    """Return the record that says most about ``model``: of its family if any, then of its size.

    Sizes are compared by their ratio, since small models lose more to quantising than large ones
    in every family; the first of the table wins a tie.
    """
    return min(
        records,
        key=lambda record: (
            record.family != model.family,
            abs(math.log(record.parameters / model.model.parameters)),
        ),
    )
