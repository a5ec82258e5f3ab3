"""Whether what runs is what a profile was measured on, as far as either says what it is."""

from __future__ import annotations

from edgebatch.calibration.profile_schema import Source
from edgebatch.engines import EngineInfo

_SAYS_NOTHING = ("openai", "simulated")
"""Engines in front of which anything may compute: what a server calls its model is its own choice,
and a profile of servers has the name by which their operator described it."""
_UNKNOWN = "unknown"
"""Written into profiles where nobody said it."""


def mismatch(source: Source, info: EngineInfo) -> str:
    """Return in a sentence how an engine differs from the measured one; empty if it does not.

    Args:
        source: where the profile comes from.
        info: what the engine that runs says of itself.
    """
    if source.engine in _SAYS_NOTHING or info.engine in _SAYS_NOTHING:
        return ""
    if source.engine in (info.engine, _UNKNOWN) and source.model in (info.model, _UNKNOWN):
        return ""
    return (
        f"the profile was measured on {source.model} in {source.engine}, but {info.model} in "
        f"{info.engine} runs, which takes other times: give the --engine and --model that were "
        "measured, or measure what runs with edgebatch calibrate"
    )
