"""The quality of what servers serve, where they tell enough of what they expect next."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from edgebatch.calibration import llama_cpp_scorer, vllm_scorer
from edgebatch.calibration.expectations import BriefScorer, Scorer, expected_by
from edgebatch.calibration.scoring import Scorers, Scoring
from edgebatch.engines import EngineInfo
from edgebatch.engines.http_client import open_client
from edgebatch.engines.http_server import HttpServer
from edgebatch.errors import EngineError

if TYPE_CHECKING:
    import aiohttp

_CONNECT_SECONDS = 10.0
_REFERENCES = ("f32", "f16", "fp16", "bf16", "w16a16")


def server_scoring(servers: Mapping[str, HttpServer]) -> Scoring | None:
    """Return how the quality of several precisions is measured; None if it cannot be.

    It takes one of 16 bits among them, by its name, and servers that tell probabilities.

    Args:
        servers: of each precision.
    """
    reference = next((name for name in servers if name.casefold() in _REFERENCES), None)
    windows = [_window_tokens(server) for server in servers.values()]
    known = [window for window in windows if window is not None]
    if reference is None or len(servers) < 2 or len(known) < len(windows):
        return None

    @asynccontextmanager
    async def opened(names: Sequence[str], _: EngineInfo) -> AsyncIterator[Scorers]:
        async with open_client(_CONNECT_SECONDS, llama_cpp_scorer.ANSWER_SECONDS) as client:
            yield {name: _scorer(client, servers[name]) for name in names}

    return Scoring(reference, min(known), opened)


async def is_told(scoring: Scoring, tokens: Sequence[int], info: EngineInfo) -> bool:
    """Return whether all servers really tell what they expect of a text of a few tokens."""
    try:
        async with scoring.open(info.precisions, info) as scorers:
            for scorer in scorers.values():
                await expected_by(scorer, tokens)
    except EngineError:
        return False
    return True


def _window_tokens(server: HttpServer) -> int | None:
    """Return how long texts to score should be; None if the server does not tell enough."""
    if server.dialect.name == "vllm":
        room = (server.max_context_tokens or vllm_scorer.WINDOW_TOKENS) - 1
        return min(vllm_scorer.WINDOW_TOKENS, room)
    if server.dialect.name == "llama.cpp" and server.vocabulary_size:
        return llama_cpp_scorer.WINDOW_TOKENS
    return None


def _scorer(client: aiohttp.ClientSession, server: HttpServer) -> Scorer | BriefScorer:
    if server.dialect.name == "vllm":
        return vllm_scorer.VllmScorer(client, server)
    address, size = server.address, server.vocabulary_size or 0
    return llama_cpp_scorer.LlamaCppQuestions(client, address, address.url, size)
