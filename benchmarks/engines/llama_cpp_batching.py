"""What batching gains under llama.cpp: tokens a second at several numbers of requests at once."""

from __future__ import annotations

import asyncio
import os
import platform
import time
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from edgebatch.engines import Engine, GenerationRequest, Prompt, Sampling
from edgebatch.engines.llama_cpp import LlamaCppEngine
from edgebatch.engines.llama_cpp_settings import LlamaCppSettings
from edgebatch.local_models import open_model

BATCHES = (1, 2, 4, 8, 16, 32)
SHORTEST_PROMPT, LONGEST_PROMPT = 32, 64
NEW_TOKENS = 32
SMALLEST_VOCABULARY = 1000
REPETITIONS = 3


def main(
    model: Annotated[str, typer.Option(help="a built-in model, a folder or a GGUF file")] = (
        "edgebatch-tiny"
    ),
    threads: Annotated[int, typer.Option(help="of llama.cpp")] = os.cpu_count() or 1,
) -> None:
    local = open_model(model, "gguf")
    table = Table("precision", *(str(batch) for batch in BATCHES), title=f"{model}, tokens/s")
    for precision, path in local.variants.items():
        engine = LlamaCppEngine(
            {precision: path},
            LlamaCppSettings(threads=threads, slots=max(BATCHES), context_tokens=256),
        )
        speeds = asyncio.run(measured(engine, precision))
        table.add_row(precision, *(f"{speed:.0f}" for speed in speeds))
    console = Console()
    console.print(table)
    where = f"{threads} threads of {os.cpu_count()} cores, {platform.machine()}"
    console.print(f"{where}; median of {REPETITIONS}")


async def measured(engine: Engine, precision: str) -> list[float]:
    """Return tokens a second, prefills included, for each number of requests."""
    await engine.start()
    try:
        await tokens_per_second(engine, precision, max(BATCHES))  # warms up
        return [
            float(
                np.median(
                    [await tokens_per_second(engine, precision, batch) for _ in range(REPETITIONS)]
                )
            )
            for batch in BATCHES
        ]
    finally:
        await engine.stop()


async def tokens_per_second(engine: Engine, precision: str, batch: int) -> float:
    draw = np.random.default_rng(batch)
    begin = time.monotonic()
    for number in range(batch):
        size = draw.integers(SHORTEST_PROMPT, LONGEST_PROMPT + 1)
        tokens = tuple(int(token) for token in draw.integers(10, SMALLEST_VOCABULARY, size))
        engine.submit(
            GenerationRequest(
                number, Prompt(tokens=tokens), NEW_TOKENS, precision, Sampling(ignore_end=True)
            )
        )
    got = 0
    while engine.running:
        got += sum(each.num_tokens for each in (await engine.report()).progress)
    return got / (time.monotonic() - begin)


if __name__ == "__main__":
    typer.run(main)
