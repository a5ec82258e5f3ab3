"""``edgebatch generate``: an answer from an engine, to see that it works."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgebatch.cli.engine_options import (
    DEFAULT_ENGINE,
    ApiKeyOption,
    EngineOption,
    ModelOption,
    PrecisionOption,
    UrlOption,
    engine_spec,
)
from edgebatch.cli.output import print_json
from edgebatch.errors import EngineError

if TYPE_CHECKING:
    from edgebatch.engines import Engine, EngineInfo, GenerationRequest

EXAMPLES = """\
  edgebatch generate "The license"
  edgebatch generate "The license" --precision w4 --max-tokens 40 --json
  edgebatch generate --chat "What is a tuple?"
  edgebatch generate "Once" --engine llama-cpp --model my-model.Q4_K_M.gguf
  edgebatch generate "Once" --engine openai --url http://127.0.0.1:8000/v1
"""


def command(
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="What to answer.")],
    engine: EngineOption = DEFAULT_ENGINE,
    model: ModelOption = None,
    precision: PrecisionOption = None,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="Most tokens of the answer.")] = 64,
    temperature: Annotated[
        float, typer.Option(min=0.0, help="0 takes the likeliest token each time.")
    ] = 0.0,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the random choice.")] = None,
    chat: Annotated[bool, typer.Option("--chat", help="Take the prompt as a message.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, with times.")] = False,
) -> None:
    """Let an engine answer one prompt.

    The shipped model has learnt from the texts that come with Python, and is far too small to make
    sense; it is there to try the engine with.
    """
    from edgebatch.engines import GenerationRequest, Prompt, Sampling
    from edgebatch.engines.registry import make_engine

    spec = engine_spec(engine, model, precision, url, api_key)
    message = {"role": "user", "content": prompt}
    request = GenerationRequest(
        number=0,
        prompt=Prompt(messages=(message,)) if chat else Prompt(text=prompt),
        max_tokens=max_tokens,
        precision="",
        sampling=Sampling(temperature=temperature, seed=seed),
    )
    answer = asyncio.run(_answer(make_engine(spec), request, show=not as_json))
    if as_json:
        print_json(answer)


async def _answer(engine: Engine, request: GenerationRequest, *, show: bool) -> dict[str, Any]:
    """Return what came, and how long it took."""
    from dataclasses import replace

    try:
        info = await engine.start()
        request = replace(request, precision=info.precisions[0])
        return await _generate(engine, info, request, show=show)
    finally:
        await engine.stop()


async def _generate(
    engine: Engine, info: EngineInfo, request: GenerationRequest, *, show: bool
) -> dict[str, Any]:
    began_at = time.monotonic()
    engine.submit(request)
    texts, num_tokens, first_at, finish = [], 0, began_at, None
    while finish is None:
        report = await engine.report()
        for progress in report.progress:
            if progress.error:
                raise EngineError(f"{info.engine}: {progress.error}")
            if num_tokens == 0:
                first_at = report.at_seconds
            num_tokens, finish = num_tokens + progress.num_tokens, progress.finish
            texts.append(progress.text)
            if show:
                sys.stdout.write(progress.text)
                sys.stdout.flush()
    if show:
        sys.stdout.write("\n")
    return {
        "engine": info.engine,
        "version": info.version,
        "model": info.model,
        "precision": request.precision,
        "text": "".join(texts),
        "tokens": num_tokens,
        "finish": str(finish),
        "start_seconds": info.start_seconds,
        "ttft_seconds": first_at - began_at,
        "e2e_seconds": report.at_seconds - began_at,
    }
