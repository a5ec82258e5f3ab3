"""A scenario on a real engine instead of the simulated node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgebatch.engines import Engine, EngineInfo, Prompt
from edgebatch.errors import EngineError
from edgebatch.realtime import PromptSource, replay
from edgebatch.scenario.policy import Policy
from edgebatch.scenario.scenario import Scenario
from edgebatch.scheduling import RunLog
from edgebatch.workload import Workload


@dataclass(frozen=True, slots=True)
class RealRun:
    """What a run on an engine left behind.

    Attributes:
        log: as a simulation's.
        engine: what the engine said of itself.
        pace: true over believed time of all work.
        error: what broke the run off; every request that had come in is on record all the same.
    """

    log: RunLog
    engine: EngineInfo
    pace: float
    error: EngineError | None


async def run_on_engine(
    scenario: Scenario,
    policy: Policy,
    engine: Engine,
    text: str,
    workload: Workload | None = None,
    on_arrival: Callable[[], None] | None = None,
    on_start: Callable[[EngineInfo], None] | None = None,
) -> RealRun:
    """Replay a scenario's workload against an engine in real time, under one policy.

    Args:
        scenario: its precisions must be hosted by the engine under the same names.
        policy: who decides.
        engine: not started; it is stopped when this returns, whatever happens.
        text: what prompts are cut out of.
        workload: who arrives, if not the scenario's own workload.
        on_arrival: called at each arrival, for showing progress.
        on_start: called once the engine has started, with what it says of itself.

    Raises:
        EngineError: the engine could not start.
        InputError: it cannot load the model, the text is empty, or the scenario has servers.
    """
    scenario.require_one_engine()
    try:
        info = await engine.start()
        if on_start is not None:
            on_start(info)
        prompts = PromptSource(await engine.encode(Prompt(text=text)), scenario.seed)
        dispatcher = scenario.dispatcher(policy, engine)
        dispatcher.drivers[0].limit_running(info.max_running)
        error = None
        try:
            await replay(
                scenario.workload if workload is None else workload,
                dispatcher,
                prompts,
                uplink_seconds=scenario.hosting.node.uplink_seconds if policy.is_continuous else 0,
                on_arrival=on_arrival,
            )
        except EngineError as broken:
            error = broken
        return RealRun(dispatcher.log, info, dispatcher.observed_pace, error)
    finally:
        await engine.stop()
