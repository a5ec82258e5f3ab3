"""What a model behind vLLM expects next, by the probabilities that it tells of prompts.

Of each token of a prompt it tells the probability, and which one would have been likeliest; by
default it tells no whole distributions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ValidationError

from edgebatch.calibration.expectations import Expected
from edgebatch.engines.http_server import HttpServer, call
from edgebatch.errors import EngineError

if TYPE_CHECKING:
    import aiohttp

WINDOW_TOKENS = 256
_TOKEN = "token_id:"


class VllmScorer:
    """One served model.

    Args:
        client: to ask with.
        server: whom to ask.
    """

    def __init__(self, client: aiohttp.ClientSession, server: HttpServer) -> None:
        self._client = client
        self._server = server

    async def expected(self, tokens: Sequence[int]) -> Expected:
        """See :class:`edgebatch.calibration.expectations.BriefScorer`."""
        body = {
            "model": self._server.model,
            "prompt": list(tokens),
            "max_tokens": 1,
            "temperature": 0.0,
            "echo": True,
            "logprobs": 1,
            "return_tokens_as_token_ids": True,
        }
        url = self._server.address.url
        status, answer, said = await call(
            self._client, self._server.address, "POST", "/v1/completions", body
        )
        if status != 200:
            raise EngineError(f"{url} tells no probabilities of prompts ({status}): {said}")
        try:
            told = _Answer.model_validate(answer).choices[0].logprobs
            losses = [-_known(told.token_logprobs[place]) for place in range(1, len(tokens))]
            likeliest = [_likeliest(told.top_logprobs[place]) for place in range(1, len(tokens))]
        except (ValidationError, IndexError, ValueError) as error:
            raise EngineError(f"{url} tells no probabilities of prompts") from error
        return Expected(np.array(losses), np.array(likeliest))


def _known(log_probability: float | None) -> float:
    if log_probability is None:
        raise ValueError("no probability")
    return log_probability


def _likeliest(candidates: Mapping[str, float] | None) -> int:
    """Return the id of the likeliest; the token that is there is always among them."""
    if not candidates:
        raise ValueError("no candidates")
    best = max(candidates, key=lambda token: candidates[token])
    return int(best.removeprefix(_TOKEN))


class _Logprobs(BaseModel):
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]


class _Choice(BaseModel):
    logprobs: _Logprobs


class _Answer(BaseModel):
    choices: list[_Choice]
