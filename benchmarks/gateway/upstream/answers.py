"""What is checked of answers: both endpoints, whole and streamed, counts, what goes through."""

from __future__ import annotations

from typing import Any

import openai

from upstream.rough_profile import timed
from upstream.scene import Scene

_MESSAGES: list[Any] = [{"role": "user", "content": "What is a tuple?"}]
_PROMPT = "The license"
_TOKENS = 12


async def whole_chat(scene: Scene) -> str:
    answer = await scene.client.chat.completions.create(
        model="", messages=_MESSAGES, max_tokens=_TOKENS, temperature=0.0
    )
    [choice] = answer.choices
    assert choice.message.content, answer
    assert answer.usage is not None
    assert 0 < answer.usage.completion_tokens <= _TOKENS, answer.usage
    return "ok"


async def streamed_chat(scene: Scene) -> str:
    stream = await scene.client.chat.completions.create(
        model="",
        messages=_MESSAGES,
        max_tokens=_TOKENS,
        temperature=0.0,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    pieces = [each.choices[0].delta.content for each in chunks if each.choices]
    assert len([piece for piece in pieces if piece]) > 1, "not in pieces"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens <= _TOKENS
    whole = await scene.client.chat.completions.create(
        model="", messages=_MESSAGES, max_tokens=_TOKENS, temperature=0.0
    )
    assert "".join(piece or "" for piece in pieces) == whole.choices[0].message.content
    return "ok"


async def same_text(scene: Scene) -> str:
    direct = await timed(scene.direct, scene.server.kind.served_name(), _PROMPT, _TOKENS)
    whole = await scene.client.completions.create(
        model="", prompt=_PROMPT, max_tokens=_TOKENS, temperature=0.0
    )
    stream = await scene.stream(_TOKENS, temperature=0.0)
    streamed = "".join([chunk.choices[0].text async for chunk in stream])
    assert whole.choices[0].text == streamed, (whole.choices[0].text, streamed)
    assert streamed == direct.text, (streamed, direct.text)
    return "ok"


async def token_prompt(scene: Scene) -> str:
    try:
        answer = await scene.client.completions.create(
            model="", prompt=[5, 6, 7], max_tokens=4, temperature=0.0
        )
    except openai.APIStatusError as error:
        return f"not offered: {error.status_code}, {_said(error)}"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 3, answer.usage
    return "ok"


async def prompt_count(scene: Scene) -> str:
    direct = await timed(scene.direct, scene.server.kind.served_name(), _PROMPT, 2)
    answer = await scene.client.completions.create(model="", prompt=_PROMPT, max_tokens=2)
    assert answer.usage is not None
    told = answer.usage.prompt_tokens
    if told == direct.prompt_tokens:
        return "ok"
    assert told > direct.prompt_tokens, (told, direct.prompt_tokens)
    return f"estimated, {told} for {direct.prompt_tokens}"


async def answer_count(scene: Scene) -> str:
    answer = await scene.client.completions.create(
        model="", prompt=_PROMPT, max_tokens=_TOKENS, temperature=0.0
    )
    assert answer.choices[0].finish_reason == "length", answer
    assert answer.usage is not None
    assert answer.usage.completion_tokens == _TOKENS, answer.usage
    return "ok"


async def ignored_end(scene: Scene) -> str:
    try:
        answer = await scene.client.completions.create(
            model="", prompt=_PROMPT, max_tokens=_TOKENS, extra_body={"ignore_eos": True}
        )
    except openai.APIStatusError as error:
        return f"not offered: {error.status_code}, {_said(error)}"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == _TOKENS
    return "ok"


async def stop_text(scene: Scene) -> str:
    answer = await scene.client.completions.create(
        model="", prompt=_PROMPT, max_tokens=_TOKENS, temperature=0.0
    )
    text = answer.choices[0].text
    stop = text[len(text) // 2 :][:3]
    cut = await scene.client.completions.create(
        model="", prompt=_PROMPT, max_tokens=_TOKENS, temperature=0.0, stop=stop
    )
    if cut.choices[0].text == text:
        return "not heeded"
    assert cut.choices[0].text == text[: text.index(stop)], (cut.choices[0].text, text, stop)
    return "ok"


async def own_sampling(scene: Scene) -> str:
    """Two answers at temperature 1 with different seeds differ, and those at 0 do not."""

    async def text(temperature: float, seed: int) -> str:
        answer = await scene.client.completions.create(
            model="", prompt=_PROMPT, max_tokens=_TOKENS, temperature=temperature, seed=seed
        )
        return answer.choices[0].text

    assert await text(0.0, 1) == await text(0.0, 2)
    if await text(1.0, 1) == await text(1.0, 2):
        return "not heeded: temperature 1 answers as 0 does"
    return "ok" if await text(1.0, 3) == await text(1.0, 3) else "ok, but seeds are not heeded"


async def empty_prompt(scene: Scene) -> str:
    try:
        await scene.client.completions.create(model="", prompt="", max_tokens=4)
    except openai.BadRequestError:
        answer = await scene.client.completions.create(model="", prompt=_PROMPT, max_tokens=4)
        assert answer.choices[0].text is not None
        return "ok"
    raise AssertionError("an empty prompt was answered")


def _said(error: openai.APIStatusError) -> str:
    body = error.body
    return str(body["message"] if isinstance(body, dict) else body)[:200]
