"""A real local server with OpenAI's API that does what the prompt tells it to.

Prompts are ``WORD`` or ``WORD:argument``: ``say:abc`` answers ``a``, ``b``, ``c``, an event each;
``status:429`` refuses; the others are the methods of :class:`_Answers`.
"""

from __future__ import annotations

import asyncio
import json
import math
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

Json = dict[str, Any]


def event(text: str = "", finish: str | None = None, **more: object) -> bytes:
    """Return an event of ``/v1/completions``."""
    return data({"choices": [{"text": text, "finish_reason": finish, **more}]})


def data(content: object) -> bytes:
    """Return any event."""
    return f"data: {json.dumps(content)}\n\n".encode()


DONE = b"data: [DONE]\n\n"


class _Answers:
    """What each word makes the server send."""

    async def say(self, text: str) -> AsyncIterator[bytes]:
        for letter in text:
            yield event(letter)
            await asyncio.sleep(0)
        yield event("", "stop") + DONE

    async def count(self, numbers: str) -> AsyncIterator[bytes]:
        """Send texts of so many tokens each and say how many there were only at the end."""
        sizes = [int(number) for number in numbers.split("+")]
        for size in sizes:
            yield event("x" * size)
        yield event("", "length")
        usage = {"prompt_tokens": 7, "completion_tokens": sum(sizes)}
        yield data({"choices": [], "usage": usage}) + DONE

    async def ids(self, numbers: str) -> AsyncIterator[bytes]:
        """Send token ids as vLLM does."""
        for number in numbers.split("+"):
            yield event("t", token_ids=[int(number)])
        yield event("", "stop") + DONE

    async def hole(self, numbers: str) -> AsyncIterator[bytes]:
        """Send one token, then three with the id of one of them, then one."""
        first, last = (int(number) for number in numbers.split("+"))
        for text, number, total in (("t", first, 1), ("tt", last, 4), ("t", last, 5)):
            choice = {"text": text, "token_ids": [number]}
            yield data({"choices": [choice], "usage": {"completion_tokens": total}})
        yield event("", "stop") + DONE

    async def drip(self, count: str) -> AsyncIterator[bytes]:
        for _ in range(int(count)):
            yield event("d")
            await asyncio.sleep(0.05)
        yield event("", "stop") + DONE

    async def think(self, text: str) -> AsyncIterator[bytes]:
        """Read the prompt for as long as 20 tokens take."""
        await asyncio.sleep(1.0)
        yield event(text) + event("", "stop") + DONE

    async def stall(self, text: str) -> AsyncIterator[bytes]:
        yield event(text)
        await asyncio.sleep(60)

    async def ping(self, text: str) -> AsyncIterator[bytes]:
        """Keep the connection busy without saying anything."""
        yield event(text)
        while True:
            yield b": still here\n\n"
            await asyncio.sleep(0.02)

    async def calm(self, text: str) -> AsyncIterator[bytes]:
        """Say between letters what a client may heed, but what is no event."""
        for letter in text:
            yield b"id: 7\n\n" + event(letter) + b"retry: 3000\n\n" + b": a comment\n\n"
        yield event("", "stop") + DONE

    async def cut(self, text: str) -> AsyncIterator[bytes]:
        for letter in text:
            yield event(letter)
        raise ConnectionAbortedError

    async def vanish(self, text: str) -> AsyncIterator[bytes]:
        """End in good order, but without a reason."""
        yield event(text)

    async def raw(self, text: str) -> AsyncIterator[bytes]:
        yield event("a")
        yield f"data: {text}\n\n".encode()

    async def fault(self, message: str) -> AsyncIterator[bytes]:
        yield event("a")
        yield data({"error": {"message": message, "code": 500}})

    async def long(self, size: str) -> AsyncIterator[bytes]:
        """Send one event of so many characters."""
        yield event("l" * int(size)) + event("", "stop") + DONE

    async def endless(self, _: str) -> AsyncIterator[bytes]:
        yield b"data: "
        while True:
            yield b"x" * 2**20
            await asyncio.sleep(0)

    async def split(self, text: str) -> AsyncIterator[bytes]:
        """Send every byte on its own, characters and line ends torn apart."""
        whole = f"data: {json.dumps({'choices': [{'text': text}]}, ensure_ascii=False)}\r\n\r\n"
        for byte in whole.encode() + event("", "stop") + DONE:
            yield bytes([byte])
            await asyncio.sleep(0)


