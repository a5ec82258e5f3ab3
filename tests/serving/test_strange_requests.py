"""Requests that no client should send, and what they must not do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from edgebatch.engines import Engine, Prompt
from edgebatch.errors import InputError
from edgebatch.serving.openai_requests import CompletionRequest
from serving.gateway_thread import FragileEngine, GatewayThread

JSON = {"content-type": "application/json"}
SURROGATE = '{"role": "user", "content": [{"type": "text", "text": "a\\ud800"}]}'


class _Picky(FragileEngine):
    async def encode(self, prompt: Prompt) -> tuple[int, ...]:
        if prompt.text == "Once":
            raise InputError("prompt", "cannot be written as JSON")
        return await super().encode(prompt)


class _PickyGateway(GatewayThread):
    def _make_engine(self) -> Engine:
        self.engines.append(_Picky(self.scenario))
        return self.engines[-1]


@pytest.fixture(scope="module")
def gateway() -> Iterator[GatewayThread]:
    with GatewayThread() as thread:
        yield thread


def chat(thread: GatewayThread, **fields: Any) -> httpx.Response:
    body = {"messages": [{"role": "user", "content": "a"}], "max_tokens": 2, **fields}
    return httpx.post(f"{thread.url}/v1/chat/completions", json=body)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n", 2),
        ("best_of", 2),
        ("presence_penalty", 0.5),
        ("logit_bias", {"1": 5}),
        ("tools", [{"type": "function"}]),
        ("tool_choice", "auto"),
        ("response_format", {"type": "json_object"}),
        ("response_format", "text"),
        ("top_k", 40),
        ("min_p", 0.05),
        ("repetition_penalty", 1.1),
        ("guided_json", {"type": "object"}),
        ("guided_json", {}),
        ("logprobs", 0),
        ("min_tokens", 2),
        ("chat_template_kwargs", {"enable_thinking": False}),
        ("grammar", "root ::= [0-9]+"),
        ("best_of", 0),
        ("guided_regex", "a+"),
        ("guided_choice", ["a", "b"]),
        ("guided_grammar", "root ::= a"),
        ("structured_outputs", {"regex": "a+"}),
    ],
)
def test_what_would_change_the_answer_and_cannot_be_done_is_refused(
    gateway: GatewayThread, name: str, value: object
) -> None:
    answer = chat(gateway, **{name: value})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["param"]) == ("unsupported", name)


@pytest.mark.parametrize(
    "message",
    [
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function"}]},
        {"role": "tool", "content": "4", "tool_call_id": "1"},
    ],
)
def test_conversations_in_which_tools_were_used_are_refused(
    gateway: GatewayThread, message: dict[str, Any]
) -> None:
    answer = chat(gateway, messages=[{"role": "user", "content": "a"}, message])
    assert answer.status_code == 400
    error = answer.json()["error"]
    name = next(each for each in message if each.startswith("tool_"))
    assert (error["code"], error["param"]) == ("unsupported", f"messages[1].{name}")


def test_what_changes_nothing_is_taken(gateway: GatewayThread) -> None:
    neutral = {
        "n": 1,
        "best_of": 1,
        "presence_penalty": 0,
        "tools": [],
        "logprobs": False,
        "suffix": "",
        "tool_choice": "none",
        "response_format": {"type": "text"},
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "guided_choice": None,
        "structured_outputs": None,
        "user": "somebody",
        "messages": [{"role": "assistant", "content": "a", "tool_calls": []}],
    }
    for top_k in (-1, 0):
        assert chat(gateway, top_k=top_k, **neutral).status_code == 200
    assert chat(gateway, **dict.fromkeys(set(neutral) - {"messages"})).status_code == 200


@pytest.mark.parametrize("name", ["temperature", "top_p", "min_quality", "slo_e2e_ms"])
@pytest.mark.parametrize("number", ["NaN", "Infinity"])
def test_what_is_no_number_is_refused(name: str, number: str) -> None:
    with GatewayThread() as thread:
        content = f'{{"prompt": "a", "max_tokens": 2, "{name}": {number}}}'
        answer = httpx.post(f"{thread.url}/v1/completions", content=content, headers=JSON)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == name


@pytest.mark.parametrize(
    ("asked", "sampled"),
    [
        ({"temperature": 1e-300}, (0.0, 1.0)),
        ({"temperature": 0.0009}, (0.0, 1.0)),
        ({"temperature": 0.001}, (0.001, 1.0)),
        ({"top_p": 1e-300}, (1.0, 1e-6)),
        ({"top_p": 0.5}, (1.0, 0.5)),
    ],
)
def test_what_is_nearly_nothing_is_not_too_little_for_32_bits(
    asked: dict[str, float], sampled: tuple[float, float]
) -> None:
    sampling = CompletionRequest(prompt="a", **asked).sampling()  # type: ignore[arg-type]
    assert (sampling.temperature, sampling.top_p) == sampled


@pytest.mark.parametrize("factor", ["nan", "inf", "0", "-1"])
def test_no_load_factor_lets_a_simulation_run_for_ever(factor: str) -> None:
    with GatewayThread() as thread:
        url = f"{thread.url}/edgebatch/what-if"
        answer = httpx.get(url, params={"load_factor": factor})
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == "query.load_factor"
        assert httpx.get(url, params={"load_factor": "0.5"}).status_code == 200


@pytest.mark.parametrize(
    ("path", "content", "param"),
    [
        ("/v1/completions", '{"prompt": ["a\\ud800"]}', "prompt"),
        ("/v1/chat/completions", f'{{"messages": [{SURROGATE}]}}', "messages[0].content"),
    ],
)
def test_half_a_character_is_refused_wherever_it_stands(
    path: str, content: str, param: str
) -> None:
    with GatewayThread() as thread:
        answer = httpx.post(f"{thread.url}{path}", content=content, headers=JSON)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


def test_a_prompt_that_the_engine_cannot_take_is_the_clients_affair() -> None:
    with _PickyGateway() as thread:
        answer = httpx.post(f"{thread.url}/v1/completions", json={"prompt": "Once"})
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "invalid_value"
        assert thread.gateway.num_received == 0


@pytest.mark.parametrize(
    ("demands", "param", "told", "least_ms"),
    [
        # 10 ms a token, and what had gone before it was looked at
        ({"slo_ttft_ms": 5}, "slo_ttft_ms", "the first token takes", 10),
        ({"slo_e2e_ms": 15}, "slo_e2e_ms", "an answer of 2 tokens takes", 20),
        ({"slo_e2e_ms": 5, "slo_ttft_ms": 9}, "slo_e2e_ms", "an answer of 2 tokens takes", 20),
        ({"slo_e2e_ms": 19, "slo_ttft_ms": 5}, "slo_ttft_ms", "the first token takes", 10),
    ],
)
def test_the_deadline_that_is_too_short_is_named(
    demands: dict[str, float], param: str, told: str, least_ms: int
) -> None:
    with GatewayThread() as thread:
        body = {"prompt": "a", "max_tokens": 2, **demands}
        answer = httpx.post(f"{thread.url}/v1/completions", json=body)
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert (error["code"], error["param"]) == ("deadline_too_short", param)
    found = re.search(rf"{told} at least (\d+) ms", error["message"])
    assert found is not None, error["message"]
    assert least_ms < int(found[1]) < least_ms + 1000
