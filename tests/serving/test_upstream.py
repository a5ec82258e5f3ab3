"""A gateway in front of a server that misbehaves on command."""

from collections.abc import Iterator

import openai
import pytest

from edgebatch.engines import Engine
from edgebatch.engines.http_server import ServerAddress
from edgebatch.engines.openai_http import OpenAIEngine
from misbehaving_server import MisbehavingServer
from serving.gateway_thread import GatewayThread


class UpstreamGateway(GatewayThread):
    """A gateway in front of a server at a URL."""

    def __init__(self, url: str) -> None:
        self._upstream = url
        super().__init__()

    def _make_engine(self) -> Engine:
        return OpenAIEngine({"w8": ServerAddress(self._upstream)})


@pytest.fixture(scope="module")
def client() -> Iterator[openai.OpenAI]:
    with (
        MisbehavingServer().serving() as url,
        UpstreamGateway(url) as gateway,
        openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=0) as client,
    ):
        yield client


def test_what_the_server_refuses_for_good_is_a_wrong_request(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="400: no such field") as raised:
        client.completions.create(model="", prompt="status:400:no such field", max_tokens=5)
    assert raised.value.code == "engine_refused"
    assert "http://" not in str(raised.value)
    with pytest.raises(openai.BadRequestError, match="the prompt is empty"):
        client.completions.create(model="", prompt="", max_tokens=5)


def test_a_refused_stream_ends_with_the_reason(client: openai.OpenAI) -> None:
    stream = client.completions.create(
        model="", prompt="status:422:no such field", max_tokens=5, stream=True
    )
    with pytest.raises(openai.APIError, match="422: no such field"):
        list(stream)


def test_what_the_server_fails_at_may_be_tried_again(client: openai.OpenAI) -> None:
    with pytest.raises(openai.InternalServerError) as raised:
        client.completions.create(model="", prompt="status:500:boom", max_tokens=5)
    assert raised.value.status_code == 503
    assert int(raised.value.response.headers["retry-after"]) >= 1


def test_tokens_of_the_prompt_are_those_that_the_server_counted(client: openai.OpenAI) -> None:
    # it has no tokenizer, so the gateway itself takes ceil(9 bytes / 3) + 8 = 11 for the bound
    answer = client.completions.create(model="", prompt="count:2+3", max_tokens=5)
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (7, 5)
