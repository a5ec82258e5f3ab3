"""What a scenario file may hold, section by section, key by key."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from edgebatch.problem.file_schema import BatchingName, PrecisionSection
from edgebatch.schema import (
    ABSENT,
    Count,
    Flag,
    Name,
    NotNegative,
    Positive,
    Section,
    Size,
)
from edgebatch.workload import MAX_SECONDS

Seed = Annotated[int, Field(ge=0, le=2**63 - 1, description="a whole number of at least 0")]
Instant = Annotated[
    float, Field(ge=0.0, le=MAX_SECONDS, description="a number of seconds of at least 0")
]
Duration = Annotated[
    float, Field(gt=0.0, le=MAX_SECONDS, description="a number of seconds above 0")
]
Interval = Annotated[
    float,
    # an interval at which something is done again and again; less would never end
    Field(ge=1e-4, le=MAX_SECONDS, description="a number of seconds of at least 0.0001"),
]
Number = Annotated[float, Field(description="a finite number")]
Text = Annotated[str, Field(min_length=1, description="a path")]
Drawn = Annotated[
    Any, Field(description="a number, a list of numbers or a table that names a distribution")
]
Parameters = Annotated[
    Literal["total", "published"] | Count,
    Field(description="'total', 'published' or a whole number of at least 1"),
]
Form = Annotated[Literal["roofline", "published"], Field(description="'roofline' or 'published'")]
Names = Annotated[
    list[Annotated[str, Field(description="a name")]], Field(description="a list of names")
]
Policies = Annotated[
    list[Annotated[str, Field(description="a policy")]],
    Field(min_length=1, description="a list of at least one policy"),
]
Numbers = Annotated[
    list[Annotated[Positive, Field(description="a finite number above 0")]],
    Field(min_length=1, description="a list of numbers above 0"),
]


class NodeSection(Section):
    """The edge node: a device by name, or explicit figures, or some of both."""

    device: Name = ABSENT
    count: Size = ABSENT
    efficiency: Positive = ABSENT
    bandwidth_efficiency: Positive = ABSENT
    roofline: Flag = ABSENT
    memory_bytes: Positive = ABSENT
    flops: Positive = ABSENT
    memory_bandwidth: Positive = ABSENT
    uplink_seconds: NotNegative = ABSENT
    downlink_seconds: NotNegative = ABSENT
    step_overhead_seconds: NotNegative = ABSENT
    batch_overhead_seconds: NotNegative = ABSENT
    reserved_bytes: NotNegative = ABSENT
    max_running: Size = ABSENT


class ModelSection(Section):
    """The hosted model: a name, or explicit sizes."""

    name: Name = ABSENT
    parameters: Parameters = ABSENT
    layers: Size = ABSENT
    hidden_size: Size = ABSENT
    ffn_size: Size = ABSENT
    heads: Size = ABSENT
    kv_heads: Size = ABSENT
    head_size: Size = ABSENT
    gated_ffn: Flag = ABSENT


class PrecisionsSection(Section):
    """The precisions hosted side by side: some by name, some spelt out."""

    hosted: Names = ABSENT
    form: Form = ABSENT
    custom: Annotated[
        list[PrecisionSection], Field(description="a list of tables, one for each precision")
    ] = ABSENT


class ServerSection(Section):
    """One or several equal servers behind the queue, each on a node of its own."""

    precision: Name = ABSENT
    profile: Text = ABSENT
    count: Annotated[int, Field(ge=1, le=1000, description="a whole number from 1 to 1000")] = (
        ABSENT
    )


class RadioSection(Section):
    """The cell; without this section the radio is no bottleneck."""

    scenario: Name = ABSENT
    path_loss: Name = ABSENT
    carrier_hz: Positive = ABSENT
    uplink_hz: Positive = ABSENT
    downlink_hz: Positive = ABSENT
    min_distance_m: Positive = ABSENT
    cell_radius_m: Positive = ABSENT
    base_height_m: Positive = ABSENT
    user_height_m: Positive = ABSENT
    user_power_dbm: Number = ABSENT
    base_power_dbm: Number = ABSENT
    user_noise_figure_db: NotNegative = ABSENT
    base_noise_figure_db: NotNegative = ABSENT
    bits_per_token: NotNegative = ABSENT
    block_seconds: Interval = ABSENT
    shadowing: Flag = ABSENT


class WorkloadSection(Section):
    """The requests: replayed from a trace, or drawn."""

    trace: Text = ABSENT
    start_seconds: Instant = ABSENT
    end_seconds: Duration = ABSENT
    max_prompt_tokens: Size = ABSENT
    clip_prompts: Flag = ABSENT
    arrivals: Annotated[
        Literal["poisson", "gamma", "deterministic"],
        Field(description="'poisson', 'gamma' or 'deterministic'"),
    ] = ABSENT
    rate_per_second: Positive = ABSENT
    cv: Positive = ABSENT
    num_requests: Size = ABSENT
    duration_seconds: Duration = ABSENT
    lengths: Text = ABSENT
    prompt_tokens: Drawn = ABSENT
    output_tokens: Drawn = ABSENT
    actual_fraction: Drawn = ABSENT
    actual_output_tokens: Drawn = ABSENT
    output_limit_factor: Positive = ABSENT
    output_limit_tokens: Size = ABSENT
    output_limit_sizes: Annotated[
        list[Size], Field(min_length=1, description="a list of whole numbers, ascending")
    ] = ABSENT
    deadline_seconds: Annotated[Drawn, Field(description="a number, list or distribution")]
    deadline_per_output_token_seconds: NotNegative = ABSENT
    min_quality: Drawn = ABSENT
    value: Drawn = ABSENT
    prompt_bits: Drawn = ABSENT
    tenants: Numbers = ABSENT
    ttft_seconds: Drawn = ABSENT


class SchedulerSection(Section):
    """How and when it is decided."""

    batching: BatchingName = ABSENT
    pipelined: Flag = ABSENT
    epoch_seconds: Interval = ABSENT
    longest_batch_seconds: Positive = ABSENT
    queue_limit: Size = ABSENT
    node_limit: Size = ABSENT
    time_limit_seconds: Positive = ABSENT
    tenant_shares: Numbers = ABSENT


class RealitySection(Section):
    """How the node's true times differ from what the scheduler believes."""

    time_factor: Positive = ABSENT
    noise: NotNegative = ABSENT


class CompareSection(Section):
    """What ``edgebatch compare`` compares unless it is told otherwise."""

    policies: Policies = ABSENT
    loads: Numbers = ABSENT
    rates_per_second: Numbers = ABSENT


class ScenarioDocument(Section):
    """A whole scenario file."""

    seed: Seed = 0
    profile: Text = ABSENT
    node: Annotated[NodeSection, Field(description="a table with the node's keys")] = ABSENT
    model: Annotated[ModelSection, Field(description="a table with the model's keys")] = ABSENT
    precisions: Annotated[
        PrecisionsSection, Field(description="a table with the hosted precisions")
    ] = ABSENT
    servers: Annotated[
        list[ServerSection],
        Field(min_length=1, description="a list of tables, one for each kind of server"),
    ] = ABSENT
    radio: Annotated[RadioSection, Field(description="a table with the radio's keys")] = ABSENT
    workload: Annotated[WorkloadSection, Field(description="a table with the workload's keys")]
    scheduler: Annotated[
        SchedulerSection, Field(description="a table with the scheduler's keys")
    ] = ABSENT
    reality: Annotated[RealitySection, Field(description="a table with the node's true speed")] = (
        ABSENT
    )
    compare: Annotated[CompareSection, Field(description="a table with policies and loads")] = (
        ABSENT
    )
