"""The HTTP engine and servers that say that they are not well, or that requests are wrong."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from edgebatch.engines import Progress
from edgebatch.engines.http_server import ServerAddress
from edgebatch.engines.openai_http import OpenAIEngine, OpenAISettings
from edgebatch.errors import EngineError
from engine_answers import Outcome, outcomes, request, run
from misbehaving_server import MisbehavingServer


async def _ends(engine: OpenAIEngine) -> AsyncIterator[Progress]:
    while engine.running:
        for progress in (await engine.report()).progress:
            if progress.finish is not None:
                yield progress


async def start(url: str, health_seconds: float) -> OpenAIEngine:
    settings = OpenAISettings(health_seconds=health_seconds)
    engine = OpenAIEngine({"w8": ServerAddress(url)}, settings)
    await engine.start()
    return engine


def test_a_server_that_dies_while_nothing_runs_is_noticed() -> None:
    async def ask() -> None:
        with MisbehavingServer().serving() as url:
            engine = await start(url, health_seconds=0.05)
        try:
            await engine.report()
        finally:
            await engine.stop()

    with pytest.raises(EngineError, match="no answer from"):
        run(ask())


def test_a_server_that_falls_ill_while_nothing_runs_is_noticed() -> None:
    async def ask() -> None:
        server = MisbehavingServer()
        with server.serving() as url:
            engine = await start(url, health_seconds=0.05)
            server.fall_ill()
            try:
                await engine.report()
            finally:
                await engine.stop()

    with pytest.raises(EngineError, match="says that it is not well"):
        run(ask())


def test_a_server_that_sends_tokens_is_not_given_up_for_what_it_says_of_its_health() -> None:
    async def ask() -> Outcome:
        server = MisbehavingServer()
        with server.serving() as url:
            engine = await start(url, health_seconds=1.0)
            server.fall_ill()
            found = await outcomes(engine, [request(0, "drip:30")])  # 1.5 s
            with pytest.raises(EngineError, match="says that it is not well"):
                await engine.report()
            await engine.stop()
            return found[0]

    assert run(ask()).num_tokens == 30


@pytest.mark.parametrize("prompt", ["status:503:worker is dead", "status:500:", "fault:no worker"])
def test_a_failure_of_one_request_shows_that_the_server_is_ill(prompt: str) -> None:
    async def ask() -> None:
        server = MisbehavingServer()
        with server.serving() as url:
            engine = await start(url, health_seconds=1000.0)
            server.fall_ill()
            try:
                await outcomes(engine, [request(0, prompt)])
            finally:
                await engine.stop()

    with pytest.raises(EngineError, match="says that it is not well"):
        run(ask())


@pytest.mark.parametrize(
    ("prompt", "is_refused"),
    [
        ("status:400:no such field", True),
        ("status:413:too long", True),
        ("status:422:no such field", True),
        ("", True),
        ("say:\ud800", True),
        ("status:404:no such model", False),
        ("status:429:full", False),
        ("status:500:boom", False),
        ("cut:ab", False),
    ],
)
def test_what_the_request_is_to_blame_for_is_told_apart(prompt: str, is_refused: bool) -> None:
    async def ask() -> tuple[bool, bool]:
        with MisbehavingServer().serving() as url:
            engine = await start(url, health_seconds=1000.0)
            engine.submit(request(0, prompt))
            [progress] = [each async for each in _ends(engine)]
            await engine.stop()
            # where the server is, is not for whoever asked
            return progress.is_refused, url in progress.error

    assert run(ask()) == (is_refused, not is_refused)


def test_watching_ends_with_the_engine() -> None:
    async def ask() -> int:
        with MisbehavingServer().serving() as url:
            before = len(asyncio.all_tasks())
            engine = await start(url, health_seconds=1000.0)
            assert len(asyncio.all_tasks()) == before + 1
            await engine.stop()
            return len(asyncio.all_tasks()) - before

    assert run(ask()) == 0
