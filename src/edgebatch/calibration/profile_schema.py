"""What a profile file holds besides node, model and precisions, key by key."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from edgebatch.calibration.samples import Kind
from edgebatch.problem.file_schema import (
    BatchingName,
    ModelSection,
    NodeSection,
    PrecisionSection,
)
from edgebatch.schema import ABSENT, Count, Name, NotNegative, Positive, Section, Size

Text = Annotated[str, Field(description="a string")]
Measure = Annotated[
    Literal["perplexity-ratio", "agreement", "assumed"],
    Field(description="'perplexity-ratio', 'agreement' or 'assumed'"),
]
OptionalCount = Annotated[int | None, Field(ge=1, description="a whole number of at least 1")]
OptionalPositive = Annotated[
    float | None, Field(ge=1e-100, le=1e100, description="a finite number above 0")
]
OptionalNotNegative = Annotated[
    float | None, Field(ge=0.0, le=1e100, description="a finite number of at least 0")
]
OptionalFraction = Annotated[
    float | None, Field(ge=0.0, le=1.0, description="a number from 0 to 1")
]


class _Part(Section):
    """A table of a profile; an immutable value besides."""

    model_config = ConfigDict(frozen=True)


class Machine(_Part):
    """What it was measured on.

    Attributes:
        processor: name of the CPU, or of the GPU where that does the work.
        cores: cores that the engine may use; None if unknown.
        memory_bytes: memory of the machine; None if unknown.
        accelerator: name of the GPU or the like; empty for none.
        operating_system: name and version.
    """

    processor: Text
    cores: OptionalCount = None
    memory_bytes: OptionalPositive = None
    accelerator: Text = ""
    operating_system: Text = ""


class Source(_Part):
    """Where a profile comes from.

    Attributes:
        engine: name of the engine, such as ``openvino``.
        engine_version: of the library or server behind it; empty if unknown.
        model: what was served, as people call it.
        machine: what it ran on.
        date: day of the measurement, such as ``2026-11-20``.
        edgebatch_version: of the package that measured.
        settings: what else matters to whoever compares figures, such as threads.
        notes: anything a reader should know, such as where figures were taken from.
    """

    engine: Name
    engine_version: Text = ""
    model: Name
    machine: Machine
    date: Name
    edgebatch_version: Text
    settings: dict[str, Text] = Field(default_factory=dict, description="a table of strings")
    notes: Text = ""


class QualityFigures(_Part):
    """What was measured of one precision's quality; ``None`` where it was not.

    Errors are standard errors. ``ratio`` is min(1, PPL_16bit / PPL_q); divergence and agreement
    are those of the next token's distribution to the 16-bit model's.

    Attributes:
        precision: which one.
        tokens: tokens of held-out text.
        perplexity, perplexity_error: of that text.
        ratio, ratio_error: from paired differences over the same tokens.
        divergence, divergence_error: mean Kullback–Leibler divergence, nats.
        agreement, agreement_error: share of tokens at which both find the same token likeliest.
        separable: whether perplexity differs by more than two standard errors, either way.
    """

    precision: Name
    tokens: Count
    perplexity: OptionalPositive = None
    perplexity_error: OptionalNotNegative = None
    ratio: OptionalFraction = None
    ratio_error: OptionalNotNegative = None
    divergence: OptionalNotNegative = None
    divergence_error: OptionalNotNegative = None
    agreement: OptionalFraction = None
    agreement_error: OptionalNotNegative = None
    separable: Annotated[bool | None, Field(description="true or false")] = None


class MemoryFigures(_Part):
    """Memory of one precision, as predicted by the model and as the engine really held it.

    Attributes:
        precision: which one.
        state: what was in memory, such as ``weights`` or ``cache of 4096 tokens``.
        predicted_bytes: by the cost model.
        measured_bytes: growth of the engine's memory over that before loading.
    """

    precision: Name
    state: Name
    predicted_bytes: NotNegative
    measured_bytes: NotNegative


class Errors(_Part):
    """Relative errors |predicted − measured| / measured over some samples.

    Attributes:
        count: number of samples.
        median, p95, worst: as shares of the measured time.
    """

    count: Count
    median: NotNegative
    p95: NotNegative
    worst: NotNegative

    def halved(self) -> Errors:
        """Return the summary of errors half as large."""
        return Errors(
            count=self.count, median=self.median / 2, p95=self.p95 / 2, worst=self.worst / 2
        )


class FitFigures(_Part):
    """How well the fitted model tells times.

    Attributes:
        in_sample: on the samples that it was fitted to.
        held_out: on samples that it was not; None if there were none.
        published: of the published form, fitted to the same samples, on the held-out ones, or on
            the fitted ones if there are none.
        perfect_model: what a model that knows the true times would show on the held-out ones,
            by how far their repetitions lie from their means; None if nothing was repeated.
    """

    in_sample: Annotated[Errors, Field(description="a table of errors")]
    held_out: Annotated[Errors | None, Field(description="a table of errors")] = None
    published: Annotated[Errors | None, Field(description="a table of errors")] = None
    perfect_model: Annotated[Errors | None, Field(description="a table of errors")] = None


class FitSection(FitFigures):
    """The figures as a file has them.

    Attributes:
        noise_floor: in files of before ``perfect_model``, two measurements of the same thing
            against each other: twice what a perfect model would show.
    """

    noise_floor: Annotated[Errors | None, Field(description="a table of errors")] = None

    def figures(self) -> FitFigures:
        """Return them in today's terms."""
        perfect = self.perfect_model
        if perfect is None and self.noise_floor is not None:
            perfect = self.noise_floor.halved()
        return FitFigures(
            in_sample=self.in_sample,
            held_out=self.held_out,
            published=self.published,
            perfect_model=perfect,
        )


class SampleFigures(_Part):
    """What was measured of one kind in one precision, in figures.

    Attributes:
        precision, kind: of what.
        count: number of samples.
        sizes: least and most members.
        contexts: least and most tokens of the longest member.
        seconds: least and most.
        spread: median over the samples.
    """

    precision: Name
    kind: Annotated[Kind, Field(strict=False, description="'prefill', 'decode' or 'batch'")]
    count: Count
    sizes: Annotated[list[Count], Field(min_length=2, max_length=2, description="two numbers")]
    contexts: Annotated[list[Count], Field(min_length=2, max_length=2, description="two numbers")]
    seconds: Annotated[list[Positive], Field(min_length=2, max_length=2, description="two numbers")]
    spread: NotNegative


class HostSection(NodeSection):
    """The node, and how many requests its engine runs at once."""

    max_running: Size = ABSENT


class ProfileDocument(Section):
    """A whole profile file."""

    format: Annotated[int, Field(ge=1, description="the whole number 1")]
    verdict: Text
    source: Annotated[Source, Field(description="a table that says where the profile comes from")]
    node: Annotated[HostSection, Field(description="a table with the node's keys")]
    model: Annotated[ModelSection, Field(description="a table with the model's keys")]
    quality_measure: Measure
    batching: BatchingName = ABSENT
    precisions: Annotated[
        list[PrecisionSection], Field(min_length=1, description="a list of at least one precision")
    ]
    fit: Annotated[FitSection, Field(description="a table of errors")]
    quality: Annotated[list[QualityFigures], Field(description="a list of tables")] = ABSENT
    memory: Annotated[list[MemoryFigures], Field(description="a list of tables")] = ABSENT
    samples: Annotated[list[SampleFigures], Field(description="a list of tables")] = ABSENT
    start_seconds: Annotated[
        dict[str, NotNegative], Field(description="a table of seconds by precision")
    ] = ABSENT
