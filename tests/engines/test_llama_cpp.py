"""llama.cpp with the model that is shipped: answers, cancelling, limits."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from edgebatch.engines import Finish, Prompt
from edgebatch.engines.llama_cpp import LlamaCppEngine
from edgebatch.engines.llama_cpp_settings import LlamaCppSettings
from edgebatch.errors import InputError
from engine_answers import Outcome, outcomes, request, run
from engines_llama_cpp import FOLDER, MODELS, SETTINGS, started

PROMPTS = [
    "The license",
    "import os",
    "A function that returns",
    "When the file",
    "Return the",
    "class of objects that are",
    "Permission is hereby granted",
    "If the argument is",
]


def test_greedy_answers_in_a_batch_are_those_given_alone() -> None:
    async def ask() -> None:
        async with started("f16") as (engine, _):
            asked = [
                request(number, prompt, 10 + number, "f16", ignore_end=True)
                for number, prompt in enumerate(PROMPTS)  # ragged, and more than there are slots
            ]
            together = await outcomes(engine, asked)
            alone = {each.number: (await outcomes(engine, [each]))[each.number] for each in asked}
            assert together == alone
            for number, outcome in together.items():
                assert outcome.num_tokens == len(outcome.tokens) == 10 + number
                assert await engine.decode(outcome.tokens) == outcome.text

    run(ask())


def test_text_and_its_tokens_are_the_same_prompt() -> None:
    async def ask() -> None:
        async with started("f16") as (engine, _):
            tokens = await engine.encode(Prompt(text=PROMPTS[0]))
            assert await engine.decode(tokens) == PROMPTS[0]
            asked = [
                request(0, PROMPTS[0], 12, "f16"),
                request(1, Prompt(tokens=tokens), 12, "f16"),
            ]
            found = await outcomes(engine, asked)
            assert found[0] == found[1]

    run(ask())


def test_a_conversation_is_what_the_chat_template_makes_of_it() -> None:
    async def ask() -> None:
        async with started("f16") as (engine, _):
            chat = Prompt(messages=({"role": "user", "content": "What is a list?"},))
            plain = Prompt(tokens=await engine.encode(chat))
            found = await outcomes(
                engine, [request(0, chat, 12, "f16"), request(1, plain, 12, "f16")]
            )
            assert found[0].text == found[1].text
            assert found[0].num_tokens == found[1].num_tokens > 0

    run(ask())


def test_messages_that_the_chat_template_refuses_are_wrong(tmp_path: Path) -> None:
    template = (FOLDER.parent / "tokenizer/chat_template.jinja").read_bytes().strip()
    refusal = (
        b"{% if messages[0]['role'] != 'user' %}{{ raise_exception('roles must alternate') }}"
        b"{% endif %}{{ messages[0]['content'] }}"
    )
    whole = MODELS["w4"].read_bytes()
    assert template in whole
    picky = tmp_path / "picky.gguf"
    # of the same length, which stands before it
    picky.write_bytes(whole.replace(template, refusal.ljust(len(template))))

    async def ask() -> None:
        engine = LlamaCppEngine({"w4": picky}, SETTINGS)
        try:
            await engine.start()
            with pytest.raises(InputError, match="roles must alternate"):
                await engine.encode(Prompt(messages=({"role": "system", "content": "a"},)))
            assert await engine.encode(Prompt(text="a"))
        finally:
            await engine.stop()

    run(ask())


def test_a_seed_makes_a_sampled_answer_the_same_again() -> None:
    async def ask() -> None:
        async with started("w8") as (engine, _):
            how: dict[str, Any] = {"temperature": 1.0, "top_p": 0.9, "ignore_end": True}
            # one after the other: with quantised weights, a batch shifts probabilities a little
            first, second, third = [
                (await outcomes(engine, [request(0, PROMPTS[0], 24, seed=seed, **how)]))[0]
                for seed in (5, 5, 6)
            ]
            assert first == second
            assert first != third

    run(ask())


def test_a_stop_text_ends_the_answer_and_is_no_part_of_it() -> None:
    async def ask() -> None:
        async with started("w8") as (engine, _):
            whole = (await outcomes(engine, [request(0, PROMPTS[0], 24, ignore_end=True)]))[0]
            stop = whole.text[6:9]
            cut = (await outcomes(engine, [request(0, PROMPTS[0], 24, stop=(stop,))]))[0]
            assert cut.finish is Finish.STOP
            assert cut.text == whole.text[: whole.text.index(stop)]

    run(ask())


def test_two_precisions_answer_at_once() -> None:
    async def ask() -> None:
        async with started("f16", "w4") as (engine, info):
            assert info.precisions == ("f16", "w4")
            assert [info.settings[f"weights {name}"] for name in info.precisions] == ["F16", "Q4_0"]
            asked = [
                request(number, PROMPTS[0], 20, name, ignore_end=True)
                for number, name in enumerate(["f16", "w4"])
            ]
            found = await outcomes(engine, asked)
            assert [found[number].num_tokens for number in (0, 1)] == [20, 20]
            assert found[0].text != found[1].text

    run(ask())


def test_a_cancelled_request_frees_its_slot() -> None:
    async def ask() -> None:
        settings = LlamaCppSettings(threads=1, slots=1, context_tokens=2048)
        async with started("w8", settings=settings) as (engine, _):
            for number in range(20):
                engine.submit(request(number, PROMPTS[0], 200, ignore_end=True))
            while 0 not in {each.number for each in (await engine.report()).progress}:
                pass
            for number in range(19):
                engine.cancel(number)
            found = await outcomes(engine)
            assert found[18].finish is Finish.CANCELLED
            assert found[19] == Outcome(200, found[19].text, found[19].tokens, Finish.LENGTH)

    run(ask())


def test_what_does_not_fit_a_slot_fails_and_nothing_else() -> None:
    async def ask() -> None:
        async with started("w8") as (engine, info):
            assert info.max_context_tokens == 256
            assert info.max_running == 4
            assert info.preallocates
            long, longer = Prompt(tokens=(11,) * 250), Prompt(tokens=(11,) * 300)
            found = await outcomes(
                engine,
                [
                    request(0, long, 50, ignore_end=True),
                    request(1, longer, 5),
                    request(2, Prompt(tokens=(99_999,)), 5),
                    request(3, PROMPTS[0], 5, ignore_end=True),
                ],
            )
            assert "context of 256 tokens was full after 6 of 50 new tokens" in found[0].error
            assert "request (300 tokens) exceeds the available context size" in found[1].error
            assert "invalid tokens" in found[2].error
            assert {found[number].finish for number in range(3)} == {Finish.FAILED}
            assert found[3].num_tokens == 5

    run(ask())


def test_a_prompt_seen_before_is_computed_again_unless_wanted_otherwise() -> None:
    async def cached_tokens(cache_prompts: bool) -> float:
        settings = LlamaCppSettings(threads=1, slots=1, cache_prompts=cache_prompts)
        async with started("w8", settings=settings) as (engine, _):
            for _ in range(2):
                await outcomes(engine, [request(0, PROMPTS[2] * 10, 2)])
            server = engine.server("w8")
            async with httpx.AsyncClient(headers=server.address.headers) as client:
                metrics = (await client.get(server.address.root + "/metrics")).text
        found = re.search(r"^llamacpp:prompt_tokens_cached_total (\S+)$", metrics, re.MULTILINE)
        assert found is not None
        return float(found.group(1))

    assert run(cached_tokens(cache_prompts=False)) == 0
    assert run(cached_tokens(cache_prompts=True)) > 0


def test_only_who_has_the_key_is_answered() -> None:
    async def ask() -> None:
        async with started("w8") as (engine, _):
            root = engine.server("w8").address.root
            assert root.startswith("http://127.0.0.1:")
            async with httpx.AsyncClient() as client:
                answer = await client.post(root + "/completion", json={"prompt": "a"})
                assert answer.status_code == 401

    run(ask())


def test_memory_counts_all_servers_and_ends_with_them() -> None:
    async def ask() -> None:
        async with started("f16", "w8") as (engine, _):
            memory = await engine.memory_bytes()
            assert memory is not None
            # two interpreters and 8 MB + 4 MB of weights
            assert 20e6 < memory < 2e9
        assert await engine.memory_bytes() is None

    run(ask())


@pytest.mark.parametrize("flash", [True, False])
def test_flash_attention_can_be_chosen(flash: bool) -> None:
    async def ask() -> str:
        settings = LlamaCppSettings(threads=1, slots=1, flash_attention=flash)
        async with started("w8", settings=settings) as (engine, info):
            assert info.settings["flash_attention"] == ("on" if flash else "off")
            return (await outcomes(engine, [request(0, PROMPTS[0], 8)]))[0].text

    assert run(ask())


def test_it_says_how_many_tokens_there_are() -> None:
    async def vocabulary() -> int | None:
        async with started("f16") as (_, info):
            return info.vocabulary_size

    assert run(vocabulary()) == 2048
