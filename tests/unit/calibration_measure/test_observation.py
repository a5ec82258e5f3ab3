"""From the first start of an engine to a profile."""

from __future__ import annotations

import asyncio
import math

import pytest
from toy_costs import F16, MODEL, W8, toy_costs
from virtual_engine import MAX_CONTEXT_TOKENS, RUNTIME_BYTES, VirtualEngine

from edgebatch.calibration.machine import memory_bytes
from edgebatch.calibration.observation import (
    Alone,
    Together,
    observe_alone,
    observe_together,
)
from edgebatch.calibration.plan import Effort
from edgebatch.calibration.profile_parts import bare_node
from edgebatch.calibration.subject import Subject
from edgebatch.engines import EngineInfo
from edgebatch.errors import EngineError


class Workshop:
    """Makes virtual engines, one at a time, and remembers them."""

    def __init__(self, dies_after_steps: int | None = None, *, preallocates: bool = False) -> None:
        self.made: list[VirtualEngine] = []
        self._dies_after_steps = dies_after_steps
        self._preallocates = preallocates

    def make(self, names: tuple[str, ...]) -> VirtualEngine:
        costs = [cost for cost in toy_costs() if cost.precision.name in names]
        engine = VirtualEngine(
            costs,
            max_running=16,
            preallocates=self._preallocates,
            dies_after_steps=self._dies_after_steps,
        )
        self.made.append(engine)
        return engine

    def clock(self) -> float:
        return self.made[-1].now

    def subject(self, max_context_tokens: int = 512) -> Subject:
        return Subject(self.make, MODEL, (F16, W8), "abc " * 300, max_context_tokens)


def ignore(share: float) -> None:
    """No one watches."""


def test_each_precision_is_started_alone_and_stopped() -> None:
    workshop = Workshop()
    alone = asyncio.run(
        observe_alone(workshop.subject(), 1.0, seed=0, on_share=ignore, clock=workshop.clock)
    )
    assert [list(engine.costs) for engine in workshop.made] == [["f16"], ["w8"]]
    assert all(engine.stopped for engine in workshop.made)
    assert alone.start_seconds == {"f16": 1.5, "w8": 1.5}
    assert [memory.precision for memory in alone.memory] == ["f16", "w8"]
    # a step of one: 5e-4 s of overhead, 2e6 · 2 bytes at 2e9 bytes/s, and a little arithmetic
    assert alone.paces[0].pass_seconds == pytest.approx(2.5e-3, rel=0.1)


def test_all_precisions_are_measured_together() -> None:
    workshop = Workshop()
    shares: list[float] = []
    together = asyncio.run(
        observe_together(
            workshop.subject(),
            Effort(budget_seconds=8.0, held_out=4),
            [],
            seed=0,
            on_share=shares.append,
            clock=workshop.clock,
        )
    )
    (engine,) = workshop.made
    assert engine.stopped
    assert together.limits.max_context_tokens == 512
    assert together.limits.max_running == 16
    assert {sample.precision for sample in together.times.fitted} == {"f16", "w8"}
    assert len(together.times.held_out) == 8
    assert max(sample.longest_context for sample in together.times.fitted) <= 512
    assert max(sample.size for sample in together.times.fitted) in range(8, 17)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


@pytest.mark.parametrize("preallocates", [False, True])
def test_a_nodes_memory_is_weights_one_full_cache_and_what_the_engine_takes_besides(
    preallocates: bool,
) -> None:
    workshop = Workshop(preallocates=preallocates)
    subject = workshop.subject(MAX_CONTEXT_TOKENS)
    effort = Effort(budget_seconds=2.0, held_out=1)

    async def observed() -> tuple[Alone, Together]:
        alone = await observe_alone(subject, 1.0, seed=0, on_share=ignore, clock=workshop.clock)
        return alone, await observe_together(
            subject, effort, alone.paces, seed=0, on_share=ignore, clock=workshop.clock
        )

    alone, together = asyncio.run(observed())
    node = bare_node(MODEL, subject.precisions, alone, together, usable_bytes=math.inf)
    assert node.reserved_bytes == pytest.approx(RUNTIME_BYTES, abs=10)
    # 2e6 parameters of 2 and of 1 byte, 16 · 1024 tokens of 2048 bytes
    assert node.memory_bytes == pytest.approx(RUNTIME_BYTES + 6e6 + 16 * 1024 * 2048, abs=10)


def test_an_engine_that_dies_is_stopped_all_the_same() -> None:
    workshop = Workshop(dies_after_steps=5)
    with pytest.raises(EngineError, match="has died"):
        asyncio.run(
            observe_alone(workshop.subject(), 1.0, seed=0, on_share=ignore, clock=workshop.clock)
        )
    assert [engine.stopped for engine in workshop.made] == [True]


def test_the_smallest_cache_that_the_engine_tells_is_its_capacity() -> None:
    def capacity(said: str, max_running: int | None = None) -> int | None:
        settings = {"cache_bytes": said}
        info = EngineInfo("toy", "1", "toy", ("f16",), 512, max_running, settings)
        return Workshop().subject().capacity_tokens(info)

    # 2 · 4 layers · 128 values · 2 bytes: 2048 bytes a token
    assert capacity("{'f16': 4096000, 'w8': 2048000}") == 1000
    assert capacity("8192000") == 4000
    assert capacity("8192000", max_running=4) == 4 * 512
    assert capacity("None") is None


def test_trials_never_ask_for_more_than_the_capacity_or_half_of_the_memory() -> None:
    def limit(said: str) -> int | None:
        info = EngineInfo("toy", "1", "toy", ("f16",), settings={"cache_bytes": said})
        return Workshop().subject().limits(info).cache_tokens

    assert limit("8192000") == 4000
    assert limit("None") == limit(str(10**18)) == memory_bytes() // 2 // 2048
