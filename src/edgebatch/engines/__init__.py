"""Inference engines behind one seam."""

from edgebatch.engines.base import (
    Engine,
    EngineInfo,
    Finish,
    GenerationRequest,
    Message,
    Progress,
    Prompt,
    Report,
    Sampling,
)

__all__ = [
    "Engine",
    "EngineInfo",
    "Finish",
    "GenerationRequest",
    "Message",
    "Progress",
    "Prompt",
    "Report",
    "Sampling",
]
