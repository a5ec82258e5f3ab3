"""The official client, unchanged, against a real gateway."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionUserMessageParam

from serving.gateway_thread import DOCUMENT, GatewayThread

MESSAGES: list[ChatCompletionUserMessageParam] = [{"role": "user", "content": "Say something."}]


@pytest.fixture(scope="module")
def gateway() -> Iterator[GatewayThread]:
    with GatewayThread() as thread:
        yield thread


@pytest.fixture
def client(gateway: GatewayThread) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=0) as client:
        yield client


def test_the_served_model_is_listed(client: openai.OpenAI) -> None:
    [model] = client.models.list().data
    assert model.id == "simulated"
    assert client.models.retrieve("simulated") == model


class _TwoPrecisions(GatewayThread):
    """A gateway that hosts ``w8`` and ``w16``, of quality 0.9 and 1."""

    _w8: dict[str, Any] = DOCUMENT["precisions"]["custom"][0]
    document = DOCUMENT | {
        "precisions": {"custom": [_w8, _w8 | {"name": "w16", "quality": 1.0}]},
    }


@pytest.mark.parametrize(
    ("policy", "names"),
    [("rolling", ["w16"]), ("rolling:precision=w8", ["w8"]), ("dftsp", ["w8", "w16"])],
)
def test_precisions_that_are_listed_are_those_that_answer(policy: str, names: list[str]) -> None:
    with (
        _TwoPrecisions(policy) as thread,
        openai.OpenAI(base_url=f"{thread.url}/v1", api_key="any", max_retries=0) as client,
    ):
        [model] = client.models.list().data
        listed = (model.model_extra or {})["precisions"]
        state = httpx.get(f"{thread.url}/edgebatch/state").json()
        best = max(each["quality"] for each in listed)
        answer = client.completions.create(
            model="", prompt="Once", max_tokens=2, extra_body={"min_quality": best}
        )
    assert [each["name"] for each in listed] == names
    assert state["precisions"] == listed
    assert answer.choices[0].text == "1 2 "


def test_a_conversation_is_answered_in_one_piece(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="simulated",
        messages=MESSAGES,
        max_tokens=5,
    )
    [choice] = answer.choices
    assert choice.message.content == "1 2 3 4 5 "
    assert choice.finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 5
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 5


def test_a_stream_brings_every_token_and_then_the_usage(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="simulated",
        messages=MESSAGES,
        max_tokens=5,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    assert "".join(each.choices[0].delta.content or "" for each in chunks[:-1]) == "1 2 3 4 5 "
    assert [each.choices[0].finish_reason for each in chunks[:-1]][-1] == "length"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 5
    fulfilled = (chunks[-2].model_extra or {})["edgebatch"]
    assert fulfilled["deadline_met"] is True
    assert fulfilled["precision"] == "w8"


def test_a_text_is_gone_on_with_whole_and_streamed(client: openai.OpenAI) -> None:
    whole = client.completions.create(model="simulated", prompt="Once", max_tokens=3)
    assert whole.choices[0].text == "1 2 3 "
    stream = client.completions.create(model="", prompt=[1, 2], max_tokens=3, stream=True)
    assert "".join(each.choices[0].text for each in stream) == "1 2 3 "


def test_an_answer_says_what_was_believed_and_what_came_of_it() -> None:
    with (
        GatewayThread() as thread,
        openai.OpenAI(base_url=f"{thread.url}/v1", api_key="any", max_retries=0) as client,
    ):
        raw = client.completions.with_raw_response.create(
            model="", prompt="Once", max_tokens=10, extra_headers={"x-slo-e2e-ms": "5000"}
        )
    headers = raw.headers
    assert headers["x-edgebatch-precision"] == "w8"
    assert headers["x-edgebatch-deadline-ms"] == "5000.0"
    assert headers["x-edgebatch-deadline-met"] == "true"
    # ten steps of 10 ms from when it joined
    queued_ms, predicted_ms = (
        float(headers[f"x-edgebatch-{name}-ms"]) for name in ("queued", "predicted")
    )
    assert predicted_ms - queued_ms == pytest.approx(100, abs=0.01)
    assert float(headers["x-edgebatch-actual-ms"]) >= 100


def test_what_can_never_be_served_is_refused_with_what_could_be(client: openai.OpenAI) -> None:
    with pytest.raises(
        openai.UnprocessableEntityError, match=r"takes at least 10\d\d ms"
    ) as raised:
        client.completions.create(
            model="", prompt="Once", max_tokens=100, extra_body={"slo_e2e_ms": 500}
        )
    assert raised.value.code == "deadline_too_short"
    with pytest.raises(openai.UnprocessableEntityError, match=r"has a quality of 0\.9") as raised:
        client.completions.create(model="", prompt="Once", extra_headers={"x-min-quality": "0.95"})
    assert raised.value.code == "quality_unavailable"
    assert "retry-after" not in raised.value.response.headers
    with pytest.raises(openai.BadRequestError, match="do not fit the memory") as too_long:
        client.completions.create(model="", prompt=[1] * 300_000, max_tokens=5)
    assert too_long.value.code == "context_length_exceeded"


def test_another_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="'simulated' is served"):
        client.completions.create(model="gpt-4", prompt="Once")
    with pytest.raises(openai.NotFoundError, match="'simulated' is served"):
        client.models.retrieve("gpt-4")


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 10**6}, "max_tokens"),
        ({"temperature": -1}, "temperature"),
        ({"n": 2}, "n"),
        ({"logprobs": 3}, "logprobs"),
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"slo_e2e_ms": -5}, "slo_e2e_ms"),
        ({"extra_headers": {"x-slo-e2e-ms": "soon"}}, "x-slo-e2e-ms"),
        ({"extra_headers": {"x-min-quality": "2"}}, "x-min-quality"),
    ],
)
def test_a_wrong_request_is_told_where_it_is_wrong(
    client: openai.OpenAI, wrong: dict[str, object], where: str
) -> None:
    arguments: dict[str, object] = {"model": "", "prompt": "Once", **wrong}
    if "slo_e2e_ms" in arguments:
        arguments["extra_body"] = {"slo_e2e_ms": arguments.pop("slo_e2e_ms")}
    with pytest.raises(openai.BadRequestError) as raised:
        client.completions.create(**arguments)  # type: ignore[call-overload]
    assert raised.value.param == where
    assert raised.value.type == "invalid_request_error"
