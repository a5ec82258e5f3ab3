"""One server with OpenAI's API: short calls to it, and its tokenizer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edgebatch.engines.base import Prompt
from edgebatch.engines.http_client import reason_of, response_to
from edgebatch.engines.http_dialect import Dialect, Fault, plain_prompt
from edgebatch.errors import EngineError, InputError

FAULTS_OF_THE_REQUEST = (400, 413, 422)
"""What servers answer that would answer the same again, as what is wrong is what they got."""
NOT_WELL = (502, 503, 504)
"""What servers answer that cannot go on, and proxies before servers that are not there."""

if TYPE_CHECKING:
    import aiohttp


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where one precision of a model is served.

    Attributes:
        url: such as ``http://127.0.0.1:8000``, with or without ``/v1`` at the end.
        model: the name under which it is served; may be empty if the server has only one.
        api_key: sent as a bearer token; empty for none.
    """

    url: str
    model: str = ""
    api_key: str = field(default="", repr=False)

    @property
    def root(self) -> str:
        """The URL without ``/v1``."""
        return self.url.rstrip("/").removesuffix("/v1").rstrip("/")

    @property
    def headers(self) -> dict[str, str]:
        """What goes with every call."""
        return {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}


@dataclass(frozen=True, slots=True)
class HttpServer:
    """A server that has been asked what it is.

    Attributes:
        address: where it is.
        dialect: how it is spoken to.
        version: of the server; empty if it does not tell.
        model: the served name.
        max_context_tokens: most tokens of prompt and answer; None if it does not tell.
        slots: how many requests it runs at once; None if it does not tell.
        weights: type of the weights as the server calls it; empty if it does not tell.
        bytes_per_parameter: of the weights; None if it does not tell.
        vocabulary_size: token ids lie below; None if it does not tell.
        cache_tokens: tokens that all requests together may have in its cache; None if it does not
            tell.
    """

    address: ServerAddress
    dialect: Dialect
    version: str
    model: str
    max_context_tokens: int | None = None
    slots: int | None = None
    weights: str = ""
    bytes_per_parameter: float | None = None
    vocabulary_size: int | None = None
    cache_tokens: int | None = None

    @property
    def has_tokenizer(self) -> bool:
        """Whether it can be asked for token ids, and takes them for a prompt."""
        return self.dialect.name in ("llama.cpp", "vllm")

    async def encode(self, client: aiohttp.ClientSession, prompt: Prompt) -> tuple[int, ...]:
        """Return the prompt's token ids.

        Raises:
            EngineError: it has no tokenizer to ask, or does not answer.
            InputError: it refuses the prompt, such as roles that its chat template does not know.
        """
        if prompt.tokens is not None:
            return prompt.tokens
        body: dict[str, object]
        if self.dialect.name == "llama.cpp":
            text = plain_prompt(prompt)
            if prompt.messages is not None:
                messages = {"messages": list(prompt.messages)}
                text = await self._post(client, "/apply-template", messages, "prompt")
            body = {"content": text, "add_special": True, "parse_special": True}
        elif self.dialect.name == "vllm":
            if prompt.messages is not None:
                body = {"model": self.model, "messages": list(prompt.messages)}
            else:
                body = {"model": self.model, "prompt": plain_prompt(prompt)}
        else:
            raise self._no_tokenizer()
        return tuple(await self._post(client, "/tokenize", body, "tokens"))

    async def decode(self, client: aiohttp.ClientSession, tokens: Sequence[int]) -> str:
        """Return the text of token ids.

        Raises:
            EngineError: it has no tokenizer to ask, or does not answer.
        """
        if not self.has_tokenizer:
            raise self._no_tokenizer()
        key = "content" if self.dialect.name == "llama.cpp" else "prompt"
        body = {"model": self.model, "tokens": list(tokens)}
        return str(await self._post(client, "/detokenize", body, key))

    def _no_tokenizer(self) -> EngineError:
        return EngineError(
            f"{self.address.url} has no tokenizer to ask: only llama.cpp's and vLLM's servers have"
        )

    async def _post(
        self, client: aiohttp.ClientSession, path: str, body: Mapping[str, object], key: str
    ) -> Any:
        """Return what stands under a key of the answer."""
        status, answer, said = await call(client, self.address, "POST", path, body)
        if status in FAULTS_OF_THE_REQUEST:
            raise InputError("", f"the engine refuses this: {said or status}")
        if status != 200 or not isinstance(answer, dict) or key not in answer:
            raise EngineError(f"{self.address.root}{path} answered {status}: {said}")
        return answer[key]


async def fetch(
    client: aiohttp.ClientSession,
    address: ServerAddress,
    method: str,
    path: str,
    body: Mapping[str, object] | None = None,
) -> tuple[int, bytes]:
    """Return status and content of a short call's answer.

    Raises:
        EngineError: the server cannot be reached.
        InputError: its address is no URL, or the body cannot be written as JSON.
    """
    import aiohttp

    url = address.root + path
    try:
        async with response_to(client, method, url, body, address.headers) as response:
            return response.status, await response.read()
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
        raise InputError(
            address.url, "is not a URL that begins with http:// or https://"
        ) from error
    except aiohttp.ClientError as error:
        raise unreachable(address, error) from error
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError("prompt", f"cannot be written as JSON: {error}") from error


async def call(
    client: aiohttp.ClientSession,
    address: ServerAddress,
    method: str,
    path: str,
    body: Mapping[str, object] | None = None,
) -> tuple[int, Any, str]:
    """Return status, JSON (None if it is none) and the error text of a short call.

    Raises:
        EngineError: the server cannot be reached.
        InputError: its address is no URL, or the body cannot be written as JSON.
    """
    status, content = await fetch(client, address, method, path, body)
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        answer = None
    return status, answer, fault_text(content)


async def require_health(client: aiohttp.ClientSession, address: ServerAddress) -> None:
    """Raise if a server cannot go on; one that cannot be asked for its health is taken to be well.

    Raises:
        EngineError: it cannot be reached, or answers 502, 503 or 504.
    """
    status, _, said = await call(client, address, "GET", "/health")
    if status in NOT_WELL:
        raise EngineError(f"{address.url} says that it is not well: {said or status}")


def unreachable(address: ServerAddress, error: aiohttp.ClientError) -> EngineError:
    """Return the error that says that nobody answers."""
    return EngineError(f"no answer from {address.url}: {reason_of(error)}")


def fault_text(content: bytes) -> str:
    """Return what an answer with an error status says, in one line."""
    try:
        text = Fault.model_validate_json(content).text
    except ValueError:
        text = ""
    return " ".join((text or content.decode(errors="replace")).split())[:500]
