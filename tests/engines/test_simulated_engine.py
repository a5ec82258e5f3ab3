"""The cost model as an engine."""

from edgebatch.cost import BatchCost
from edgebatch.engines import Finish
from edgebatch.engines.simulated import SimulatedEngine
from edgebatch.problem import Node
from engine_answers import Outcome, outcomes, request, run
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
