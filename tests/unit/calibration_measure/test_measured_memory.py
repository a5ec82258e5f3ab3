"""Memory predicted and measured."""

from __future__ import annotations

import asyncio

import pytest
from toy_costs import toy_costs
from virtual_engine import VirtualEngine

from edgebatch.calibration.bench import Bench
from edgebatch.calibration.cuts import TokenCuts
from edgebatch.calibration.memory import (
    Filled,
    PrecisionMemory,
    measured_memory,
    memory_figures,
    runtime_bytes,
    working_bytes,
)
from edgebatch.calibration.plan import Limits, Pace
from edgebatch.problem import Model, Precision

# 2 layers × 2 (keys, values) × 4 heads × 8 × 2 bytes: 256 bytes a token
MODEL = Model(layers=2, hidden_size=32, ffn_size=64, heads=4, parameters=1000)
F16 = Precision("f16", weight_bytes=2.0)
W8 = Precision("w8", weight_bytes=1.0)
PACE = Pace(prompt_token_seconds=1e-4, pass_seconds=1e-3, member_seconds=1e-5)


def test_what_engines_share_is_counted_once() -> None:
    # 700 for the runtime: 700 + 2000 and 700 + 1000 apart, 700 + 3000 together
    alone = [PrecisionMemory("f16", 2700, ()), PrecisionMemory("w8", 1700, ())]
    assert runtime_bytes(alone, 3700) == 700
    weights = {
        each.precision: each.measured_bytes
        for each in memory_figures(alone, 3700, MODEL, (F16, W8))
    }
    assert weights == {"f16": 2000.0, "w8": 1000.0}


def test_engines_that_share_nothing_have_no_common_runtime() -> None:
    alone = [PrecisionMemory("f16", 2700, ()), PrecisionMemory("w8", 1700, ())]
    assert runtime_bytes(alone, 4400) == 0.0
    # 4400 − 4300 is less than a tenth of 2200
    assert runtime_bytes(alone, 4300) == 0.0
    assert runtime_bytes(alone[:1], 2700) == 0.0


def test_predictions_are_those_of_the_cost_model() -> None:
    filled = (Filled(100, 25_000, at_once=False), Filled(100, 90_000, at_once=True))
    figures = memory_figures([PrecisionMemory("w8", 5000, filled)], 5000, MODEL, (W8,))
    assert [(each.state, each.predicted_bytes, each.measured_bytes) for each in figures] == [
        # a single precision: what is the engine's cannot be told from the weights
        ("weights and engine", 1000.0, 5000.0),
        ("100 tokens in the cache", 25_600.0, 25_000.0),
        ("100 tokens read at once", 25_600.0, 90_000.0),
    ]
    # 90000 − 100 · 256
    working = working_bytes([PrecisionMemory("w8", 5000, filled)], MODEL, (W8,))
    assert working == 90_000 - 25_600


def test_caches_that_an_engine_holds_from_its_start_are_told_with_its_weights() -> None:
    filled = (Filled(100, 800, at_once=False), Filled(100, 9000, at_once=True))
    alone = [PrecisionMemory("w8", 60_000, filled)]
    figures = memory_figures(alone, 60_000, MODEL, (W8,), preallocated_tokens=200)
    assert [(each.state, each.predicted_bytes, each.measured_bytes) for each in figures] == [
        # 1000 parameters of a byte and 200 tokens of 256
        ("weights, engine and cache", 1000 + 51_200.0, 60_000.0)
    ]
    # caches do not grow, so all that grows is room to compute in
    assert working_bytes(alone, MODEL, (W8,), preallocated_tokens=200) == 9000


@pytest.mark.parametrize(
    "limits",
    [Limits(1024, cache_tokens=4000), Limits(128), Limits(1024, max_running=2)],
)
def test_caches_of_an_engine_that_keeps_to_the_cost_model_are_as_predicted(limits: Limits) -> None:
    costs = toy_costs()[:1]
    engine = VirtualEngine(costs)
    bench = Bench(engine, has_steps=True, cuts=TokenCuts(range(500), seed=0), clock=engine.clock)

    async def measured() -> PrecisionMemory:
        loaded = await engine.memory_bytes()
        assert loaded is not None
        return await measured_memory(bench, "f16", loaded, limits, PACE, budget_seconds=10.0)

    memory = asyncio.run(measured())
    assert memory.filled[-1].at_once
    for filled in memory.filled:
        predicted = filled.tokens * costs[0].kv_bytes_per_token
        assert filled.grown_bytes == pytest.approx(predicted, abs=2)
        assert limits.cache_tokens is None or filled.tokens <= limits.cache_tokens
    assert not engine.running
