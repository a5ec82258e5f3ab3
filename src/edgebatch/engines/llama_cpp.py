"""llama.cpp as an engine: one server process of our own for each precision."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from edgebatch.engines.base import Engine, EngineInfo, GenerationRequest, Prompt, Report
from edgebatch.engines.http_server import HttpServer, ServerAddress
from edgebatch.engines.llama_cpp_settings import LlamaCppSettings, ServerOrder
from edgebatch.engines.openai_http import OpenAIEngine, OpenAISettings
from edgebatch.engines.process import ChildProcess
from edgebatch.errors import EngineError, InputError, MissingExtraError

T = TypeVar("T")

_DEATH_SECONDS = 1.0
"""How long it takes at most until the end of a process is known, once its sockets have closed."""
_SAID = re.compile(r"^[\d.]+ E (?:\S+ +)?\S+?: (.+)$", re.MULTILINE)
_ON = {True: "on", False: "off", None: "auto"}
_OF_THE_FILE = "error loading model: "


class LlamaCppEngine(Engine):
    """One model in one or several precisions, each in a llama.cpp server of its own.

    Args:
        models: the GGUF file of each precision.
        settings: how it is run.
        name: of the model, as shown to users; empty for the first file's.

    Raises:
        InputError: there is no file, or one does not exist.
    """

    def __init__(
        self,
        models: Mapping[str, Path],
        settings: LlamaCppSettings | None = None,
        name: str = "",
    ) -> None:
        if not models:
            raise InputError("models", "must have at least one precision")
        for path in models.values():
            if not path.is_file():
                raise InputError(str(path), "there is no such file")
        self._models = dict(models)
        self._settings = settings or LlamaCppSettings()
        self._name = name or next(iter(models.values())).stem
        self._children: dict[str, ChildProcess] = {}
        self._watches: list[asyncio.Task[None]] = []
        self._http: OpenAIEngine | None = None
        self._death: EngineError | None = None

    async def start(self) -> EngineInfo:
        """Start all servers and return once they have loaded their models.

        Raises:
            EngineError: a server cannot start, and what llama.cpp says to it.
            MissingExtraError: xllamacpp is not installed.
            InputError: a file is broken, or llama.cpp does not know its architecture.
        """
        if find_spec("xllamacpp") is None:
            raise MissingExtraError("llama.cpp", "llama-cpp")
        started = time.monotonic()
        try:
            # one after the other: together, each would take the memory the other counts on
            servers = {
                precision: await self._serve(precision, path)
                for precision, path in self._models.items()
            }
            settings = OpenAISettings(
                silence_timeout_seconds=self._settings.silence_timeout_seconds,
                cache_prompts=self._settings.cache_prompts,
            )
            self._http = OpenAIEngine(servers, settings)
            info = await self._or_death(self._http.start())
            self._watches = [
                asyncio.create_task(self._watch(child)) for child in self._children.values()
            ]
        except BaseException:
            await self.stop()
            raise
        return replace(
            info,
            engine="llama-cpp",
            version=version("xllamacpp"),
            model=self._name,
            settings=self._shown(self._http),
            start_seconds=time.monotonic() - started,
            preallocates=True,
        )

    def server(self, precision: str) -> HttpServer:
        """Return what a started engine knows of a precision's server.

        Raises:
            InputError: the precision is not hosted.
        """
        return self._started().server(precision)

    @property
    def processes(self) -> tuple[int, ...]:
        """Process ids of the servers, in the order of the precisions; none once they ended."""
        found = (child.pid for child in self._children.values())
        return tuple(pid for pid in found if pid is not None)

    async def encode(self, prompt: Prompt) -> tuple[int, ...]:
        """Return the prompt's token ids.

        Raises:
            EngineError: the engine has died.
            InputError: the prompt is refused.
        """
        return await self._or_death(self._started().encode(prompt))

    async def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of token ids.

        Raises:
            EngineError: the engine has died.
        """
        return await self._or_death(self._started().decode(tokens))

    def submit(self, request: GenerationRequest) -> None:
        """Let a request join at the next step of its precision's server.

        Raises:
            InputError: the precision is not hosted, or the number runs already.
        """
        self._started().submit(request)

    def cancel(self, number: int) -> None:
        """Call a request off."""
        self._started().cancel(number)

    @property
    def running(self) -> frozenset[int]:
        """Numbers of the requests whose end has not been reported."""
        return self._http.running if self._http else frozenset()

    async def report(self) -> Report:
        """Wait for tokens and return all that arrived together.

        Raises:
            EngineError: a server has died or is silent.
        """
        return await self._or_death(self._started().report())

    async def memory_bytes(self) -> int | None:
        """Return the resident memory of all servers; None if one has ended.

        Weights are mapped from their files, and count as far as they have been read.
        """
        sizes = [child.memory_bytes() for child in self._children.values()]
        return sum(size or 0 for size in sizes) if sizes and None not in sizes else None

    async def stop(self) -> None:
        """End all servers; may be called at any time, and twice."""
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        if self._http is not None:
            await self._http.stop()
        await asyncio.gather(*(child.stop() for child in self._children.values()))
        self._children.clear()

    async def _serve(self, precision: str, path: Path) -> ServerAddress:
        order = ServerOrder(str(path), secrets.token_urlsafe(), self._settings)
        name = f"llama.cpp's server of {precision} ({path.name})"
        child = ChildProcess("edgebatch.engines.llama_cpp_server", name=name)
        self._children[precision] = child
        await child.start()
        child.send(order)
        try:
            url = await child.receive(self._settings.start_timeout_seconds)
        except EngineError as error:
            raise _start_error(path, child.tail) or error from None
        return ServerAddress(str(url), api_key=order.api_key)

    async def _watch(self, child: ChildProcess) -> None:
        try:
            await child.receive()
        except EngineError as error:
            self._death = self._death or error
            self._started().fail(error)

    async def _or_death(self, work: Awaitable[T]) -> T:
        """Wait for work; if it fails as a server has died, raise how that came about."""
        try:
            return await work
        except EngineError as error:
            if self._watches:
                await asyncio.wait(
                    self._watches, timeout=_DEATH_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
            raise self._death or error from None

    def _started(self) -> OpenAIEngine:
        if self._http is None:
            raise EngineError("the engine is not started")
        return self._http

    def _shown(self, http: OpenAIEngine) -> dict[str, str]:
        wanted = self._settings
        shown = {
            "threads": str(wanted.threads or "one a core"),
            "slots": str(wanted.slots),
            "batch_tokens": str(wanted.batch_tokens),
            "ubatch_tokens": str(wanted.ubatch_tokens),
            "flash_attention": _ON[wanted.flash_attention],
            "continuous_batching": _ON[wanted.continuous_batching],
            "cache_prompts": _ON[wanted.cache_prompts],
        }
        for precision in self._models:
            shown[f"weights {precision}"] = http.server(precision).weights
        return shown


def _start_error(path: Path, tail: str) -> EngineError | InputError | None:
    """Return what llama.cpp's own first complaint means; None if it has none."""
    said = _SAID.search(tail)
    if said is None:
        return None
    reason = said.group(1).strip().removeprefix(_OF_THE_FILE)
    if _OF_THE_FILE in tail:
        return InputError(str(path), f"llama.cpp cannot load it: {reason}")
    return EngineError(f"llama.cpp cannot serve {path}: {reason}")
