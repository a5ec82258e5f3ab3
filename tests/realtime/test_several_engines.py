"""One queue before several engines under the wall clock."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from test_dispatchers import NODE, PROMPTS, BreakingEngine, run

from edgebatch.cost import BatchCost
from edgebatch.engines import Prompt
from edgebatch.engines.simulated import SimulatedEngine
from edgebatch.errors import EngineError
from edgebatch.problem import Node
from edgebatch.realtime import ContinuousDispatcher, Job, replay
from edgebatch.scheduling import (
    ContinuousScheduler,
    JoinRules,
    Ledger,
    NodePool,
    Outcome,
    RollingRules,
    RollingScheduler,
    WaitingQueue,
)
from edgebatch.simulation import ContinuousSimulation
from edgebatch.workload import Arrival
from toy_runs import TINY_MODEL, W16, arrival, hosting, listed, records

SLOW = NODE.replace(flops=NODE.flops / 2.0)


def rolling(*nodes: Node) -> NodePool:
    queue, rules = WaitingQueue(Ledger()), RollingRules(reserve=0.0)
    return NodePool([RollingScheduler(hosting(node), rules, queue) for node in nodes])


def fcfs(*nodes: Node) -> NodePool:
    queue, rules = WaitingQueue(Ledger()), JoinRules(batch_cap=1)
    return NodePool([ContinuousScheduler(hosting(node), rules, queue) for node in nodes])


def engine(node: Node) -> SimulatedEngine:
    return SimulatedEngine([BatchCost(node, TINY_MODEL, W16)])


BOTH = pytest.mark.parametrize("pool_of", [rolling, fcfs])
MIXED = (
    arrival(0, 0.00, 1, 3, deadline=1.0),
    arrival(1, 0.01, 1, 3, deadline=1.0),
    arrival(2, 0.50, 1, 2, deadline=0.1),  # only on the fast one
    arrival(3, 0.51, 1, 2, deadline=0.3),
    arrival(4, 1.00, 1, 3, deadline=0.06),  # nowhere
    arrival(5, 1.50, 1, 2, deadline=0.2),
    # the fast one is busy, and even so it would be the first to answer, and the slow one idle
    arrival(6, 2.00, 1, 3, deadline=1.0),
    arrival(7, 2.01, 1, 2, deadline=1.0),
)


@BOTH
def test_engines_do_what_the_simulation_does(pool_of: Any) -> None:
    async def served() -> ContinuousDispatcher:
        engines = [engine(SLOW), engine(NODE)]
        for each in engines:
            await each.start()
        dispatcher = ContinuousDispatcher(engines, pool_of(SLOW, NODE))
        await replay(listed(*MIXED), dispatcher, PROMPTS)
        return dispatcher

    log = run(served()).log
    simulated = ContinuousSimulation(pool_of(SLOW, NODE), listed(*MIXED)).run()
    assert log.num_nodes == simulated.num_nodes == 2
    for ours, theirs in zip(records(log), records(simulated), strict=True):
        assert ours.outcome == theirs.outcome
        assert ours.finished_at_seconds == pytest.approx(
            theirs.finished_at_seconds, abs=0.002, nan_ok=True
        )


@BOTH
def test_what_an_engine_loses_before_it_began_goes_to_the_other_at_once(pool_of: Any) -> None:
    async def served() -> tuple[ContinuousDispatcher, list[tuple[int, str]]]:
        broken, well = BreakingEngine(num_reports=1), engine(NODE)
        for each in (broken, well):
            await each.start()
        dispatcher = ContinuousDispatcher([broken, well], pool_of(NODE, NODE))
        driving = [asyncio.create_task(each.run()) for each in dispatcher.drivers]
        where: list[tuple[int, str]] = []

        def ask(each: Arrival) -> None:
            def joined(_: object) -> None:
                members = [driver.members for driver in dispatcher.drivers]
                places = [
                    any(m.waiting.arrival.number == each.number for m in m_) for m_ in members
                ]
                where.append((each.number, "broken" if places[0] else "well"))

            job = Job(Prompt(tokens=(1,)), on_joined=joined)
            dispatcher.submit(each._replace(arrival_seconds=dispatcher.timers.now), job)

        ask(arrival(0, 0.0, 1, 5, deadline=5.0))  # gets a token, and then its engine breaks
        ask(arrival(1, 0.0, 1, 5, deadline=5.0))
        await asyncio.sleep(0.005)
        with pytest.raises(EngineError):
            await driving[0]
        ask(arrival(2, 0.0, 1, 1, deadline=5.0))
        await dispatcher.until_all_ended()
        driving[1].cancel()
        return dispatcher, where

    dispatcher, where = run(served())
    outcomes = {each.number: each.outcome for each in records(dispatcher.log)}
    assert outcomes == {0: Outcome.FAILED, 1: Outcome.IN_TIME, 2: Outcome.IN_TIME}
    assert dict(where) == {0: "broken", 1: "well", 2: "well"}


def test_a_request_that_its_engine_loses_is_read_by_the_other() -> None:
    async def served() -> ContinuousDispatcher:
        broken, well = BreakingEngine(num_reports=0), engine(NODE)
        for each in (broken, well):
            await each.start()
        dispatcher = ContinuousDispatcher([broken, well], rolling(NODE, NODE))
        now = dispatcher.timers.now
        dispatcher.submit(arrival(0, now, 1, 2, deadline=5.0), Job(Prompt(tokens=(1,))))
        assert [len(each.members) for each in dispatcher.drivers] == [1, 0]
        driving = [asyncio.create_task(each.run()) for each in dispatcher.drivers]
        await dispatcher.until_all_ended()
        with pytest.raises(EngineError):
            await driving[0]
        driving[1].cancel()
        return dispatcher

    [record] = records(run(served()).log)
    assert record.outcome == Outcome.IN_TIME
