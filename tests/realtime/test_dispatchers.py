"""The scheduler in front of an engine under the wall clock, which here jumps."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine
from typing import Any

import pytest

from edgebatch.cost import BatchCost
from edgebatch.engines import Progress, Prompt, Report
from edgebatch.engines.simulated import SimulatedEngine
from edgebatch.errors import EngineError
from edgebatch.problem import Node
from edgebatch.realtime import (
    ContinuousDispatcher,
    Dispatcher,
    EpochDispatcher,
    Job,
    Joined,
    PromptSource,
    replay,
)
from edgebatch.scheduling import (
    ContinuousScheduler,
    EpochProtocol,
    EpochScheduler,
    JoinRules,
    NodePool,
    Outcome,
    Reason,
    RequestRecord,
    RollingRules,
    RollingScheduler,
)
from edgebatch.simulation import ContinuousSimulation, EpochSimulation
from edgebatch.solvers import Fcfs
from edgebatch.workload import Arrival
from quick_clock import run_quickly
from toy_runs import TINY_MODEL, W16, arrival, hosting, listed, records

# 40 ms a prompt of one token, its second token 50 ms, its third 60 ms
NODE = Node(memory_bytes=1e6, flops=16.0 / 0.04)
PROMPTS = PromptSource(tuple(range(100)), seed=0)
MIXED = (
    arrival(0, 0.00, 1, 2, deadline=1.0),
    arrival(1, 0.01, 1, 3, deadline=1.0, actual=1),
    arrival(2, 0.02, 1, 3, deadline=0.06),  # takes 150 ms alone: rejected
    arrival(3, 0.03, 1, 1, deadline=0.08),  # waits for what runs: expires
    arrival(4, 0.50, 1, 2, deadline=1.0),
)


class BreakingEngine(SimulatedEngine):
    """Breaks down after a number of reports."""

    def __init__(self, num_reports: int) -> None:
        super().__init__([BatchCost(NODE, TINY_MODEL, W16)])
        self._left = num_reports

    def mend(self) -> None:
        """Start again, with nothing in it."""
        self._left = 1_000_000
        self._running.clear()

    async def report(self) -> Report:
        if self._left == 0:
            raise EngineError("it broke")
        self._left -= 1
        return await super().report()


class HangingEngine(BreakingEngine):
    """Hangs after a number of reports, and heeds nobody, until it is killed."""

    def __init__(self, num_reports: int) -> None:
        super().__init__(num_reports)
        self.is_killed = asyncio.Event()

    def cancel(self, number: int) -> None:
        if self.is_killed.is_set():
            super().cancel(number)

    async def report(self) -> Report:
        if self._left == 0:
            await self.is_killed.wait()
        return await super().report()


def engine(time_factor: float = 1.0) -> SimulatedEngine:
    return SimulatedEngine([BatchCost(NODE, TINY_MODEL, W16)], time_factor)


def epoch_scheduler() -> EpochScheduler:
    return EpochScheduler(hosting(NODE), Fcfs())


def rolling_scheduler() -> RollingScheduler:
    return RollingScheduler(hosting(NODE), RollingRules(reserve=0.0))


def in_epochs(with_engine: SimulatedEngine) -> EpochDispatcher:
    return EpochDispatcher(with_engine, epoch_scheduler())


def rolling(with_engine: SimulatedEngine) -> ContinuousDispatcher:
    return ContinuousDispatcher([with_engine], NodePool([rolling_scheduler()]))


def fcfs(with_engine: SimulatedEngine) -> ContinuousDispatcher:
    return ContinuousDispatcher(
        [with_engine], NodePool([ContinuousScheduler(hosting(NODE), JoinRules())])
    )


DRIVERS = pytest.mark.parametrize("make", [in_epochs, rolling, fcfs])


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return run_quickly(asyncio.wait_for(coroutine, timeout=20))


async def replayed(make: Any, with_engine: SimulatedEngine, *arrivals: Arrival) -> Dispatcher:
    await with_engine.start()
    dispatcher: Dispatcher = make(with_engine)
    await replay(listed(*arrivals), dispatcher, PROMPTS)
    await with_engine.stop()
    return dispatcher


def ends(dispatcher: Dispatcher) -> list[tuple[Outcome, Reason]]:
    return [(Outcome(each.outcome), Reason(each.reason)) for each in records(dispatcher.log)]


@DRIVERS
def test_requests_end_as_they_do_in_the_simulation(make: Any) -> None:
    dispatcher = run(replayed(make, engine(), *MIXED))
    if make is in_epochs:
        log = EpochSimulation(epoch_scheduler(), listed(*MIXED), EpochProtocol()).run()
    elif make is rolling:
        log = ContinuousSimulation(NodePool([rolling_scheduler()]), listed(*MIXED)).run()
    else:
        scheduler = ContinuousScheduler(hosting(NODE), JoinRules())
        log = ContinuousSimulation(NodePool([scheduler]), listed(*MIXED)).run()
    real, simulated = records(dispatcher.log), records(log)
    assert [each.outcome for each in real] == [each.outcome for each in simulated]
    assert [each.reason for each in real] == [each.reason for each in simulated]
    assert [each.actual_output_tokens for each in real] == [2, 1, 3, 1, 2]
    # here joiners are read a step later, so who runs need not wait 120 ms for it: 90 and not 210
    tolerance = 0.121 if make is fcfs else 0.001
    for ours, theirs in zip(real, simulated, strict=True):
        assert ours.finished_at_seconds == pytest.approx(
            theirs.finished_at_seconds, abs=tolerance, nan_ok=True
        )


@DRIVERS
def test_the_engine_gets_no_more_at_once_than_it_says_that_it_runs(make: Any) -> None:
    def of_two(with_engine: SimulatedEngine) -> Dispatcher:
        dispatcher: Dispatcher = make(with_engine)
        dispatcher.drivers[0].limit_running(2)
        return dispatcher

    dispatcher = run(replayed(of_two, engine(), *(arrival(each, 0.0) for each in range(5))))
    assert max(batch.running for batch in dispatcher.log.batches) == 2
    assert {each.outcome for each in records(dispatcher.log)} == {Outcome.IN_TIME}


def test_who_was_kept_out_by_a_promised_first_token_joins_once_it_has_come() -> None:
    promised = arrival(0, 0.0, 1, 3, deadline=1.0)._replace(ttft_seconds=0.045)
    dispatcher = run(replayed(rolling, engine(), promised, arrival(1, 0.0, 1, 1, deadline=1.0)))
    first, other = records(dispatcher.log)
    assert first.outcome == other.outcome == Outcome.IN_TIME
    assert first.first_token_at_seconds == pytest.approx(0.040, abs=0.001)
    # neither an arrival nor an end says that there is room now
    assert other.decided_at_seconds == pytest.approx(0.040, abs=0.001)


def test_an_idle_engine_that_was_slow_is_tried_again_although_nobody_else_comes() -> None:
    async def served() -> Dispatcher:
        with_engine = engine()
        await with_engine.start()
        scheduler = rolling_scheduler()
        scheduler.observe(1.0, 5000.0, 1.0)  # a pause, as it turns out
        dispatcher = ContinuousDispatcher([with_engine], NodePool([scheduler]))
        running = asyncio.create_task(dispatcher.drivers[0].run())
        asked = arrival(0, dispatcher.timers.now, 1, 1, deadline=50.0)
        dispatcher.submit(asked, Job(Prompt(tokens=(1,))))
        await asyncio.sleep(10.0)
        assert dispatcher.num_waiting == 1
        await dispatcher.until_all_ended()
        running.cancel()
        return dispatcher

    [record] = records(run_quickly(asyncio.wait_for(served(), timeout=60)).log)
    assert record.outcome == Outcome.IN_TIME
    assert 19.0 < record.decided_at_seconds < 21.0


@DRIVERS
def test_a_broken_engine_fails_what_runs_and_what_waits_and_keeps_other_ends(make: Any) -> None:
    async def broken() -> Dispatcher:
        failing = BreakingEngine(num_reports=3)
        dispatcher: Dispatcher = make(failing)
        await failing.start()
        early = arrival(0, 0.0, 1, 1)
        late = [arrival(number, 0.08, 1, 500) for number in (1, 2)]
        with pytest.raises(EngineError, match="it broke"):
            await replay(listed(early, *late), dispatcher, PROMPTS)
        return dispatcher

    dispatcher = run(broken())
    assert ends(dispatcher) == [
        (Outcome.IN_TIME, Reason.NONE),
        (Outcome.FAILED, Reason.ENGINE),
        (Outcome.FAILED, Reason.ENGINE),
    ]


@DRIVERS
def test_after_a_restart_those_without_a_token_are_served_and_the_others_have_failed(
    make: Any,
) -> None:
    async def restarted() -> Dispatcher:
        failing = BreakingEngine(num_reports=1)
        await failing.start()
        dispatcher: Dispatcher = make(failing)
        job = Job(Prompt(tokens=(1,)))
        dispatcher.submit(arrival(0, 0.0, 1, 500), job)
        running = asyncio.create_task(dispatcher.drivers[0].run())
        await asyncio.sleep(0.02)
        dispatcher.submit(arrival(1, dispatcher.timers.now, 1, 2, deadline=5.0), job)
        with pytest.raises(EngineError):
            await running
        dispatcher.submit(arrival(2, dispatcher.timers.now, 1, 2, deadline=5.0), job)
        assert dispatcher.num_unfinished == 2
        failing.mend()
        running = asyncio.create_task(dispatcher.drivers[0].run())
        await dispatcher.until_all_ended()
        running.cancel()
        return dispatcher

    dispatcher = run(restarted())
    assert ends(dispatcher) == [
        (Outcome.FAILED, Reason.ENGINE),
        (Outcome.IN_TIME, Reason.NONE),
        (Outcome.IN_TIME, Reason.NONE),
    ]


@DRIVERS
@pytest.mark.parametrize("num_reports", [0, 3], ids=["before its first token", "after it"])
def test_who_was_called_off_is_not_served_when_the_engine_comes_back(
    make: Any, num_reports: int
) -> None:
    async def restarted() -> Dispatcher:
        failing = HangingEngine(num_reports)
        await failing.start()
        dispatcher: Dispatcher = make(failing)
        job = Job(Prompt(tokens=(1,)))
        running = asyncio.create_task(dispatcher.drivers[0].run())
        for number in range(2):
            dispatcher.submit(arrival(number, 0.0, 1, 20, deadline=99.0), job)
        await asyncio.sleep(0.5)
        assert dispatcher.members[0].waiting.arrival.number == 0
        dispatcher.cancel(0)
        failing.is_killed.set()
        with pytest.raises(EngineError):
            await running
        failing.mend()
        running = asyncio.create_task(dispatcher.drivers[0].run())
        await dispatcher.until_all_ended()
        running.cancel()
        dispatcher.log.ledger.check_conservation()
        return dispatcher

    gone = (Outcome.CANCELLED, Reason.CLIENT_GONE)
    waited = (Outcome.FAILED, Reason.ENGINE) if num_reports else (Outcome.IN_TIME, Reason.NONE)
    assert ends(run(restarted())) == [gone, waited]


@DRIVERS
def test_who_was_called_off_is_no_fault_of_an_engine_that_does_not_come_back(make: Any) -> None:
    async def given_up() -> Dispatcher:
        hanging = HangingEngine(0)
        await hanging.start()
        dispatcher: Dispatcher = make(hanging)
        job = Job(Prompt(tokens=(1,)))
        running = asyncio.create_task(dispatcher.drivers[0].run())
        for number in range(2):
            dispatcher.submit(arrival(number, 0.0, 1, 20, deadline=99.0), job)
        await asyncio.sleep(0.5)
        dispatcher.cancel(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        dispatcher.abandon_all()
        dispatcher.log.ledger.check_conservation()
        return dispatcher

    gone, failed = (Outcome.CANCELLED, Reason.CLIENT_GONE), (Outcome.FAILED, Reason.ENGINE)
    assert ends(run(given_up())) == [gone, failed]


@pytest.mark.parametrize("breaks", [False, True])
def test_who_is_called_off_on_the_way_to_the_engine_is_not_served(breaks: bool) -> None:
    async def called_off() -> Dispatcher:
        failing = BreakingEngine(num_reports=0 if breaks else 1_000_000)
        await failing.start()
        scheduler = EpochScheduler(hosting(NODE.replace(uplink_seconds=0.03)), Fcfs())
        dispatcher = EpochDispatcher(failing, scheduler)
        job = Job(Prompt(tokens=(1,)))
        dispatcher.submit(arrival(0, 0.0, 1, 20, deadline=99.0), job)
        await asyncio.sleep(0.01)
        assert (dispatcher.num_waiting, dispatcher.members) == (0, ())
        dispatcher.cancel(0)
        if breaks:
            with pytest.raises(EngineError):
                await dispatcher.drivers[0].run()
            failing.mend()
        running = asyncio.create_task(dispatcher.drivers[0].run())
        await dispatcher.until_all_ended()
        running.cancel()
        return dispatcher

    assert ends(run(called_off())) == [(Outcome.CANCELLED, Reason.CLIENT_GONE)]


def test_ends_are_believed_as_the_cost_model_has_them() -> None:
    async def joined() -> list[Joined]:
        with_engine = engine()
        await with_engine.start()
        dispatcher = rolling(with_engine)
        running = asyncio.create_task(dispatcher.drivers[0].run())
        told: list[Joined] = []
        job = Job(Prompt(tokens=(1,)), on_joined=told.append)
        for number in range(2):
            dispatcher.submit(arrival(number, dispatcher.timers.now, 1, 2), job)
        await dispatcher.until_all_ended()
        running.cancel()
        return told

    first, second = run(joined())
    assert first.precision == "w16"
    assert first.believed_end_seconds - first.at_seconds == pytest.approx(0.09)  # 40 + 50 ms
    # the second joins after the first step: 40 ms to read it while the other decodes, 50 and 50
    assert second.believed_end_seconds - second.at_seconds == pytest.approx(0.14, abs=0.001)


@DRIVERS
def test_requests_can_be_called_off_while_they_wait_and_while_they_run(make: Any) -> None:
    async def cancelled() -> list[RequestRecord]:
        with_engine = engine()
        await with_engine.start()
        dispatcher: Dispatcher = make(with_engine)
        running = asyncio.create_task(dispatcher.drivers[0].run())
        told: list[RequestRecord] = []
        job = Job(Prompt(tokens=(1,)), on_end=told.append)
        dispatcher.submit(arrival(0, 0.0, 1, 400), job)
        await asyncio.sleep(0.15)
        # it takes 80 ms alone and so may wait, but not join: nobody may join in epochs
        dispatcher.submit(arrival(1, dispatcher.timers.now, 1, 2), job)
        dispatcher.cancel(1)
        dispatcher.cancel(0)
        dispatcher.cancel(7)
        await dispatcher.until_all_ended()
        assert dispatcher.num_unfinished == 0
        running.cancel()
        dispatcher.log.ledger.check_conservation()
        return told

    told = sorted(run(cancelled()))
    assert [each.number for each in told] == [0, 1]
    assert {each.outcome for each in told} == {Outcome.CANCELLED}


def test_listeners_hear_every_token_and_the_end() -> None:
    async def heard() -> tuple[list[Progress], list[RequestRecord]]:
        with_engine = engine()
        await with_engine.start()
        dispatcher = rolling(with_engine)
        running = asyncio.create_task(dispatcher.drivers[0].run())
        tokens: list[Progress] = []
        end: list[RequestRecord] = []
        job = Job(Prompt(tokens=(1,)), on_progress=tokens.append, on_end=end.append)
        dispatcher.submit(arrival(0, dispatcher.timers.now, 1, 3), job)
        await dispatcher.until_all_ended()
        running.cancel()
        return tokens, end

    tokens, end = run(heard())
    assert "".join(each.text for each in tokens) == "1 2 3 "
    assert [each.finish is None for each in tokens] == [True, True, False]
    assert len(end) == 1
    assert end[0].outcome == Outcome.IN_TIME


def test_a_slow_engine_is_noticed() -> None:
    scheduler = rolling_scheduler()

    async def observed() -> None:
        with_engine = engine(time_factor=1.5)
        await with_engine.start()
        dispatcher = ContinuousDispatcher([with_engine], NodePool([scheduler]))
        await replay(listed(arrival(0, 0.0, 1, 6)), dispatcher, PROMPTS)

    run(observed())
    assert scheduler.pace.pace == pytest.approx(1.5, rel=0.001)


def test_a_wrong_decision_ends_the_run_instead_of_hanging() -> None:
    async def failing() -> None:
        with_engine = engine()
        await with_engine.start()
        dispatcher = in_epochs(with_engine)
        running = asyncio.create_task(dispatcher.drivers[0].run())
        await asyncio.sleep(0)

        def divide() -> None:
            _ = 1 / 0

        dispatcher.timers.alarm(0.0, divide)
        await running

    with pytest.raises(ZeroDivisionError):
        run(failing())


def test_prompts_are_cut_out_of_the_text_the_same_way_every_time() -> None:
    prompt = PROMPTS.prompt(3, 250).tokens
    assert prompt is not None
    assert len(prompt) == 250
    assert prompt == PROMPTS.prompt(3, 250).tokens
    steps = {(later - earlier) % 100 for earlier, later in itertools.pairwise(prompt)}
    assert steps == {1}
    assert prompt != PROMPTS.prompt(4, 250).tokens


def test_epochs_reckon_with_an_engine_that_was_seen_to_be_slow() -> None:
    scheduler = epoch_scheduler()

    async def observed() -> float:
        with_engine = engine(time_factor=2.0)
        await with_engine.start()
        dispatcher = EpochDispatcher(with_engine, scheduler)
        # two tokens are believed to take 90 ms and take 180
        in_doubt = arrival(1, 0.5, 1, 2, deadline=0.15)
        await replay(listed(arrival(0, 0.0, 1, 2), in_doubt), dispatcher, PROMPTS)
        return dispatcher.drivers[0].believed_pace

    assert run(observed()) == scheduler.pace.pace == pytest.approx(2.0, rel=0.001)
    assert scheduler.ledger.column("outcome").tolist() == [Outcome.IN_TIME, Outcome.EXPIRED]


def test_epochs_learn_the_pace_from_requests_that_were_called_off_as_well() -> None:
    scheduler = epoch_scheduler()

    async def called_off() -> None:
        with_engine = engine()
        await with_engine.start()
        dispatcher = EpochDispatcher(with_engine, scheduler)
        running = asyncio.create_task(dispatcher.drivers[0].run())
        told: list[Progress] = []
        job = Job(Prompt(tokens=(1,)), on_progress=told.append)
        dispatcher.submit(arrival(0, 0.0, 1, 400), job)
        while len(told) < 4:  # 40 + 50 + 60 + 70 ms
            await asyncio.sleep(0.01)
        dispatcher.cancel(0)
        await dispatcher.until_all_ended()
        running.cancel()

    run(called_off())
    assert scheduler.pace.pace != 1.0
    assert scheduler.pace.pace == pytest.approx(1.0, rel=0.6)  # ended within the fifth step


def test_epochs_learn_nothing_from_an_engine_that_broke() -> None:
    scheduler = epoch_scheduler()

    async def broken() -> None:
        failing = BreakingEngine(num_reports=2)
        await failing.start()
        dispatcher = EpochDispatcher(failing, scheduler)
        for number, output in enumerate((1, 500)):  # one batch, of which the first is served
            dispatcher.submit(arrival(number, 0.0, 1, output), Job(Prompt(tokens=(1,))))
        with pytest.raises(EngineError, match="it broke"):
            await dispatcher.drivers[0].run()
        assert [each.size for each in dispatcher.log.batches] == [2]

    run(broken())
    assert scheduler.pace.pace == 1.0
