"""Keeping an engine: what is asked of it anew, and that none is left behind."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from edgebatch.engines import Engine, EngineInfo, Prompt
from edgebatch.errors import EngineError
from edgebatch.realtime import Job
from edgebatch.scenario import Scenario, parse_policy
from edgebatch.scheduling import RequestRecord
from edgebatch.serving.failures import Failures
from edgebatch.serving.fleet import Fleet, State
from edgebatch.serving.gateway import Gateway
from edgebatch.serving.keeper import EngineKeeper
from edgebatch.serving.server import serve
from edgebatch.serving.settings import load_settings
from edgebatch.workload import Arrival
from serving.gateway_thread import DOCUMENT, FragileEngine, GatewayThread


class _Uncounting(FragileEngine):
    async def encode(self, prompt: Prompt) -> tuple[int, ...]:
        raise EngineError("there is no tokenizer to ask")


class _OtherServer(GatewayThread):
    """After the engine broke another one comes, which does not count tokens."""

    def _make_engine(self) -> Engine:
        made = _Uncounting(self.scenario) if self.engines else FragileEngine(self.scenario)
        self.engines.append(made)
        return made


def test_an_engine_that_comes_back_without_a_tokenizer_is_not_asked_for_tokens() -> None:
    ask = {"prompt": "Once upon", "max_tokens": 2}
    with _OtherServer() as thread, httpx.Client(base_url=thread.url, timeout=30) as client:
        first = client.post("/v1/completions", json=ask)
        assert first.json()["usage"]["prompt_tokens"] == 3  # nine bytes, by fours
        long = {**ask, "max_tokens": 400, "stream": True}
        with client.stream("POST", "/v1/completions", json=long) as answer:
            lines = answer.iter_lines()
            next(lines)
            thread.break_engine()
            list(lines)
        while thread.gateway.num_restarts == 0 or client.get("/readyz").status_code != 200:
            pass
        second = client.post("/v1/completions", json=ask)
        assert second.status_code == 200
        # nine bytes, by threes, and eight for what the server may add
        assert second.json()["usage"]["prompt_tokens"] == 11


def test_a_bug_ends_the_gateway_so_that_it_is_started_again() -> None:
    class Mad(FragileEngine):
        def __init__(self) -> None:
            super().__init__(Scenario(DOCUMENT))
            self.is_mad = True

    settings = load_settings(None, {"port": 0, "log_level": "error"})
    gateway = Gateway(settings, Scenario(DOCUMENT), parse_policy("rolling"), [Mad])
    with pytest.raises(EngineError, match=r"^the gateway cannot go on: ZeroDivisionError\(\)$"):
        serve(gateway)
    assert gateway.state is State.STOPPED


def test_a_bug_while_the_engine_is_down_ends_the_gateway_too() -> None:
    made: list[FragileEngine] = []

    class StartsOnce(FragileEngine):
        def __init__(self) -> None:
            super().__init__(Scenario(DOCUMENT))
            self.is_broken = True
            made.append(self)

        async def start(self) -> EngineInfo:
            if len(made) > 1:
                raise EngineError("there is none")
            return await super().start()

    def cannot(_: RequestRecord) -> None:
        raise ZeroDivisionError

    async def ended() -> None:
        scenario, policy = Scenario(DOCUMENT), parse_policy("rolling")
        dispatcher = scenario.dispatcher(policy, StartsOnce())
        keeper = EngineKeeper("", StartsOnce, dispatcher.drivers[0], Failures())
        fleet = Fleet([keeper], dispatcher, Failures())
        await fleet.start()
        while fleet.state is not State.ENGINE_DOWN:
            await asyncio.sleep(0.01)
        asked = Arrival(0, dispatcher.timers.now, 1, 2, 2, deadline_seconds=0.2)
        dispatcher.submit(asked, Job(Prompt(tokens=(1,)), on_end=cannot))
        with pytest.raises(EngineError, match=r"cannot go on: ZeroDivisionError\(\)$"):
            await asyncio.wait_for(fleet.until_failed(), 60)
        assert (str(fleet.state), dispatcher.num_unfinished) == ("stopped", 0)

    asyncio.run(ended())
