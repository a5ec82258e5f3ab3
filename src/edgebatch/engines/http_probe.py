"""Finding out what a server with OpenAI's API is and what it serves."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, TypedDict

from edgebatch.engines.http_dialect import Dialect, LlamaCppDialect, OllamaDialect, VllmDialect
from edgebatch.engines.http_server import NOT_WELL, HttpServer, ServerAddress, call, fetch
from edgebatch.errors import EngineError, InputError, UnknownNameError

if TYPE_CHECKING:
    import aiohttp

_POLL_SECONDS = 0.1
_LONGEST_POLL_SECONDS = 0.5
_VLLM_CACHE = "vllm:cache_config_info"


class _LlamaCppModel(TypedDict):
    bytes_per_parameter: float | None
    vocabulary_size: int | None


async def find_out(
    client: aiohttp.ClientSession,
    address: ServerAddress,
    where: str,
    loading_seconds: float,
    unlisted_model: bool = False,
) -> HttpServer:
    """Ask a server what it is and what it serves, waiting while it loads its model.

    Args:
        client: to ask with.
        address: whom to ask.
        where: name of the precision, for error messages.
        loading_seconds: how long it may say that it is not ready yet.
        unlisted_model: whether the model's name need not be among those that it lists.

    Raises:
        EngineError: it cannot be reached, refuses or does not become ready.
        InputError: the model is not served there.
    """
    await _wait_until_ready(client, address, loading_seconds)
    status, listed, said = await call(client, address, "GET", "/v1/models")
    if status in (401, 403):
        does = "refuses the API key" if address.api_key else "asks for an API key"
        raise EngineError(f"{address.url} {does} ({status}): {said}")
    if status in NOT_WELL:  # taken for a server that lists nothing it would be spoken to as any
        raise EngineError(f"{address.url} answers {status}: {said}")
    cards = _cards(listed) if status == 200 else []
    card = _chosen(cards, address, where, unlisted_model)
    model = str(card.get("id", address.model))
    version = await _json_object(client, address, "/version")
    if "max_model_len" in card and "version" in version:
        return HttpServer(
            address,
            VllmDialect(),
            str(version["version"]),
            model,
            _number(card["max_model_len"]),
            cache_tokens=cache_tokens(await _text(client, address, "/metrics")),
        )
    props = await _json_object(client, address, "/props")
    if "total_slots" in props:
        return HttpServer(
            address,
            LlamaCppDialect(),
            str(props.get("build_info", "")),
            model,
            _number(_object(props.get("default_generation_settings")).get("n_ctx")),
            _number(props["total_slots"]),
            str(props.get("model_ftype", "")),
            **_llama_cpp_model(card),
        )
    ollama = await _json_object(client, address, "/api/version")
    if "version" in ollama:
        return HttpServer(address, OllamaDialect(), str(ollama["version"]), model)
    return HttpServer(
        address,
        Dialect(),
        str(version.get("version", "")),
        model,
        _number(card.get("max_model_len")),
    )


async def _wait_until_ready(
    client: aiohttp.ClientSession, address: ServerAddress, loading_seconds: float
) -> None:
    end = time.monotonic() + loading_seconds
    pause = _POLL_SECONDS
    while (await call(client, address, "GET", "/health"))[0] in NOT_WELL:
        if time.monotonic() > end:
            raise EngineError(f"{address.url} is not ready after {loading_seconds:g} s")
        await asyncio.sleep(pause)
        pause = min(_LONGEST_POLL_SECONDS, 1.2 * pause)


def _cards(listed: object) -> list[dict[str, Any]]:
    data = _object(listed).get("data")
    cards = data if isinstance(data, list) else []
    return [card for card in cards if isinstance(card, dict) and "id" in card]


def _chosen(
    cards: list[dict[str, Any]], address: ServerAddress, where: str, unlisted: bool
) -> dict[str, Any]:
    names = [str(card["id"]) for card in cards]
    if not address.model:
        if len(cards) == 1:
            return cards[0]
        many = f"it serves {', '.join(names)}" if cards else "it does not list what it serves"
        raise InputError(where, f"say the name of the model at {address.url}; {many}")
    for card in cards:
        if address.model in (card["id"], *(card.get("aliases") or ())):
            return card
    if cards and not unlisted:
        raise UnknownNameError(f"{where}: model at {address.url}", address.model, names)
    return {}


async def _json_object(
    client: aiohttp.ClientSession, address: ServerAddress, path: str
) -> dict[str, Any]:
    status, answer, _ = await call(client, address, "GET", path)
    return _object(answer) if status == 200 else {}


async def _text(client: aiohttp.ClientSession, address: ServerAddress, path: str) -> str:
    try:
        status, content = await fetch(client, address, "GET", path)
    except EngineError:
        return ""
    return content.decode(errors="replace") if status == 200 else ""


def cache_tokens(metrics: str) -> int | None:
    """Return the tokens that vLLM's cache holds, by its metrics; None if they do not say.

    Blocks times their size, of ``vllm:cache_config_info``; of several engines together.
    """
    total = 0
    try:
        from prometheus_client.parser import text_string_to_metric_families

        for family in text_string_to_metric_families(metrics):
            for sample in family.samples:
                if sample.name == _VLLM_CACHE:
                    blocks, size = sample.labels["num_gpu_blocks"], sample.labels["block_size"]
                    total += int(blocks) * int(size)
    except (ImportError, ValueError, KeyError):  # not installed, or not what vLLM writes
        return None
    return total or None


def _llama_cpp_model(card: dict[str, Any]) -> _LlamaCppModel:
    about = _object(card.get("meta"))
    size, parameters = _number(about.get("size")), _number(about.get("n_params"))
    return {
        "bytes_per_parameter": size / parameters if size and parameters else None,
        "vocabulary_size": _number(about.get("n_vocab")),
    }


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
