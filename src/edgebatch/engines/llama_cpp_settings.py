"""How llama.cpp is run; what its parent and its child process both know."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from edgebatch.engines.openai_http import Seconds


@dataclass(frozen=True, slots=True)
class LlamaCppSettings:
    """How llama.cpp is run, the same for every precision.

    Attributes:
        threads: of the computation; None for one a core.
        slots: most requests that run at once.
        context_tokens: most tokens of prompt and answer of one request; rounded up to a multiple
            of 256, and no more than the model was trained for. Memory for all slots is
            taken at the start.
        batch_tokens: most tokens of one step; a longer prompt takes several.
        ubatch_tokens: most tokens computed together.
        flash_attention: None lets llama.cpp decide.
        continuous_batching: whether requests may join while others run.
        cache_prompts: whether what was computed for earlier prompts may be reused, which makes
            later ones look cheaper than they are.
        start_timeout_seconds: longest time that loading may take.
        silence_timeout_seconds: how long nothing may come although requests run, beside the time
            for prompts that have not been read.
    """

    threads: Annotated[int, Field(ge=1, le=512)] | None = None
    slots: Annotated[int, Field(ge=1, le=256)] = 8
    context_tokens: Annotated[int, Field(ge=1, le=2**24)] = 2048
    batch_tokens: Annotated[int, Field(ge=1, le=2**20)] = 2048
    ubatch_tokens: Annotated[int, Field(ge=1, le=2**20)] = 512
    flash_attention: bool | None = None
    continuous_batching: bool = True
    cache_prompts: bool = False
    start_timeout_seconds: Seconds = 120.0
    silence_timeout_seconds: Seconds = 60.0


@dataclass(frozen=True, slots=True)
class ServerOrder:
    """What the parent wants to be run.

    Attributes:
        path: the GGUF file.
        api_key: only who knows it is answered, for the machine's other users reach the port, too.
        settings: how it is run.
    """

    path: str
    api_key: str = field(repr=False)
    settings: LlamaCppSettings
