"""Memory that an engine really takes, beside what the cost model says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgebatch.calibration.bench import Bench
from edgebatch.calibration.plan import Limits, Pace
from edgebatch.calibration.profile_schema import MemoryFigures
from edgebatch.calibration.trials import Lengths
from edgebatch.cost import kv_bytes_per_token, weight_bytes
from edgebatch.problem import Model, Precision

_PROMPT_TOKENS = 448
_AT_ONCE = 4
_MOST_TOKENS = 32_768
_LEAST_SHARED = 0.1
"""Less of an engine's memory than this is not shared, but differs from start to start."""


@dataclass(frozen=True, slots=True)
class Filled:
    """How the engine's memory grew while its cache was filled.

    Attributes:
        tokens: that came into the cache.
        grown_bytes: by how much the engine held more then.
        at_once: whether all of the prompts were read together.
    """

    tokens: int
    grown_bytes: int
    at_once: bool


@dataclass(frozen=True, slots=True)
class PrecisionMemory:
    """Memory of an engine that hosts one precision alone.

    Attributes:
        precision: its name.
        loaded_bytes: once the model had been loaded and had answered something.
        filled: with caches filled.
    """

    precision: str
    loaded_bytes: int
    filled: tuple[Filled, ...]


async def measured_memory(
    bench: Bench,
    precision: str,
    loaded_bytes: int,
    limits: Limits,
    pace: Pace,
    budget_seconds: float,
) -> PrecisionMemory:
    """Fill the cache as far as there is room and time, a few prompts at a time, then all at once.

    The first shows what the cache takes: it begins with a few prompts that do not count, as they
    also take the memory in which a step computes. The second shows what reading many prompts
    together takes besides. Padded batches, which nobody joins, are only read at once.

    Args:
        bench: with an engine that hosts only this precision.
        precision: its name.
        loaded_bytes: what the engine holds with an empty cache.
        limits: of the engine.
        pace: roughly how fast it is.
        budget_seconds: for all of it together.

    Raises:
        EngineError: the engine failed.
    """
    members = _members(limits, pace, budget_seconds / 2.5)
    filled = [] if bench.is_padded else await _filled_slowly(bench, precision, members)
    once_tokens, once_bytes = await bench.fill(precision, members, len(members))
    if once_bytes is not None:
        filled.append(Filled(once_tokens, max(0, once_bytes - loaded_bytes), at_once=True))
    return PrecisionMemory(precision, loaded_bytes, tuple(filled))


async def _filled_slowly(bench: Bench, precision: str, members: Sequence[Lengths]) -> list[Filled]:
    few = min(_AT_ONCE, len(members))
    first_tokens, first_bytes = await bench.fill(precision, members[:few], few)
    slow_tokens, slow_bytes = await bench.fill(precision, members, few)
    if first_bytes is None or slow_bytes is None or slow_tokens <= first_tokens:
        return []
    return [Filled(slow_tokens - first_tokens, max(0, slow_bytes - first_bytes), at_once=False)]


def _members(limits: Limits, pace: Pace, budget_seconds: float) -> tuple[Lengths, ...]:
    """Return as many requests as there is room and time for, whose answers outlast the filling."""
    room = min(limits.cache_tokens or _MOST_TOKENS, _MOST_TOKENS)
    prompt = max(1, min(_PROMPT_TOKENS, limits.max_context_tokens // 2))
    answer = min(prompt, limits.max_context_tokens - prompt)
    each_seconds = prompt * pace.prompt_token_seconds + pace.pass_seconds
    number = min(
        room // (prompt + answer),
        int(budget_seconds / each_seconds),
        limits.max_running or room,
        # nobody may end before the last have joined, some passes after the group before them
        _AT_ONCE * answer // 4,
    )
    return (Lengths(prompt, answer),) * max(1, number)


def runtime_bytes(alone: Sequence[PrecisionMemory], together_bytes: int) -> float:
    """Return what the engine holds besides weights, as far as precisions share it.

    n engines with one precision each hold it n times, one with all of them once: the difference
    over n − 1. With a single precision, or where each has a process of its own, it cannot be told
    from the weights and is taken as 0.
    """
    if len(alone) < 2:
        return 0.0
    separately = sum(each.loaded_bytes for each in alone)
    shared = (separately - together_bytes) / (len(alone) - 1)
    return shared if shared > _LEAST_SHARED * separately / len(alone) else 0.0


def memory_figures(
    alone: Sequence[PrecisionMemory],
    together_bytes: int,
    model: Model,
    precisions: Sequence[Precision],
    *,
    preallocated_tokens: int = 0,
) -> list[MemoryFigures]:
    """Return predicted beside measured: weights, and caches filled slowly and at once.

    Caches that an engine holds from its start do not grow, and are told with the weights.

    Args:
        alone: the engine with each precision by itself.
        together_bytes: what it held with all of them.
        model: what it serves.
        precisions: all of them.
        preallocated_tokens: in the cache of each from the start; 0 for caches that grow.
    """
    runtime = runtime_bytes(alone, together_bytes)
    by_name = {precision.name: precision for precision in precisions}
    state = _loaded_state(runtime > 0.0, preallocated_tokens > 0)
    figures = []
    for each in alone:
        precision = by_name[each.precision]
        per_token = kv_bytes_per_token(model, precision)
        expected = weight_bytes(model, precision) + preallocated_tokens * per_token
        loaded = max(0.0, each.loaded_bytes - runtime)
        figures.append(_figure(precision, state, expected, loaded))
        figures.extend(
            _figure(
                precision,
                f"{filled.tokens} tokens {'read at once' if filled.at_once else 'in the cache'}",
                filled.tokens * per_token,
                filled.grown_bytes,
            )
            for filled in each.filled
            if not preallocated_tokens
        )
    return figures


def _loaded_state(is_without_engine: bool, has_cache: bool) -> str:
    if is_without_engine:
        return "weights and cache" if has_cache else "weights"
    return "weights, engine and cache" if has_cache else "weights and engine"


def working_bytes(
    alone: Sequence[PrecisionMemory],
    model: Model,
    precisions: Sequence[Precision],
    preallocated_tokens: int = 0,
) -> float:
    """Return the most that filling caches took beyond what the cost model says that caches take.

    Caches that are held from the start take nothing more: all that grows is beyond them.
    """
    by_name = {precision.name: precision for precision in precisions}

    def grown_cache_bytes(name: str, tokens: int) -> float:
        return 0.0 if preallocated_tokens else tokens * kv_bytes_per_token(model, by_name[name])

    return max(
        (
            filled.grown_bytes - grown_cache_bytes(each.precision, filled.tokens)
            for each in alone
            for filled in each.filled
        ),
        default=0.0,
    )


def _figure(precision: Precision, state: str, predicted: float, measured: float) -> MemoryFigures:
    return MemoryFigures(
        precision=precision.name,
        state=state,
        predicted_bytes=float(predicted),
        measured_bytes=float(measured),
    )
