"""What a problem file may hold, key by key (formulation §7).

The sections only say what is written in a file; defaults belong to the problem's own dataclasses.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edgebatch.problem.problem import Batching
from edgebatch.schema import (
    ABSENT,
    Count,
    Flag,
    Fraction,
    Name,
    NotNegative,
    Positive,
    Section,
    Size,
)

BatchingName = Annotated[
    Batching,
    Field(strict=False, description="one of " + ", ".join(f"{mode.value!r}" for mode in Batching)),
]


class NodeSection(Section):
    """The edge node."""

    memory_bytes: Positive
    flops: Positive
    memory_bandwidth: Positive = ABSENT
    uplink_seconds: NotNegative = ABSENT
    downlink_seconds: NotNegative = ABSENT
    step_overhead_seconds: NotNegative = ABSENT
    batch_overhead_seconds: NotNegative = ABSENT
    reserved_bytes: NotNegative = ABSENT


class ModelSection(Section):
    """The hosted model."""

    layers: Size
    hidden_size: Size
    ffn_size: Size
    heads: Size
    kv_heads: Size = ABSENT
    head_size: Size = ABSENT
    gated_ffn: Flag = ABSENT
    parameters: Count = ABSENT


class PrecisionSection(Section):
    """One hosted precision."""

    name: Name
    weight_bytes: Positive
    kv_bytes: Positive
    prefill_factor: Positive
    decode_factor: Positive
    quality: Fraction
    prefill_attention_factor: NotNegative = ABSENT
    decode_attention_factor: NotNegative = ABSENT
    step_overhead_seconds: NotNegative = ABSENT
    request_overhead_seconds: NotNegative = ABSENT


class RequestSection(Section):
    """One waiting request."""

    id: Name
    prompt_tokens: Size
    output_tokens: Size
    deadline_seconds: NotNegative
    min_quality: Fraction = ABSENT
    value: Positive = ABSENT
    uplink_share: NotNegative = ABSENT
    downlink_share: NotNegative = ABSENT


class ProblemDocument(Section):
    """A whole problem file."""

    node: Annotated[NodeSection, Field(description="an object with the node's keys")]
    model: Annotated[ModelSection, Field(description="an object with the model's keys")]
    precisions: Annotated[
        list[PrecisionSection], Field(min_length=1, description="a list of at least one precision")
    ]
    batching: BatchingName = ABSENT
    max_batch: Size = ABSENT
    requests: Annotated[list[RequestSection], Field(description="a list of requests")]
