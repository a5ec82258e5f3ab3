"""Every request ends once, wherever it is when the engine breaks or is given up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from edgebatch.cost import BatchCost
from edgebatch.engines import Finish, Prompt, Report
from edgebatch.engines.simulated import SimulatedEngine
from edgebatch.errors import EngineError
from edgebatch.problem import Node
from edgebatch.realtime import ContinuousDispatcher, Dispatcher, EpochDispatcher, Job, Joined
from edgebatch.scheduling import (
    ContinuousScheduler,
    EpochScheduler,
    JoinRules,
    NodePool,
    Outcome,
    Reason,
    RollingRules,
    RollingScheduler,
)
from edgebatch.solvers import Fcfs
from quick_clock import run_quickly
from toy_runs import TINY_MODEL, W16, arrival, hosting, records

# 40 ms a prompt of one token, its second token 50 ms, its third 60 ms
NODE = Node(memory_bytes=1e6, flops=16.0 / 0.04)
RADIO_NODE = NODE.replace(uplink_seconds=0.03, downlink_seconds=0.03)
JOB = Job(Prompt(tokens=(1,)))


def in_epochs(engine: SimulatedEngine, node: Node = NODE) -> Dispatcher:
    return EpochDispatcher(engine, EpochScheduler(hosting(node), Fcfs()))


def rolling(engine: SimulatedEngine) -> Dispatcher:
    rules = RollingRules(reserve=0.0)
    return ContinuousDispatcher([engine], NodePool([RollingScheduler(hosting(NODE), rules)]))


def fcfs(engine: SimulatedEngine) -> Dispatcher:
    return ContinuousDispatcher(
        [engine], NodePool([ContinuousScheduler(hosting(NODE), JoinRules())])
    )


DRIVERS = pytest.mark.parametrize("make", [in_epochs, rolling, fcfs])


class Mortal(SimulatedEngine):
    """Breaks down so long after its second report, if it is to, and can be mended."""

    def __init__(self, after_seconds: float | None = None) -> None:
        super().__init__([BatchCost(NODE, TINY_MODEL, W16)])
        self._num_reports = 0
        self._after_seconds = after_seconds

    def mend(self) -> None:
        self._after_seconds = None
        self._running.clear()

    async def report(self) -> Report:
        if self._after_seconds is not None and self._num_reports == 2:
            await asyncio.sleep(self._after_seconds)
            raise EngineError("it broke")
        self._num_reports += 1
        return await super().report()


class Speechless(SimulatedEngine):
    """Reads a prompt and ends without a word."""

    def __init__(self) -> None:
        super().__init__([BatchCost(NODE, TINY_MODEL, W16)])

    async def report(self) -> Report:
        report = await super().report()
        self._running.clear()
        ends = [
            each._replace(num_tokens=0, text="", finish=Finish.STOP) for each in report.progress
        ]
        return report._replace(progress=tuple(ends))


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return run_quickly(asyncio.wait_for(coroutine, timeout=20))


def ends(dispatcher: Dispatcher) -> list[tuple[Outcome, Reason]]:
    dispatcher.log.ledger.check_conservation()
    return [(Outcome(each.outcome), Reason(each.reason)) for each in records(dispatcher.log)]


async def stopped(running: asyncio.Task[None]) -> None:
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("after_seconds", [0.05, 0.1], ids=["in the uplink", "before computing"])
def test_a_batch_on_its_way_to_an_engine_that_breaks_is_served_by_the_next(
    after_seconds: float,
) -> None:
    async def broken() -> Dispatcher:
        engine = Mortal(after_seconds)
        await engine.start()
        dispatcher = in_epochs(engine, RADIO_NODE)
        running = asyncio.create_task(dispatcher.drivers[0].run())
        # computed from 0.03 to 0.18, with tokens at 0.07 and 0.12
        dispatcher.submit(arrival(0, 0.0, 1, 3), JOB)
        await asyncio.sleep(0.05)
        dispatcher.submit(arrival(1, dispatcher.timers.now, 1, 1), JOB)  # sent from 0.15 to 0.18
        with pytest.raises(EngineError, match="it broke"):  # at 0.17 or 0.22
            await running
        await asyncio.sleep(0.05)
        engine.mend()
        running = asyncio.create_task(dispatcher.drivers[0].run())
        await dispatcher.until_all_ended()
        await stopped(running)
        return dispatcher

    dispatcher = run(broken())
    assert ends(dispatcher) == [(Outcome.FAILED, Reason.ENGINE), (Outcome.IN_TIME, Reason.NONE)]


@pytest.mark.parametrize(
    "at_seconds", [0.01, 0.05, 0.08], ids=["in the uplink", "in the engine", "in the downlink"]
)
def test_whoever_is_given_up_ends_once_wherever_in_an_epoch(at_seconds: float) -> None:
    async def given_up() -> Dispatcher:
        engine = Mortal()
        await engine.start()
        dispatcher = in_epochs(engine, RADIO_NODE)
        running = asyncio.create_task(dispatcher.drivers[0].run())
        dispatcher.submit(arrival(0, 0.0, 1, 1), JOB)  # computed from 0.03 to 0.07
        await asyncio.sleep(at_seconds)
        await stopped(running)
        dispatcher.abandon_all()
        assert dispatcher.num_unfinished == 0
        await asyncio.sleep(1.0)  # what was to happen still rings
        return dispatcher

    assert ends(run(given_up())) == [(Outcome.FAILED, Reason.ENGINE)]


@DRIVERS
def test_nobody_joins_an_engine_whose_reports_nobody_takes(
    make: Callable[[SimulatedEngine], Dispatcher],
) -> None:
    async def unheard() -> tuple[list[Joined], Dispatcher]:
        engine = Mortal()
        await engine.start()
        dispatcher = make(engine)
        running = asyncio.create_task(dispatcher.drivers[0].run())
        await asyncio.sleep(0.01)
        await stopped(running)
        joined: list[Joined] = []
        job = Job(Prompt(tokens=(1,)), on_joined=joined.append)
        dispatcher.submit(arrival(0, dispatcher.timers.now), job)
        await asyncio.sleep(0.01)
        assert dispatcher.num_waiting == 1
        dispatcher.abandon_all()
        return joined, dispatcher

    joined, dispatcher = run(unheard())
    assert joined == []
    assert ends(dispatcher) == [(Outcome.FAILED, Reason.ENGINE)]


@DRIVERS
def test_an_answer_without_a_token_is_whole_when_it_ends(
    make: Callable[[SimulatedEngine], Dispatcher],
) -> None:
    async def answered() -> Dispatcher:
        engine = Speechless()
        await engine.start()
        dispatcher = make(engine)
        running = asyncio.create_task(dispatcher.drivers[0].run())
        await asyncio.sleep(0.5)
        dispatcher.submit(arrival(0, dispatcher.timers.now, 1, 3), JOB)
        await dispatcher.until_all_ended()
        await stopped(running)
        return dispatcher

    dispatcher = run(answered())
    [record] = records(dispatcher.log)
    assert record.outcome == Outcome.IN_TIME
    assert record.actual_output_tokens == 0
    # the prompt is read in 40 ms
    for came_at in (record.first_token_at_seconds, record.last_token_at_seconds):
        assert came_at - record.arrival_seconds == pytest.approx(0.04, abs=0.001)
    assert dispatcher.log.span_seconds == pytest.approx(0.54, abs=0.001)


def test_after_an_engine_broke_the_slack_of_the_lost_keeps_nobody_waiting() -> None:
    async def restarted() -> Dispatcher:
        engine = Mortal(0.0)
        await engine.start()
        dispatcher = rolling(engine)
        running = asyncio.create_task(dispatcher.drivers[0].run())
        # 40 + 50 + 60 ms, which leaves 2 ms
        dispatcher.submit(arrival(0, dispatcher.timers.now, 1, 3, deadline=0.152), JOB)
        with pytest.raises(EngineError, match="it broke"):
            await running
        engine.mend()
        running = asyncio.create_task(dispatcher.drivers[0].run())
        await asyncio.sleep(0.01)
        dispatcher.submit(arrival(1, dispatcher.timers.now, deadline=5.0), JOB)
        await dispatcher.until_all_ended()
        await stopped(running)
        return dispatcher

    dispatcher = run(restarted())
    assert ends(dispatcher) == [(Outcome.FAILED, Reason.ENGINE), (Outcome.IN_TIME, Reason.NONE)]
