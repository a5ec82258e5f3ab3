"""The HTTP engine against a real local server that misbehaves on command."""

import asyncio
from collections.abc import Iterator

import pytest

from edgebatch.engines import Finish, Prompt
from edgebatch.engines.http_server import ServerAddress
from edgebatch.engines.openai_http import OpenAIEngine, OpenAISettings
from edgebatch.errors import EngineError
from engine_answers import Outcome, outcomes, request, run
from misbehaving_server import MisbehavingServer


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with MisbehavingServer().serving() as found:
        yield found


async def start(url: str, silence_seconds: float = 30.0) -> OpenAIEngine:
    settings = OpenAISettings(silence_timeout_seconds=silence_seconds)
    engine = OpenAIEngine({"w8": ServerAddress(url)}, settings)
    await engine.start()
    return engine


@pytest.mark.parametrize(
    ("prompt", "tokens", "error"),
    [
        ("status:400:prompt too long", 0, "400: prompt too long"),
        ("status:413:body too large", 0, "413: body too large"),
        ("status:429:full", 0, "429 (try again after 7 s): full"),
        ("status:500:boom", 0, "500: boom"),
        ("status:503:", 0, "503: {'message': ''}"),
        ("html", 0, "an answer of type text/html, not a stream of events"),
        ("raw:{not json", 1, "an event that is not understood: '{not json'"),
        ("raw:null", 1, "an event that is not understood: 'null'"),
        ("raw:[1]", 1, "an event that is not understood: '[1]'"),
        ('raw:{"choices": [{"text": 5}]}', 1, "an event that is not understood"),
        ('raw:{"choices": [{"finish_reason": "abort"}]}', 1, "an event that is not understood"),
        ("fault:out of cache", 1, "out of cache"),
        ("cut:ab", 2, "the stream was cut short after 2 tokens"),
        ("vanish:a", 1, "the stream ended after 1 tokens without saying why"),
        ("endless", 0, "an event of more than 16777216 bytes"),
        ("", 0, "the prompt is empty"),
        ("say:\ud800", 0, "the request cannot be written as JSON"),
    ],
)
def test_a_fault_of_one_request_is_its_own(url: str, prompt: str, tokens: int, error: str) -> None:
    async def ask() -> dict[int, Outcome]:
        engine = await start(url)
        found = await outcomes(engine, [request(0, prompt), request(1, "drip:4")])
        assert engine.running == frozenset()
        await engine.stop()
        return found

    found = run(ask())
    assert found[1] == Outcome(4, "dddd", (), Finish.STOP)
    assert (found[0].num_tokens, found[0].finish) == (tokens, Finish.FAILED)
    assert error in found[0].error


def test_messages_nested_too_deeply_are_refused_alone(url: str) -> None:
    content: object = "bottom"
    for _ in range(100_000):
        content = [content]
    prompt = Prompt(messages=({"role": "user", "content": content},))

    async def ask() -> dict[int, Outcome]:
        engine = await start(url)
        found = await outcomes(engine, [request(0, prompt), request(1, "drip:4")])
        await engine.stop()
        return found

    found = run(ask())
    assert found[1] == Outcome(4, "dddd", (), Finish.STOP)
    assert found[0].error.startswith("the request cannot be written as JSON: maximum recursion")


def test_a_server_that_is_not_there_is_an_error_of_the_engine() -> None:
    with MisbehavingServer().serving() as url:
        pass
    with pytest.raises(EngineError, match=f"no answer from {url}"):
        run(start(url))


def test_a_server_that_never_gets_ready_is_given_up() -> None:
    async def ask() -> None:
        with MisbehavingServer(loading_seconds=60).serving() as url:
            settings = OpenAISettings(loading_seconds=0.3)
            await OpenAIEngine({"w8": ServerAddress(url)}, settings).start()

    with pytest.raises(EngineError, match=r"is not ready after 0\.3 s"):
        run(ask())


def test_a_server_that_goes_away_ends_the_engine() -> None:
    async def ask() -> None:
        with MisbehavingServer().serving() as url:
            engine = await start(url)
            engine.submit(request(0, "drip:1000"))
            await engine.report()
        with pytest.raises(EngineError, match="no answer from"):
            await outcomes(engine)
        with pytest.raises(EngineError, match="no answer from"):  # and so ever after
            await engine.report()
        await engine.stop()
        assert engine.running == frozenset()

    run(ask())


def test_a_server_that_went_away_while_nothing_ran_is_noticed_at_the_next_request() -> None:
    async def ask() -> None:
        with MisbehavingServer().serving() as url:
            engine = await start(url)
        engine.submit(request(0, "say:a"))
        with pytest.raises(EngineError, match="no answer from"):
            await engine.report()
        await engine.stop()

    run(ask())


@pytest.mark.parametrize("prompt", ["stall:a", "ping:a"])
def test_silence_of_all_ends_the_engine(url: str, prompt: str) -> None:
    async def ask() -> None:
        engine = await start(url, silence_seconds=0.3)
        try:
            await outcomes(engine, [request(0, prompt), request(1, "say:abc")])
        finally:
            await engine.stop()

    # on a slow machine the other one may still be on its way
    with pytest.raises(EngineError, match=r"nothing for 0\.3 s; running: [12]"):
        run(ask())


def test_reading_prompts_may_take_longer_than_silence(url: str) -> None:
    async def ask() -> dict[int, Outcome]:
        engine = await start(url, silence_seconds=0.3)
        found = await outcomes(engine, [request(0, "think:" + 40 * "a")])  # 2.3 s more
        await engine.stop()
        return found

    assert run(ask())[0].finish is Finish.STOP


def test_silence_while_prompts_are_read_ends_the_engine_at_last(url: str) -> None:
    async def ask() -> None:
        engine = await start(url, silence_seconds=0.3)
        try:
            await outcomes(engine, [request(0, "think:aa")])  # 0.4 s more
        finally:
            await engine.stop()

    with pytest.raises(EngineError, match=r"nothing for 0\.7 s; running: 1"):
        run(ask())


def test_silence_of_some_is_not_an_error(url: str) -> None:
    async def ask() -> Outcome:
        engine = await start(url, silence_seconds=1.5)
        engine.submit(request(0, "stall:a"))
        engine.submit(request(1, "drip:40"))  # 2 s
        found = Outcome()
        while 1 in engine.running:
            for each in (await engine.report()).progress:
                if each.number == 1:
                    found.num_tokens += each.num_tokens
        await engine.stop()
        return found

    assert run(ask()).num_tokens == 40


def test_an_engine_without_requests_may_be_silent(url: str) -> None:
    async def ask() -> bool:
        engine = await start(url, silence_seconds=0.1)
        waiting = asyncio.create_task(engine.report())
        done, _ = await asyncio.wait([waiting], timeout=0.4)
        waiting.cancel()
        await asyncio.wait([waiting])
        await engine.stop()
        return bool(done)

    assert run(ask()) is False


def test_a_report_that_is_not_waited_for_loses_nothing(url: str) -> None:
    async def ask() -> str:
        engine = await start(url)
        engine.submit(request(0, "drip:6"))
        told = ""
        for _ in range(5):
            waiting = asyncio.create_task(engine.report())
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
            if not waiting.cancelled():  # it had been there already
                told += "".join(each.text for each in waiting.result().progress)
            await asyncio.sleep(0.02)
        if engine.running:
            told += (await outcomes(engine))[0].text
        await engine.stop()
        return told

    assert run(ask()) == "dddddd"
