"""A profile of a toy machine, such as a calibration would write it."""

from __future__ import annotations

from edgebatch.calibration.profile import Profile
from edgebatch.calibration.profile_schema import (
    Errors,
    FitFigures,
    Machine,
    MemoryFigures,
    QualityFigures,
    SampleFigures,
    Source,
)
from edgebatch.calibration.samples import Kind
from edgebatch.problem import Model, Node, Precision

MACHINE = Machine(processor="Toy CPU", cores=2, memory_bytes=8e9, operating_system="Debian 12")
SOURCE = Source(
    engine="toy-engine",
    engine_version="1.0",
    model="toy-model",
    machine=MACHINE,
    date="2026-11-20",
    edgebatch_version="0.1.0",
    settings={"threads": "2"},
)
ERRORS = Errors(count=30, median=0.02, p95=0.05, worst=0.09)


def toy_profile() -> Profile:
    """Two precisions; the lower one reads its weights faster and computes slower."""
    return Profile(
        source=SOURCE,
        node=Node(
            memory_bytes=1e6,
            flops=1e9,
            memory_bandwidth=1e8,
            step_overhead_seconds=1e-4,
            batch_overhead_seconds=2e-3,
            name=MACHINE.processor,
        ),
        model=Model(layers=1, hidden_size=4, ffn_size=8, heads=2, name=SOURCE.model),
        precisions=(
            Precision("w16", 2.0, prefill_attention_factor=1.5, decode_attention_factor=0.0),
            Precision(
                "w8",
                1.0,
                decode_factor=1.6,
                quality=0.99,
                step_overhead_seconds=1e-5,
                request_overhead_seconds=2e-4,
            ),
        ),
        quality_measure="perplexity-ratio",
        fit=FitFigures(in_sample=ERRORS, held_out=ERRORS, perfect_model=ERRORS),
        verdict="tells times well enough.",
        quality=(QualityFigures(precision="w8", tokens=1000, ratio=0.99, ratio_error=0.001),),
        memory=(
            MemoryFigures(
                precision="w8", state="weights", predicted_bytes=128.0, measured_bytes=150.0
            ),
        ),
        start_seconds={"w16": 1.5, "w8": 0.9},
        samples=(
            SampleFigures(
                precision="w8",
                kind=Kind.DECODE,
                count=30,
                sizes=[1, 32],
                contexts=[16, 512],
                seconds=[1e-3, 5e-2],
                spread=0.01,
            ),
        ),
    )
