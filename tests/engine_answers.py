"""Running requests on an engine to their ends."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from edgebatch.engines import Engine, Finish, GenerationRequest, Prompt, Sampling

T = TypeVar("T")


@dataclass
class Outcome:
    """What a request gained in all."""

    num_tokens: int = 0
    text: str = ""
    tokens: tuple[int, ...] = ()
    finish: Finish | None = None
    error: str = ""


def request(
    number: int, prompt: str | Prompt, max_tokens: int = 100, precision: str = "w8", **how: Any
) -> GenerationRequest:
    """Return a request; ``how`` are the attributes of its sampling."""
    asked = Prompt(text=prompt) if isinstance(prompt, str) else prompt
    return GenerationRequest(number, asked, max_tokens, precision, Sampling(**how))


async def outcomes(
    engine: Engine, requests: Iterable[GenerationRequest] = ()
) -> dict[int, Outcome]:
    """Submit requests and take reports until nothing runs."""
    for each in requests:
        engine.submit(each)
    found: dict[int, Outcome] = {}
    while engine.running:
        for progress in (await engine.report()).progress:
            outcome = found.setdefault(progress.number, Outcome())
            outcome.num_tokens += progress.num_tokens
            outcome.text += progress.text
            outcome.tokens += progress.tokens
            outcome.finish, outcome.error = progress.finish, progress.error
    return found


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end, but not for ever."""

    async def limited() -> T:
        async with asyncio.timeout(300):
            return await work

    return asyncio.run(limited())
