"""A real local server whose tokens are words, and which only ever says how many there were."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from misbehaving_server import DONE, Json, MisbehavingServer, data, event


class PlainServer(MisbehavingServer):
    """Answers any text with as many words as are wanted.

    Args:
        counts: whether it counts tokens.
        ends_after: words after which it ends an answer; None for the limit.
        takes_ignore_end: whether it knows the wish to go on after the end.
    """

    def __init__(
        self, *, counts: bool = True, ends_after: int | None = None, takes_ignore_end: bool = True
    ) -> None:
        super().__init__(({"id": "plain"},))
        self._counts = counts
        self._ends_after = ends_after
        self._takes_ignore_end = takes_ignore_end

    async def _complete(self, request: Request) -> Response:
        body = await request.json()
        self.asked.append(body)
        if "ignore_eos" in body and not self._takes_ignore_end:
            return JSONResponse({"error": {"message": "unknown field ignore_eos"}}, 400)
        return StreamingResponse(
            self._words(len(body["prompt"].split()), body["max_tokens"]),
            media_type="text/event-stream",
        )

    async def _words(self, num_read: int, limit: int) -> AsyncIterator[bytes]:
        wanted = min(limit, self._ends_after or limit)
        for _ in range(wanted):
            yield event("word ")
        yield event("", "length" if wanted == limit else "stop")
        if self._counts:
            usage = {"prompt_tokens": num_read, "completion_tokens": wanted}
            yield data({"choices": [], "usage": usage})
        yield DONE


class VllmImitation(MisbehavingServer):
    """Speaks as vLLM documents it: tokens are bytes, and 16 bits are surer than eight.

    Its models are called ``m-f16`` and ``m-w8``. The first gives every token of a prompt a
    probability of e⁻¹ and finds it the likeliest; the second one of e⁻² to every second token, and
    finds another likelier there.

    Args:
        tells: whether it tells probabilities of prompts.
    """

    METRICS = (
        "# TYPE vllm:cache_config_info gauge\n"
        'vllm:cache_config_info{block_size="16",num_gpu_blocks="100"} 1.0\n'
    )

    def __init__(self, *, tells: bool = True) -> None:
        super().__init__(
            tuple({"id": name, "max_model_len": 512} for name in ("m-f16", "m-w8")),
            others={"/version": {"version": "0.32.0"}, "/metrics": {}},
            posts={"/tokenize": lambda body: {"tokens": [*body["prompt"].encode()]}},
        )
        self._tells = tells

    async def _other(self, request: Request) -> Response:
        if request.url.path == "/metrics":
            return PlainTextResponse(self.METRICS)
        return await super()._other(request)

    async def _complete(self, request: Request) -> Response:
        body = await request.json()
        self.asked.append(body)
        if body.get("echo"):
            if not self._tells:
                return JSONResponse({"error": {"message": "no prompt logprobs here"}}, 400)
            return JSONResponse({"choices": [{"text": "", "logprobs": self._logprobs(body)}]})
        return StreamingResponse(self._words(body), media_type="text/event-stream")

    def _logprobs(self, body: Json) -> Json:
        own: list[float | None] = [None]
        top: list[dict[str, float] | None] = [None]
        for place, token in enumerate(body["prompt"][1:]):
            unsure = body["model"] == "m-w8" and place % 2 == 0
            own.append(-2.0 if unsure else -1.0)
            others = {f"token_id:{token + 1}": -0.5} if unsure else {}
            top.append({f"token_id:{token}": own[-1] or 0.0, **others})
        return {"token_logprobs": [*own, -0.1], "top_logprobs": [*top, {"token_id:1": -0.1}]}

    async def _words(self, body: Json) -> AsyncIterator[bytes]:
        for number in range(body["max_tokens"]):
            choice = {"text": "x", "token_ids": [120]}
            usage = {"prompt_tokens": len(body["prompt"]), "completion_tokens": number + 1}
            yield data({"choices": [choice], "usage": usage})
        yield event("", "length") + DONE
