"""A server with OpenAI's API that answers without a model, for measuring what stands before it.

What the last message says decides how the tokens come: ``at once``, ``paced`` (one every 2 ms) or
``slow`` (one a second). Everything that is sent was written beforehand.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Annotated, Any

import typer
import uvicorn

MODEL = "trivial"
TOKENS = 16
PACES = {b'"paced"': 0.002, b'"slow"': 1.0}
"""Seconds between tokens, by a word of the body."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_HEAD = {"id": "chatcmpl-0", "created": 0, "model": MODEL}
_USAGE = {"prompt_tokens": 8, "completion_tokens": TOKENS, "total_tokens": 8 + TOKENS}


def _choice(finish: str | None, **content: object) -> list[dict[str, object]]:
    return [{"index": 0, **content, "finish_reason": finish}]


def _event(**told: object) -> bytes:
    event = {**_HEAD, "object": "chat.completion.chunk", **told}
    return b"data: " + json.dumps(event, separators=(",", ":")).encode() + b"\n\n"


_TOKEN = _event(choices=_choice(None, delta={"role": "assistant", "content": "word "}))
_END = (
    _event(choices=_choice("length", delta={}))
    + _event(choices=[], usage=_USAGE)
    + b"data: [DONE]\n\n"
)
_WHOLE = json.dumps(
    {
        **_HEAD,
        "object": "chat.completion",
        "choices": _choice("length", message={"role": "assistant", "content": "word " * TOKENS}),
        "usage": _USAGE,
    }
).encode()
_MODELS = json.dumps({"object": "list", "data": [{"id": MODEL, "object": "model"}]}).encode()


async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    """Answer one request."""
    if scope["path"] == "/v1/models":
        await _send_whole(send, _MODELS)
    elif scope["path"] != "/v1/chat/completions":
        await _send_whole(send, b"{}", 404)
    else:
        body = await _body(receive)
        asked = json.loads(body)
        pace = next((pace for word, pace in PACES.items() if word in body), 0.0)
        if asked.get("stream"):
            await _send_stream(send, asked.get("max_tokens") or TOKENS, pace)
        else:
            await _send_whole(send, _WHOLE)


async def _body(receive: Receive) -> bytes:
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


async def _send_whole(send: Send, body: bytes, status: int = 200) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _send_stream(send: Send, num_tokens: int, pace_seconds: float) -> None:
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for _ in range(num_tokens):
        await send({"type": "http.response.body", "body": _TOKEN, "more_body": True})
        if pace_seconds:
            await asyncio.sleep(pace_seconds)
    await send({"type": "http.response.body", "body": _END})


def main(port: Annotated[int, typer.Option(help="where to listen, on 127.0.0.1")]) -> None:
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", lifespan="off")


if __name__ == "__main__":
    typer.run(main)
