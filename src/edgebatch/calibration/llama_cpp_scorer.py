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
from edgebatch.engines.llama_cpp_settings import LlamaCppSettings, ServerOrder
from edgebatch.engines.process import ChildProcess
from edgebatch.errors import EngineError
from edgebatch.problem.checks import FloatArray

if TYPE_CHECKING:
    import httpx

_ANSWER_SECONDS = 120.0
_LEAST_PROBABILITY = 1e-30


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
        self._client: httpx.AsyncClient | None = None
        self._vocabulary_size = 0

    async def start(self) -> None:
        """Load the model.

        Raises:
            EngineError: llama.cpp cannot serve it.
        """
        import httpx

        settings = LlamaCppSettings(slots=1, context_tokens=self._window_tokens)
        order = ServerOrder(str(self._path), secrets.token_urlsafe(), settings)
        await self._server.start()
        self._server.send(order)
        url = await self._server.receive(settings.start_timeout_seconds)
        self._client = httpx.AsyncClient(
            base_url=str(url),
            headers={"Authorization": f"Bearer {order.api_key}"},
            timeout=_ANSWER_SECONDS,
        )
        models = await self._asked("GET", "/v1/models")
        self._vocabulary_size = int(models["data"][0]["meta"]["n_vocab"])

    async def stop(self) -> None:
        """End the server."""
        if self._client is not None:
            await self._client.aclose()
        await self._server.stop()

    async def log_probabilities(self, tokens: Sequence[int]) -> FloatArray:
        """See :class:`edgebatch.calibration.quality.Scorer`."""
        rows = np.full((len(tokens) - 1, self._vocabulary_size), math.log(_LEAST_PROBABILITY))
        for position, row in enumerate(rows):
            for candidate in await self._candidates(tokens[: position + 1]):
                # the server says −3.4e38 for what is as good as impossible
                row[candidate["id"]] = max(candidate["logprob"], math.log(_LEAST_PROBABILITY))
        return log_softmax(rows)

    async def _candidates(self, tokens: Sequence[int]) -> Any:
        """Return every token that may come next, with its probability's logarithm."""
        body = {
            "prompt": list(tokens),
            "n_predict": 1,
            "n_probs": self._vocabulary_size,
            "temperature": 0.0,
            "cache_prompt": True,
        }
        answer = await self._asked("POST", "/completion", body)
        if not answer.get("completion_probabilities"):
            # the likeliest is the end, of which the server says nothing; so without the end
            answer = await self._asked("POST", "/completion", {**body, "ignore_eos": True})
        return answer["completion_probabilities"][0]["top_logprobs"]

    async def _asked(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        import httpx

        assert self._client is not None
        try:
            answer = await self._client.request(method, path, json=body)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise EngineError(f"llama.cpp's server of {self._path.name}: {error!r}") from error
        return answer.json()
