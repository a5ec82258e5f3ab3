"""From a scenario's ``[workload]`` section to a workload."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgebatch.errors import InputError
from edgebatch.workload import (
    EXACT_LIMIT,
    ArrivalProcess,
    Constant,
    Deadlines,
    Demands,
    Deterministic,
    Distribution,
    FactorLimit,
    FixedLimit,
    Gamma,
    IndependentLengths,
    Lengths,
    OutputLimit,
    Poisson,
    RoundedUpLimit,
    SyntheticWorkload,
    TraceLengths,
    TraceWorkload,
    Workload,
    distribution_from_config,
    open_trace,
)

_ONLY_REPLAYED = ("start_seconds", "end_seconds", "max_prompt_tokens", "clip_prompts")
_ONLY_DRAWN = (
    "arrivals",
    "rate_per_second",
    "cv",
    "duration_seconds",
    "lengths",
    "prompt_tokens",
    "output_tokens",
    "actual_fraction",
    "actual_output_tokens",
)
_LIMITS: dict[str, Callable[[Any], OutputLimit]] = {
    "output_limit_factor": FactorLimit,
    "output_limit_tokens": FixedLimit,
    "output_limit_sizes": lambda sizes: RoundedUpLimit(tuple(sizes)),
}


def build_workload(section: dict[str, Any], seed: int) -> Workload:
    """Return the workload of a checked ``[workload]`` section.

    Raises:
        InputError: keys contradict each other, or a file cannot be read.
    """
    try:
        if "trace" in section:
            return _replayed(section, seed)
        return _drawn(section, seed)
    except InputError as error:
        if error.path in section:
            raise InputError(f"workload.{error.path}", error.problem) from None
        raise


def _replayed(section: dict[str, Any], seed: int) -> TraceWorkload:
    for key in _ONLY_DRAWN:
        if key in section:
            raise InputError(f"workload.{key}", "must not stand beside workload.trace")
    return TraceWorkload(
        open_trace(section["trace"]),
        _demands(section),
        limit=_limit(section),
        seed=seed,
        num_requests=section.get("num_requests"),
        **{key: section[key] for key in _ONLY_REPLAYED if key in section},
    )


def _drawn(section: dict[str, Any], seed: int) -> SyntheticWorkload:
    for key in _ONLY_REPLAYED:
        if key in section:
            raise InputError(f"workload.{key}", "only goes with workload.trace")
    if "num_requests" not in section and "duration_seconds" not in section:
        raise InputError("workload.num_requests", "is missing; give it or duration_seconds")
    return SyntheticWorkload(
        _process(section),
        _lengths(section),
        _demands(section),
        num_requests=section.get("num_requests"),
        duration_seconds=section.get("duration_seconds"),
        seed=seed,
    )


def _process(section: dict[str, Any]) -> ArrivalProcess:
    kind = section.get("arrivals", "poisson")
    rate = section.get("rate_per_second")
    if rate is None:
        raise InputError("workload.rate_per_second", "is missing; expected a number above 0")
    if kind == "gamma":
        if "cv" not in section:
            raise InputError("workload.cv", "is missing; gamma arrivals need it")
        return Gamma(rate, section["cv"])
    if "cv" in section:
        raise InputError("workload.cv", "only goes with workload.arrivals = 'gamma'")
    return Poisson(rate) if kind == "poisson" else Deterministic(rate)


def _lengths(section: dict[str, Any]) -> Lengths:
    if "lengths" in section:
        for key in ("prompt_tokens", "output_tokens", "actual_fraction", "actual_output_tokens"):
            if key in section:
                raise InputError(f"workload.{key}", "must not stand beside workload.lengths")
        return TraceLengths.from_trace(open_trace(section["lengths"]), _limit(section))
    for key in _LIMITS:
        if key in section:
            raise InputError(f"workload.{key}", "only goes with workload.trace or workload.lengths")
    for key in ("prompt_tokens", "output_tokens"):
        if key not in section:
            raise InputError(f"workload.{key}", "is missing; give it, or workload.lengths")
    return IndependentLengths(
        prompt_tokens=_distribution(section, "prompt_tokens"),
        output_tokens=_distribution(section, "output_tokens"),
        actual_fraction=_optional(section, "actual_fraction"),
        actual_output_tokens=_optional(section, "actual_output_tokens"),
    )


def _limit(section: dict[str, Any]) -> OutputLimit:
    given = [key for key in _LIMITS if key in section]
    if len(given) > 1:
        raise InputError(f"workload.{given[1]}", f"must not stand beside workload.{given[0]}")
    if not given:
        return EXACT_LIMIT
    [key] = given
    try:
        return _LIMITS[key](section[key])
    except InputError as error:
        _, bracket, index = error.path.partition("[")
        raise InputError(f"workload.{key}{bracket}{index}", error.problem) from None


def _demands(section: dict[str, Any]) -> Demands:
    return Demands(
        deadline=Deadlines(
            _distribution(section, "deadline_seconds"),
            section.get("deadline_per_output_token_seconds", 0.0),
        ),
        min_quality=_optional(section, "min_quality") or Constant(0.0),
        value=_optional(section, "value") or Constant(1.0),
        prompt_bits=_optional(section, "prompt_bits"),
        tenants=tuple(section.get("tenants", (1.0,))),
        ttft=_optional(section, "ttft_seconds"),
    )


def _distribution(section: dict[str, Any], key: str) -> Distribution:
    return distribution_from_config(section[key], f"workload.{key}")


def _optional(section: dict[str, Any], key: str) -> Distribution | None:
    return _distribution(section, key) if key in section else None
