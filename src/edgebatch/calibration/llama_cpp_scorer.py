"""What a GGUF model expects next, asked of a llama.cpp server token by token.

The server tells probabilities only of tokens that it is about to generate. So each position of a
text is one request: the text so far, one token to generate, and the probabilities of the whole
vocabulary. What was computed for the text so far is kept, which makes a position cost one token.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgebatch.calibration.log_softmax import log_softmax
from edgebatch.engines.http_client import open_client
from edgebatch.engines.http_server import ServerAddress, call
from edgebatch.engines.llama_cpp_settings import LlamaCppSettings, ServerOrder
from edgebatch.engines.process import ChildProcess
from edgebatch.errors import EngineError
from edgebatch.problem.checks import FloatArray

if TYPE_CHECKING:
    import aiohttp

WINDOW_TOKENS = 32
"""Short texts, as every token of them is a request."""
ANSWER_SECONDS = 120.0
_LEAST_PROBABILITY = 1e-30
_FORCED = 1e9
"""Added to the logit of a token that is to be generated."""


class LlamaCppQuestions:
    """One running llama.cpp server.

    Args:
        client: to ask with.
        address: where it is.
        name: of what it serves, for errors.
        vocabulary_size: tokens that there are.
    """

    def __init__(
        self,
        client: aiohttp.ClientSession,
        address: ServerAddress,
        name: str,
        vocabulary_size: int,
    ) -> None:
        self._client, self._address = client, address
        self._name = name
        self._vocabulary_size = vocabulary_size
        self._letter_token: int | None = None

    async def log_probabilities(self, tokens: Sequence[int]) -> FloatArray:
        """See :class:`edgebatch.calibration.expectations.Scorer`."""
        rows = np.full((len(tokens) - 1, self._vocabulary_size), math.log(_LEAST_PROBABILITY))
        try:
            for position, row in enumerate(rows):
                for candidate in await self._candidates(tokens[: position + 1]):
                    # the server says −3.4e38 for what is as good as impossible
                    row[candidate["id"]] = max(candidate["logprob"], math.log(_LEAST_PROBABILITY))
        except (LookupError, TypeError, ValueError) as error:  # older servers say it otherwise
            raise EngineError(
                f"llama.cpp's server of {self._name} tells no probabilities of tokens"
            ) from error
        return log_softmax(rows)

    async def _candidates(self, tokens: Sequence[int]) -> Any:
        """Return every token that may come next, with its probability's logarithm.

        The server says nothing where it generates the end of the text or part of a character. So it
        is made to generate a letter; it tells the probabilities that this has not touched.
        """
        body = {
            "prompt": list(tokens),
            "n_predict": 1,
            "n_probs": self._vocabulary_size,
            "temperature": 0.0,
            "cache_prompt": True,
            "logit_bias": [[await self._letter(), _FORCED]],
        }
        answer = await self._asked("/completion", body)
        return answer["completion_probabilities"][0]["top_logprobs"]

    async def _letter(self) -> int:
        if self._letter_token is None:
            body = {"content": "a", "add_special": False}
            answer = await self._asked("/tokenize", body)
            self._letter_token = int(answer["tokens"][-1])
        return self._letter_token

    async def _asked(self, path: str, body: Mapping[str, object]) -> Any:
        return await asked(self._client, self._address, self._name, "POST", path, body)


class LlamaCppScorer:
    """One GGUF file in a server of its own.

    Args:
        path: the file.
        window_tokens: longest text that will be asked about.
    """

    def __init__(self, path: Path, window_tokens: int) -> None:
        self._path = path
        self._window_tokens = window_tokens
        self._server = ChildProcess("edgebatch.engines.llama_cpp_server", name=path.name)
        self._client: aiohttp.ClientSession | None = None
        self._questions: LlamaCppQuestions | None = None

    async def start(self) -> None:
        """Load the model.

        Raises:
            EngineError: llama.cpp cannot serve it.
        """
        settings = LlamaCppSettings(slots=1, context_tokens=self._window_tokens)
        order = ServerOrder(str(self._path), secrets.token_urlsafe(), settings)
        await self._server.start()
        self._server.send(order)
        url = await self._server.receive(settings.start_timeout_seconds)
        address = ServerAddress(str(url), api_key=order.api_key)
        self._client = open_client(ANSWER_SECONDS, ANSWER_SECONDS)
        models = await asked(self._client, address, self._path.name, "GET", "/v1/models")
        size = int(models["data"][0]["meta"]["n_vocab"])
        self._questions = LlamaCppQuestions(self._client, address, self._path.name, size)

    async def stop(self) -> None:
        """End the server."""
        if self._client is not None:
            await self._client.close()
        await self._server.stop()

    async def log_probabilities(self, tokens: Sequence[int]) -> FloatArray:
        """See :class:`edgebatch.calibration.expectations.Scorer`."""
        assert self._questions is not None
        return await self._questions.log_probabilities(tokens)


async def asked(
    client: aiohttp.ClientSession,
    address: ServerAddress,
    name: str,
    method: str,
    path: str,
    body: Mapping[str, object] | None = None,
) -> Any:
    """Return what a server answers, read from JSON.

    Raises:
        EngineError: it does not answer, or refuses.
    """
    status, answer, said = await call(client, address, method, path, body)
    if status != 200:
        raise EngineError(f"llama.cpp's server of {name} answered {status}: {said}")
    return answer
