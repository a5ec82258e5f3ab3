"""The HTTP engine against a real local server that behaves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from closing_server import ClosingServer
from starlette.responses import JSONResponse

from edgebatch.engines import Finish, Prompt
from edgebatch.engines.http_server import ServerAddress
from edgebatch.engines.openai_http import OpenAIEngine, OpenAISettings
from edgebatch.errors import EngineError, InputError, UnknownNameError
from engine_answers import Outcome, outcomes, request, run
from misbehaving_server import MisbehavingServer

VLLM = MisbehavingServer(
    ({"id": "tiny", "max_model_len": 64},),
    others={"/version": {"version": "0.32.0"}},
    posts={
        "/tokenize": lambda body: {
            "tokens": [len(body["messages"])] if "messages" in body else [*body["prompt"].encode()]
        },
        "/detokenize": lambda body: {"prompt": bytes(body["tokens"]).decode()},
    },
)
OLLAMA = MisbehavingServer(others={"/api/version": {"version": "0.9"}})


@asynccontextmanager
async def started(
    server: MisbehavingServer, settings: OpenAISettings | None = None
) -> AsyncIterator[OpenAIEngine]:
    with server.serving() as url:
        engine = OpenAIEngine({"w8": ServerAddress(url)}, settings)
        try:
            await engine.start()
            yield engine
        finally:
            await engine.stop()


def answer_to(prompt: str | Prompt, server: MisbehavingServer | None = None) -> Outcome:
    async def ask() -> Outcome:
        async with started(server or MisbehavingServer()) as engine:
            return (await outcomes(engine, [request(0, prompt)]))[0]

    return run(ask())


def test_an_answer_streams_in_and_ends() -> None:
    assert answer_to("say:hello") == Outcome(5, "hello", (), Finish.STOP)


def test_each_form_of_prompt_goes_where_it_belongs() -> None:
    server = MisbehavingServer()
    messages = ({"role": "user", "content": "say:hi"},)

    async def ask() -> None:
        async with started(server) as engine:
            for prompt in (Prompt(text="say:a"), Prompt(tokens=(1, 2)), Prompt(messages=messages)):
                await outcomes(engine, [request(0, prompt)])

    run(ask())
    assert [(asked["path"], asked.get("prompt")) for asked in server.asked] == [
        ("/v1/completions", "say:a"),
        ("/v1/completions", [1, 2]),
        ("/v1/chat/completions", None),
    ]
    assert server.asked[2]["messages"] == [{"role": "user", "content": "say:hi"}]


def test_sampling_is_handed_on_and_only_what_was_asked_for() -> None:
    server = MisbehavingServer()

    async def ask() -> None:
        async with started(server) as engine:
            plain = request(0, "say:a", 7)
            how: dict[str, Any] = {
                "temperature": 0.5,
                "top_p": 0.9,
                "seed": 3,
                "stop": ("x",),
                "ignore_end": True,
            }
            await outcomes(engine, [plain])
            await outcomes(engine, [request(1, "say:a", 7, **how)])

    run(ask())
    plain, rich = server.asked
    assert plain == {
        "path": "/v1/completions",
        "model": "tiny",
        "prompt": "say:a",
        "max_tokens": 7,
        "temperature": 0.0,
        "top_p": 1.0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert {key: rich[key] for key in rich if rich[key] != plain.get(key)} == {
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 3,
        "stop": ["x"],
        "ignore_eos": True,
    }


def test_the_servers_own_count_of_tokens_corrects_that_of_the_events() -> None:
    # three events of 1, 4 and 5 tokens
    outcome = answer_to("count:1+4+5")
    assert outcome.num_tokens == 10
    assert outcome.text == "x" * 10


def test_an_answer_cut_off_below_its_limit_failed_for_want_of_context() -> None:
    outcome = answer_to("count:1+4", VLLM)
    assert outcome.finish is Finish.FAILED
    assert "context of 64 tokens was full after 5 of 100 new tokens" in outcome.error


def test_token_ids_come_from_servers_that_tell_them() -> None:
    assert answer_to("ids:5+6+7", VLLM) == Outcome(3, "ttt", (5, 6, 7), Finish.STOP)
    assert VLLM.asked[-1]["return_token_ids"] is True


def test_ids_are_told_up_to_the_first_that_did_not_come() -> None:
    # three tokens of one event, and the id of only one of them
    assert answer_to("hole:5+6", VLLM) == Outcome(5, "tttt", (5,), Finish.STOP)


def test_vllm_reuses_no_prompt_unless_told_to() -> None:
    async def ask(cache_prompts: bool) -> list[object]:
        VLLM.asked.clear()
        async with started(VLLM, OpenAISettings(cache_prompts=cache_prompts)) as engine:
            await outcomes(engine, [request(0, "say:a"), request(1, "say:a")])
        return [asked.get("cache_salt") for asked in VLLM.asked]

    first, second = run(ask(cache_prompts=False))
    assert first
    assert first != second
    assert run(ask(cache_prompts=True)) == [None, None]


def test_characters_and_lines_may_arrive_in_pieces() -> None:
    assert answer_to("split:grüße €") == Outcome(1, "grüße €", (), Finish.STOP)


def test_what_has_no_data_is_no_event() -> None:
    assert answer_to("calm:ab") == Outcome(2, "ab", (), Finish.STOP)


def test_a_long_event_is_an_event() -> None:
    assert len(answer_to("long:3000000").text) == 3_000_000


def test_what_arrives_together_is_one_entry_a_request() -> None:
    async def ask() -> None:
        async with started(MisbehavingServer()) as engine:
            for number in range(3):
                engine.submit(request(number, "say:abcdef"))
            while engine.running:
                numbers = [each.number for each in (await engine.report()).progress]
                assert numbers
                assert len(numbers) == len(set(numbers))

    run(ask())


@pytest.mark.parametrize(("answers_each", "connections", "unanswered"), [(9, 1, 0), (1, 5, 4)])
def test_a_connection_is_used_again_and_its_closing_meanwhile_fails_nobody(
    answers_each: int, connections: int, unanswered: int
) -> None:
    server = ClosingServer(answers_each)

    async def ask() -> list[Outcome]:
        async with server.serving() as url:
            engine = OpenAIEngine({"w8": ServerAddress(url)})
            await engine.start()
            numbers = range(5)
            found = [(await outcomes(engine, [request(each, "say")]))[each] for each in numbers]
            await engine.stop()
            return found

    assert run(ask()) == [Outcome(1, "a", (), Finish.STOP)] * 5
    assert (server.num_connections, server.num_unanswered) == (connections, unanswered)


def test_a_cancelled_request_ends_with_what_it_had_and_its_connection_closes() -> None:
    server = MisbehavingServer()

    async def ask() -> tuple[Outcome, list[str]]:
        async with started(server) as engine:
            engine.submit(request(4, "ping:a"))
            first = (await engine.report()).progress[0]
            engine.cancel(4)
            engine.cancel(4)
            rest = (await outcomes(engine))[4]
            engine.cancel(4)
            while not server.closed:
                await asyncio.sleep(0.01)
            assert engine.running == frozenset()
            return Outcome(first.num_tokens, first.text, (), rest.finish), server.closed

    assert run(ask()) == (Outcome(1, "a", (), Finish.CANCELLED), ["ping"])


def test_a_request_can_be_called_off_before_it_is_sent() -> None:
    server = MisbehavingServer()

    async def ask() -> dict[int, Outcome]:
        async with started(server) as engine:
            engine.submit(request(4, "say:a"))
            engine.cancel(4)
            return await outcomes(engine)

    assert run(ask()) == {4: Outcome(finish=Finish.CANCELLED)}
    assert server.asked == []


def test_precisions_may_be_served_names_of_one_server() -> None:
    server = MisbehavingServer(({"id": "tiny-8"}, {"id": "tiny-16"}))

    async def ask() -> dict[int, Outcome]:
        with server.serving() as url:
            names = {"w8": "tiny-8", "f16": "tiny-16"}
            engine = OpenAIEngine({key: ServerAddress(url, name) for key, name in names.items()})
            info = await engine.start()
            assert info.precisions == ("w8", "f16")
            asked = [request(number, "say:a", precision=key) for number, key in enumerate(names)]
            found = await outcomes(engine, asked)
            await engine.stop()
            return found

    assert {each.finish for each in run(ask()).values()} == {Finish.STOP}
    assert {asked["model"] for asked in server.asked} == {"tiny-8", "tiny-16"}


@pytest.mark.parametrize(
    ("server", "kind", "context"),
    [(VLLM, "vllm", 64), (OLLAMA, "ollama", None), (MisbehavingServer(), "openai", None)],
)
def test_what_a_server_is_shows(server: MisbehavingServer, kind: str, context: int | None) -> None:
    async def ask() -> None:
        with server.serving() as url:
            engine = OpenAIEngine({"w8": ServerAddress(url.removesuffix("/v1") + "/")})
            info = await engine.start()
            assert info.settings["server w8"].startswith(f"{kind} at http")
            assert (info.model, info.max_context_tokens) == ("tiny", context)
            await engine.stop()

    run(ask())


def test_vllms_tokenizer_is_asked_in_its_own_form() -> None:
    async def ask() -> None:
        async with started(VLLM) as engine:
            assert await engine.encode(Prompt(text="ab")) == (97, 98)
            assert await engine.encode(Prompt(messages=({"role": "user", "content": "ab"},))) == (
                1,
            )
            assert await engine.encode(Prompt(tokens=(5, 6))) == (5, 6)
            assert await engine.decode([97, 98]) == "ab"
            with pytest.raises(InputError, match="cannot be written as JSON"):
                await engine.encode(Prompt(text="\ud800"))

    run(ask())


def test_answers_that_lack_what_was_asked_for_are_those_of_an_engine_that_failed() -> None:
    lacking = MisbehavingServer(
        ({"id": "tiny", "max_model_len": 64},),
        others={"/version": {"version": "0.32.0"}},
        posts={"/tokenize": lambda _: {"count": 2}, "/detokenize": lambda _: {}},
    )

    async def ask() -> None:
        async with started(lacking) as engine:
            with pytest.raises(EngineError, match=r"/tokenize answered 200: .*count"):
                await engine.encode(Prompt(text="ab"))
            with pytest.raises(EngineError, match="/detokenize answered 200"):
                await engine.decode([1])

    run(ask())


@pytest.mark.parametrize("status", [400, 413, 422, 500])
def test_a_prompt_that_the_server_refuses_is_wrong_and_not_a_fault_of_the_engine(
    status: int,
) -> None:
    refusing = MisbehavingServer(
        ({"id": "tiny", "max_model_len": 64},),
        others={"/version": {"version": "0.32.0"}},
        posts={"/tokenize": lambda _: JSONResponse({"error": {"message": "odd roles"}}, status)},
    )
    kind = EngineError if status == 500 else InputError

    async def ask() -> None:
        async with started(refusing) as engine:
            with pytest.raises(kind, match="odd roles"):
                await engine.encode(Prompt(messages=({"role": "user", "content": "ab"},)))

    run(ask())


def test_a_server_may_say_less_of_itself_than_others() -> None:
    reticent = MisbehavingServer(
        ({"id": "tiny", "meta": None},),
        others={"/props": {"total_slots": 4, "default_generation_settings": None}},
    )

    async def ask() -> None:
        with reticent.serving() as url:
            engine = OpenAIEngine({"w8": ServerAddress(url)})
            info = await engine.start()
            assert (info.max_running, info.max_context_tokens) == (4, None)
            await engine.stop()

    run(ask())


def test_without_a_tokenizer_to_ask_that_is_said() -> None:
    async def ask() -> None:
        async with started(OLLAMA) as engine:
            with pytest.raises(EngineError, match="no tokenizer to ask"):
                await engine.encode(Prompt(text="ab"))
            with pytest.raises(EngineError, match="no tokenizer to ask"):
                await engine.decode([1])

    run(ask())


def test_ollama_cannot_ignore_the_end_and_says_so() -> None:
    async def ask() -> Outcome:
        async with started(OLLAMA) as engine:
            return (await outcomes(engine, [request(0, "say:a", ignore_end=True)]))[0]

    assert "cannot be told to ignore the end" in run(ask()).error


def test_a_model_that_is_not_served_gets_the_nearest_that_is() -> None:
    async def ask() -> None:
        with MisbehavingServer(({"id": "llama"}, {"id": "bloom"})).serving() as url:
            with pytest.raises(
                UnknownNameError, match=r"w8: model at .*'lama'; did you mean 'llama'"
            ):
                await OpenAIEngine({"w8": ServerAddress(url, "lama")}).start()
            with pytest.raises(InputError, match="it serves llama, bloom"):
                await OpenAIEngine({"w8": ServerAddress(url)}).start()
            engine = OpenAIEngine(
                {"w8": ServerAddress(url, "lama")}, OpenAISettings(unlisted_model=True)
            )
            assert (await engine.start()).model == "lama"
            await engine.stop()

    run(ask())


def test_the_api_key_is_sent_and_never_shown() -> None:
    async def ask() -> None:
        with MisbehavingServer(api_key="secret").serving() as url:
            address = ServerAddress(url, api_key="secret")
            assert "secret" not in repr(address)
            engine = OpenAIEngine({"w8": address})
            await engine.start()
            assert (await outcomes(engine, [request(0, "say:a")]))[0].finish is Finish.STOP
            await engine.stop()
            with pytest.raises(EngineError, match=r"refuses the API key \(401\): wrong key"):
                await OpenAIEngine({"w8": ServerAddress(url, api_key="guess")}).start()
            with pytest.raises(EngineError, match=r"asks for an API key \(401\): wrong key"):
                await OpenAIEngine({"w8": ServerAddress(url)}).start()

    run(ask())


def test_a_server_that_still_loads_is_waited_for() -> None:
    async def ask() -> None:
        async with started(MisbehavingServer(loading_seconds=0.5)) as engine:
            assert (await outcomes(engine, [request(0, "say:a")]))[0].finish is Finish.STOP

    run(ask())


def test_wrong_use_is_refused() -> None:
    async def ask() -> None:
        with pytest.raises(InputError, match="at least one precision"):
            OpenAIEngine({})
        with pytest.raises(InputError, match="is not a URL"):
            await OpenAIEngine({"w8": ServerAddress("localhost:80")}).start()
        async with started(MisbehavingServer()) as engine:
            with pytest.raises(InputError, match="unknown name 'w4'"):
                engine.submit(request(0, "say:a", precision="w4"))
            engine.submit(request(0, "stall:a"))
            with pytest.raises(InputError, match="request 0 runs already"):
                engine.submit(request(0, "say:a"))
        await engine.stop()
        with pytest.raises(EngineError, match="not started"):
            engine.submit(request(1, "say:a"))

    run(ask())
