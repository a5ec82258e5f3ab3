"""Any server with OpenAI's API as an engine, one server or served name for each precision."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from edgebatch.engines.base import (
    Engine,
    EngineInfo,
    Finish,
    GenerationRequest,
    Progress,
    Prompt,
    Report,
)
from edgebatch.engines.http_client import open_client
from edgebatch.engines.http_gains import Gains
from edgebatch.engines.http_probe import find_out
from edgebatch.engines.http_server import HttpServer, ServerAddress, require_health
from edgebatch.engines.http_stream import Answer
from edgebatch.errors import EngineError, InputError
from edgebatch.registry import lookup

if TYPE_CHECKING:
    import aiohttp

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True)
class OpenAISettings:
    """How servers are treated.

    Attributes:
        connect_seconds: longest wait for a connection.
        call_seconds: longest wait for short answers, such as the list of models.
        loading_seconds: how long a server may say at the start that it is not ready yet.
        silence_timeout_seconds: how long nothing may come although requests run, beside the time
            for prompts that have not been read.
        health_seconds: how often servers are asked whether they are there and well.
        cache_prompts: whether what was computed for earlier prompts may be reused, which makes
            later ones look cheaper than they are; heeded by llama.cpp and vLLM.
        unlisted_model: whether a model's name is used although the server does not list it;
            ``transformers serve`` lists others than it serves.
    """

    connect_seconds: Seconds = 5.0
    call_seconds: Seconds = 30.0
    loading_seconds: Seconds = 60.0
    silence_timeout_seconds: Seconds = 60.0
    health_seconds: Seconds = 5.0
    cache_prompts: bool = False
    unlisted_model: bool = False


class OpenAIEngine(Engine):
    """An engine behind HTTP.

    Args:
        servers: where each precision is served; several may be the same server.
        settings: how they are treated.

    Raises:
        InputError: there is no server.
    """

    is_remote = True

    def __init__(
        self, servers: Mapping[str, ServerAddress], settings: OpenAISettings | None = None
    ) -> None:
        if not servers:
            raise InputError("servers", "must have at least one precision")
        self._addresses = dict(servers)
        self._settings = settings or OpenAISettings()
        self._servers: dict[str, HttpServer] = {}
        self._client: aiohttp.ClientSession | None = None
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._running: set[int] = set()
        self._watching: asyncio.Task[None] | None = None
        where = ", ".join(sorted({address.url for address in servers.values()}))
        self._gains = Gains(where, self._settings.silence_timeout_seconds)

    async def start(self) -> EngineInfo:
        """Ask every server what it is.

        Raises:
            EngineError: one cannot be reached, refuses or does not become ready.
            MissingExtraError: aiohttp is not installed.
            InputError: one does not serve the model.
        """
        started = time.monotonic()
        self._client = open_client(self._settings.connect_seconds, self._settings.call_seconds)
        loading, unlisted = self._settings.loading_seconds, self._settings.unlisted_model
        try:
            for precision, address in self._addresses.items():
                found = await find_out(self._client, address, precision, loading, unlisted)
                self._servers[precision] = found
        except BaseException:
            await self.stop()
            raise
        self._watching = asyncio.create_task(self._watch())
        return self._info(time.monotonic() - started)

    def server(self, precision: str) -> HttpServer:
        """Return what a started engine knows of a precision's server.

        Raises:
            InputError: the precision is not hosted.
        """
        return lookup(self._servers, precision, "precision")

    async def encode(self, prompt: Prompt) -> tuple[int, ...]:
        """Return the prompt's token ids, as the first server reads it.

        Raises:
            EngineError: it has no tokenizer to ask, or does not answer.
            InputError: the prompt is refused.
        """
        client, server = self._started()
        return await server.encode(client, prompt)

    async def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of token ids, as the first server writes it.

        Raises:
            EngineError: it has no tokenizer to ask, or does not answer.
        """
        client, server = self._started()
        return await server.decode(client, tokens)

    def submit(self, request: GenerationRequest) -> None:
        """Send a request off; does not wait for it.

        Raises:
            InputError: the precision is not hosted, or the number runs already.
            EngineError: the engine has not been started.
        """
        client, _ = self._started()
        server = self.server(request.precision)
        if request.number in self._running:
            raise InputError("number", f"request {request.number} runs already")
        if not self._running:
            self._gains.begin()
        self._gains.expect(request.number, request.prompt)
        self._running.add(request.number)
        answer = Answer(client, server, request, self._settings.cache_prompts)
        task = asyncio.create_task(self._follow(answer))
        self._tasks[request.number] = task

    def cancel(self, number: int) -> None:
        """Call a request off, which closes its connection."""
        task = self._tasks.get(number)
        if task is None:
            return
        self._gain(Progress(number, 0, finish=Finish.CANCELLED), task)
        task.cancel()

    @property
    def running(self) -> frozenset[int]:
        """Numbers of the requests whose end has not been reported."""
        return frozenset(self._running)

    async def report(self) -> Report:
        """Wait for events and return all that arrived together.

        Raises:
            EngineError: a server cannot be reached any more, or all are silent.
        """
        report = await self._gains.report(self._running)
        self._running -= {each.number for each in report.progress if each.finish is not None}
        return report

    def fail(self, error: EngineError) -> None:
        """Let this and every later report raise ``error``, unless one does so already."""
        self._gains.fail(error)

    async def memory_bytes(self) -> int | None:
        """Return None: a server does not tell."""
        return None

    async def stop(self) -> None:
        """Close all connections; may be called at any time, and twice."""
        tasks = [*self._tasks.values(), *self._closing]
        if self._watching is not None:
            tasks.append(self._watching)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()
        self._running.clear()
        if self._client is not None:
            await self._client.close()

    async def _watch(self) -> None:
        """Fail when a server is not there any more or not well, also while nothing runs.

        One that has sent tokens meanwhile goes on, and may be too busy to tell of its health.
        """
        client, _ = self._started()
        while True:
            since = time.monotonic()
            await asyncio.sleep(self._settings.health_seconds)
            try:
                for address in set(self._addresses.values()):
                    await require_health(client, address)
            except EngineError as error:
                if not self._gains.heard_since(since):
                    self.fail(error)
                    return

    async def _follow(self, answer: Answer) -> None:
        task = asyncio.current_task()
        try:
            async for progress in answer.progress():
                self._gain(progress, task)
        except EngineError as error:
            self.fail(error)
        except Exception as error:  # noqa: BLE001 - else whoever asked would wait for ever
            self.fail(EngineError(f"{answer.server.address.url}: {error!r}"))

    def _gain(self, progress: Progress, task: asyncio.Task[None] | None) -> None:
        if task is None or self._tasks.get(progress.number) is not task:  # called off
            return
        self._gains.add(progress)
        if progress.finish is not None:
            del self._tasks[progress.number]
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _started(self) -> tuple[aiohttp.ClientSession, HttpServer]:
        if self._client is None or self._client.closed or not self._servers:
            raise EngineError("the engine is not started")
        return self._client, next(iter(self._servers.values()))

    def _info(self, seconds: float) -> EngineInfo:
        servers = self._servers.values()
        contexts = [each.max_context_tokens for each in servers]
        slots = [each.slots for each in servers]
        settings = {"cache_prompts": str(self._settings.cache_prompts).lower()}
        for precision, each in self._servers.items():
            settings[f"server {precision}"] = f"{each.dialect.name} at {each.address.url}"
            if each.weights:
                settings[f"weights {precision}"] = each.weights
        caches = [each.cache_tokens for each in servers if each.cache_tokens]
        if caches:
            settings["cache_tokens"] = str(min(caches))
        vocabularies = [each.vocabulary_size for each in servers]
        return EngineInfo(
            engine="openai",
            version=", ".join(sorted({each.version for each in servers if each.version})),
            model=", ".join(dict.fromkeys(each.model for each in servers)),
            precisions=tuple(self._servers),
            max_context_tokens=min((size for size in contexts if size), default=None),
            max_running=min((each for each in slots if each), default=None),
            settings=settings,
            start_seconds=seconds,
            vocabulary_size=min((size for size in vocabularies if size), default=None),
        )
