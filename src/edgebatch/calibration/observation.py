"""An engine observed from its start to its stop: memory first, then times."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from edgebatch.calibration.bench import Bench, Clock
from edgebatch.calibration.cuts import Cuts
from edgebatch.calibration.memory import PrecisionMemory, measured_memory
from edgebatch.calibration.pilot import measured_pace, slowest
from edgebatch.calibration.plan import Effort, Limits, Pace, planned_trials
from edgebatch.calibration.subject import Subject
from edgebatch.calibration.times import Times, measure_times
from edgebatch.engines import Engine, EngineInfo
from edgebatch.problem import Batching

OnShare = Callable[[float], None]
"""Told which share of something has been done."""


@dataclass(frozen=True, slots=True)
class Alone:
    """The engine with each precision by itself.

    Attributes:
        start_seconds: how long it took to start, by precision.
        memory: empty if the engine does not tell its memory.
        paces: roughly how fast it is.
    """

    start_seconds: dict[str, float] = field(default_factory=dict)
    memory: list[PrecisionMemory] = field(default_factory=list)
    paces: list[Pace] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Together:
    """The engine with all precisions hosted.

    Attributes:
        info: what it says of itself.
        limits: what trials may ask of it.
        capacity_tokens: what its caches take at most; None if it does not tell.
        text: the text's token ids by its tokenizer; none if it has none to ask.
        loaded_bytes: its memory with empty caches; None if it does not tell.
        times: what trials took.
        num_cut_short: trials in which an answer ended before its limit.
    """

    info: EngineInfo
    limits: Limits
    capacity_tokens: int | None
    text: tuple[int, ...]
    loaded_bytes: int | None
    times: Times
    num_cut_short: int = 0

    @property
    def preallocated_tokens(self) -> int:
        """Tokens in the cache of each precision that ``loaded_bytes`` holds; 0 if caches grow."""
        return (self.capacity_tokens or 0) if self.info.preallocates else 0


class _Started(NamedTuple):
    engine: Engine
    info: EngineInfo
    limits: Limits
    cuts: Cuts
    bench: Bench


async def observe_alone(
    subject: Subject,
    budget_seconds: float,
    *,
    seed: int,
    on_share: OnShare,
    clock: Clock = time.monotonic,
) -> Alone:
    """Start the engine with each precision in turn; fill its cache and read its memory.

    Raises:
        EngineError: the engine failed.
        InputError: the model is not one that it can load.
        MissingExtraError: the library behind it is not installed.
    """
    alone = Alone()
    for number, name in enumerate(subject.names):
        on_share(number / len(subject.names))
        async with _started(subject, (name,), seed, clock) as started:
            alone.start_seconds[name] = started.info.start_seconds
            pace = await measured_pace(started.bench, name, started.limits)
            alone.paces.append(pace)
            loaded = await started.engine.memory_bytes()
            if loaded is not None:
                budget = budget_seconds / len(subject.names)
                memory = await measured_memory(
                    started.bench, name, loaded, started.limits, pace, budget
                )
                alone.memory.append(memory)
    on_share(1.0)
    return alone


async def observe_together(
    subject: Subject,
    effort: Effort,
    paces: Sequence[Pace],
    *,
    seed: int,
    on_share: OnShare,
    clock: Clock = time.monotonic,
) -> Together:
    """Start the engine with all precisions and run trials until the time is up.

    Args:
        subject: what is measured.
        effort: how much to measure.
        paces: of the precisions alone; together they may be slower.
        seed: of everything that is drawn.
        on_share: told how much of the time has passed.
        clock: that of the engine's reports.

    Raises:
        EngineError: the engine failed.
    """
    async with _started(subject, subject.names, seed, clock) as started:
        bench, limits = started.bench, started.limits
        now = [await measured_pace(bench, name, limits) for name in subject.names]
        loaded = await started.engine.memory_bytes()
        effort = replace(effort, has_steps=started.info.has_steps)
        if bench.is_padded:
            effort = replace(effort, joining=False, uneven=True)
        trials = planned_trials(subject.names, limits, slowest([*paces, *now]), effort, seed=seed)
        times = await measure_times(
            bench, trials, effort.budget_seconds, seed=seed, on_progress=on_share, clock=clock
        )
    on_share(1.0)
    capacity = subject.capacity_tokens(started.info)
    text, cut_short = started.cuts.tokens, bench.num_cut_short
    return Together(started.info, limits, capacity, text, loaded, times, cut_short)


@asynccontextmanager
async def _started(
    subject: Subject, names: tuple[str, ...], seed: int, clock: Clock
) -> AsyncIterator[_Started]:
    engine = subject.make_engine(names)
    try:
        info = await engine.start()
        cuts = await subject.cuts(engine, seed)
        bench = Bench(
            engine,
            has_steps=info.has_steps,
            cuts=cuts,
            ignores_end=subject.manner.ignores_end,
            is_padded=is_padded(info),
            clock=clock,
        )
        yield _Started(engine, info, subject.limits(info), cuts, bench)
    finally:
        await engine.stop()


def is_padded(info: EngineInfo) -> bool:
    """Return whether an engine runs padded batches, by what it says of itself."""
    return info.settings.get("batching") == Batching.PADDED
