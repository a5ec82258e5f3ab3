"""The cost model as an engine."""

import pytest

from edgebatch.cost import BatchCost, batch_seconds
from edgebatch.engines import Finish, Prompt
from edgebatch.engines.simulated import SimulatedEngine
from edgebatch.problem import Batching, Node, Request
from engine_answers import Outcome, outcomes, request, run
from quick_clock import run_quickly
from toy_runs import TINY_MODEL, W16

NODE = Node(memory_bytes=1e6, flops=16.0 / 0.001)


def test_an_engine_that_is_started_again_knows_nothing_of_before() -> None:
    async def ask() -> dict[int, Outcome]:
        engine = SimulatedEngine([BatchCost(NODE, TINY_MODEL, W16)])
        await engine.start()
        engine.submit(request(1, "a", 1, W16.name))
        engine.cancel(1)
        await engine.stop()
        await engine.start()
        return await outcomes(engine, [request(2, "a", 1, W16.name)])

    assert run(ask()) == {2: Outcome(1, "1 ", (), Finish.LENGTH)}


OVERHEADS = NODE.replace(step_overhead_seconds=0.01, batch_overhead_seconds=0.5)


async def steps(engine: SimulatedEngine) -> list[float]:
    """Return how long each step takes until nobody runs."""
    taken = []
    while engine.running:
        taken.append((await engine.report()).step_seconds or 0.0)
    return taken


def test_a_batch_that_joins_at_once_takes_as_long_as_the_cost_model_says() -> None:
    cost = BatchCost(OVERHEADS, TINY_MODEL, W16)

    async def batches() -> list[list[float]]:
        engine = SimulatedEngine([cost])
        await engine.start()
        taken = []
        for _ in range(2):
            engine.submit(request(1, Prompt(tokens=(1,)), 3, W16.name))
            engine.submit(request(2, Prompt(tokens=(1, 2)), 3, W16.name))
            taken.append(await steps(engine))
        return taken

    first, second = run_quickly(batches())
    members = [Request("a", 1, 3, 1.0), Request("b", 2, 3, 1.0)]
    believed = batch_seconds(members, Batching.RAGGED, cost)
    assert believed > 0.53  # three passes
    assert len(first) == len(second) == 3
    assert sum(first) == pytest.approx(believed)
    assert sum(second) == pytest.approx(believed)


def test_who_joins_a_running_batch_begins_none() -> None:
    async def joined() -> list[float]:
        engine = SimulatedEngine([BatchCost(OVERHEADS, TINY_MODEL, W16)])
        await engine.start()
        engine.submit(request(1, "a", 3, W16.name))
        report = await engine.report()
        engine.submit(request(2, "a", 3, W16.name))
        return [report.step_seconds or 0.0, *await steps(engine)]

    first, *others = run_quickly(joined())
    assert first > 0.5
    assert max(others) < 0.1
