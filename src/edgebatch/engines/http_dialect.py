"""What servers of one kind are asked, and how their answers are read.

All of them speak OpenAI's API; llama.cpp's and vLLM's servers are asked for more than it has, so
that tokens are counted exactly and timings are those of the model.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import NamedTuple

from pydantic import BaseModel

from edgebatch.engines.base import Finish, GenerationRequest, Prompt

Body = dict[str, object]

_FINISHES = {
    "stop": Finish.STOP,
    "eos": Finish.STOP,
    "word": Finish.STOP,
    "tool_calls": Finish.STOP,
    "function_call": Finish.STOP,
    "content_filter": Finish.STOP,
    "length": Finish.LENGTH,
    "limit": Finish.LENGTH,
}


class Piece(NamedTuple):
    """What one event of a stream says.

    Attributes:
        text: new text.
        tokens: ids of the new tokens, where the server tells them.
        total_tokens: tokens of the answer so far, where the server counts them.
        finish: why the answer ended.
        prompt_tokens: tokens of the prompt, where the server counts them.
    """

    text: str = ""
    tokens: tuple[int, ...] = ()
    total_tokens: int | None = None
    finish: Finish | None = None
    prompt_tokens: int | None = None


class Dialect:
    """Any server with OpenAI's API; the base of those that are known better."""

    name = "openai"
    takes_ignore_end = True

    def ask(self, request: GenerationRequest, model: str, cache_prompts: bool) -> tuple[str, Body]:
        """Return the path and the body that ask for an answer as a stream of events."""
        del cache_prompts  # the API has no word for it
        sampling = request.sampling
        body: Body = {
            "model": model,
            "max_tokens": request.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if sampling.seed is not None:
            body["seed"] = sampling.seed
        if sampling.stop:
            body["stop"] = list(sampling.stop)
        if sampling.ignore_end:
            body["ignore_eos"] = True
        if request.prompt.messages is not None:
            return "/v1/chat/completions", body | {"messages": list(request.prompt.messages)}
        return "/v1/completions", body | {"prompt": plain_prompt(request.prompt)}

    def read(self, data: str) -> Piece:
        """Return what an event says.

        Raises:
            Refused: the server says that something went wrong.
            ValueError: it is not what such a server sends.
        """
        return self._read(_Event.model_validate_json(data))

    @staticmethod
    def _read(event: _Event) -> Piece:
        if event.error is not None:
            raise Refused(Fault(error=event.error).text)
        if event.choices is None:
            raise ValueError("neither choices nor an error")
        usage = event.usage or _Usage()
        total = usage.completion_tokens
        if event.timings is not None and total is None:
            total = event.timings.predicted_n
        if not event.choices:
            return Piece(total_tokens=total, prompt_tokens=usage.prompt_tokens)
        choice = event.choices[0]
        text = choice.text or ""
        if choice.delta is not None:
            delta = choice.delta
            text = (delta.reasoning_content or delta.reasoning or "") + (delta.content or "")
        finish = choice.finish_reason and _finish(choice.finish_reason)
        tokens = tuple(choice.token_ids or ())
        return Piece(text, tokens, total, finish or None, usage.prompt_tokens)


class OllamaDialect(Dialect):
    """Ollama, which cannot be told to go on after the end of an answer."""

    name = "ollama"
    takes_ignore_end = False


class VllmDialect(Dialect):
    """vLLM: tells token ids, counts them with every event."""

    name = "vllm"

    def ask(self, request: GenerationRequest, model: str, cache_prompts: bool) -> tuple[str, Body]:
        """Return the path and the body that ask for an answer as a stream of events."""
        path, body = super().ask(request, model, cache_prompts)
        body |= {
            "stream_options": {"include_usage": True, "continuous_usage_stats": True},
            "return_token_ids": True,
            # else the model's own generation defaults would count
            "top_k": -1,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
        }
        if not cache_prompts:
            body["cache_salt"] = uuid.uuid4().hex
        return path, body


class LlamaCppDialect(Dialect):
    """llama.cpp's server: its own API for plain prompts, which tells token ids."""

    name = "llama.cpp"

    def ask(self, request: GenerationRequest, model: str, cache_prompts: bool) -> tuple[str, Body]:
        """Return the path and the body that ask for an answer as a stream of events."""
        path, body = super().ask(request, model, cache_prompts)
        body["cache_prompt"] = cache_prompts
        # its default chain cuts the tail of the distribution off in five more ways
        body["samplers"] = (
            ["temperature", "top_p"] if request.sampling.top_p < 1 else ["temperature"]
        )
        if request.prompt.messages is not None:
            return path, body | {"timings_per_token": True}
        return "/completion", body | {"n_predict": request.max_tokens, "return_tokens": True}

    def read(self, data: str) -> Piece:
        """Return what an event says.

        Raises:
            Refused: the server says that something went wrong.
            ValueError: it is not what such a server sends.
        """
        event = _LlamaCppEvent.model_validate_json(data)
        if event.content is None:
            return self._read(event)
        finish = _finish(event.stop_type) if event.stop else None
        read = event.tokens_evaluated
        return Piece(event.content, tuple(event.tokens), event.tokens_predicted, finish, read)


def plain_prompt(prompt: Prompt) -> str | list[int]:
    """Return a prompt without messages as the APIs take it."""
    return list(prompt.tokens) if prompt.tokens is not None else prompt.text or ""


class Refused(Exception):  # noqa: N818 - a refusal, of one request
    """A server cannot or will not answer one request; the message says why.

    Attributes:
        is_final: whether it is because of what was asked, and would be said again.
    """

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final


class Fault(BaseModel):
    """An error as servers send it, as an answer or in the middle of a stream."""

    error: Mapping[str, object] | str | None = None
    message: str | None = None
    detail: object = None

    @property
    def text(self) -> str:
        """What went wrong; empty if it says nothing."""
        if isinstance(self.error, str):
            return self.error
        if self.error:
            return str(self.error.get("message") or dict(self.error))
        return self.message or str(self.detail or "")


def _finish(reason: str) -> Finish:
    if reason not in _FINISHES:
        raise ValueError(f"finish reason {reason!r}")
    return _FINISHES[reason]


class _Usage(BaseModel):
    completion_tokens: int | None = None
    prompt_tokens: int | None = None


class _Timings(BaseModel):
    predicted_n: int | None = None


class _Delta(BaseModel):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class _Choice(BaseModel):
    text: str | None = None
    delta: _Delta | None = None
    finish_reason: str | None = None
    token_ids: list[int] | None = None


class _Event(BaseModel):
    choices: list[_Choice] | None = None
    error: Mapping[str, object] | str | None = None
    usage: _Usage | None = None
    timings: _Timings | None = None


class _LlamaCppEvent(_Event):
    content: str | None = None
    tokens: list[int] = []
    tokens_predicted: int | None = None
    tokens_evaluated: int | None = None
    stop: bool = False
    stop_type: str = ""