class MisbehavingServer:
    """Answers, and remembers what it was asked.

    Args:
        models: the cards of ``/v1/models``.
        others: JSON of further paths that are read, such as ``/version``.
        posts: what further paths answer to the JSON that is sent to them.
        loading_seconds: how long it says that it is not ready yet.
        api_key: which it demands; empty for none.
    """

    def __init__(
        self,
        models: tuple[Json, ...] = ({"id": "tiny"},),
        *,
        others: Mapping[str, Json] | None = None,
        posts: Mapping[str, Callable[[Json], Json | Response]] | None = None,
        loading_seconds: float = 0.0,
        api_key: str = "",
    ) -> None:
        self.asked: list[Json] = []
        self.closed: list[str] = []
        self.ports: list[int] = []
        self._models = models
        self._others = dict(others or {})
        self._posts = dict(posts or {})
        self._ready_seconds = time.monotonic() + loading_seconds
        self._api_key = api_key
        paths = ["/v1/completions", "/v1/chat/completions"]
        self._app = Starlette(
            routes=[
                Route("/health", self._health),
                Route("/v1/models", self._list),
                *(Route(path, self._complete, methods=["POST"]) for path in paths),
                *(Route(path, self._other) for path in self._others),
                *(Route(path, self._post, methods=["POST"]) for path in self._posts),
            ]
        )

    def fall_ill(self) -> None:
        """Say from now on that it is not ready."""
        self._ready_seconds = math.inf

    def get_well(self) -> None:
        """Say from now on that it is ready."""
        self._ready_seconds = 0.0

    @contextmanager
    def serving(self, port: int = 0) -> Iterator[str]:
        """Serve from a thread, at a port, 0 for any; gives the base URL."""
        config = uvicorn.Config(
            self._app,
            port=port,
            log_config=None,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=0,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            while not server.started:
                time.sleep(0.005)
            taken = server.servers[0].sockets[0].getsockname()[1]
            yield f"http://127.0.0.1:{taken}/v1"
        finally:
            server.should_exit = True
            thread.join()

    async def _health(self, _: Request) -> Response:
        return Response(status_code=200 if time.monotonic() > self._ready_seconds else 503)

    async def _list(self, request: Request) -> Response:
        if self._refuses(request):
            return JSONResponse({"error": {"message": "wrong key"}}, 401)
        return JSONResponse({"object": "list", "data": list(self._models)})

    async def _other(self, request: Request) -> Response:
        return JSONResponse(self._others[request.url.path])

    async def _post(self, request: Request) -> Response:
        answer = self._posts[request.url.path](await request.json())
        return answer if isinstance(answer, Response) else JSONResponse(answer)

    async def _complete(self, request: Request) -> Response:
        if self._refuses(request):
            return JSONResponse({"error": {"message": "wrong key"}}, 401)
        body = await request.json()
        self.asked.append({"path": request.url.path, **body})
        self.ports.append(request.client.port if request.client else 0)
        prompt = body["prompt"] if "prompt" in body else body["messages"][-1]["content"]
        word, _, argument = str(prompt).partition(":")
        if word == "status":
            status, _, message = argument.partition(":")
            headers = {"Retry-After": "7"} if status == "429" else {}
            return JSONResponse({"error": {"message": message}}, int(status), headers)
        if word == "html":
            return Response("<p>hello</p>", media_type="text/html")
        stream = getattr(_Answers(), word if hasattr(_Answers, word) else "say")(argument)
        return StreamingResponse(self._watched(stream, word), media_type="text/event-stream")

    async def _watched(self, stream: AsyncIterator[bytes], word: str) -> AsyncIterator[bytes]:
        try:
            async for piece in stream:
                yield piece
        except (asyncio.CancelledError, GeneratorExit):
            self.closed.append(word)
            raise

    def _refuses(self, request: Request) -> bool:
        given = request.headers.get("authorization", "")
        return bool(self._api_key) and given != f"Bearer {self._api_key}"
