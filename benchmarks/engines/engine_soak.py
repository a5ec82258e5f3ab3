"""Whether an engine's memory stays where it is over many short requests."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from edgebatch.engines import Engine, GenerationRequest, Prompt, Sampling
from edgebatch.engines.registry import EngineSpec, make_engine, parse_engine
from edgebatch.local_models import heldout_text

SHORTEST_PROMPT, LONGEST_PROMPT = 4, 40
"""Words of a prompt."""
SHORTEST_ANSWER, LONGEST_ANSWER = 2, 10
"""Tokens of an answer."""
CANCELLED = 0.02
"""Share of the requests that are called off at once."""
ROWS = 10


def main(
    engine: Annotated[str, typer.Option(help="openvino or llama-cpp, settings after a colon")] = (
        "openvino:cache_bytes=20e6"
    ),
    model: Annotated[str, typer.Option(help="a built-in model or a folder")] = "edgebatch-tiny",
    precision: Annotated[str, typer.Option(help="which to host")] = "w8",
    requests: Annotated[int, typer.Option(help="how many", min=ROWS)] = 10_000,
    batch: Annotated[int, typer.Option(help="how many at once", min=1)] = 32,
) -> None:
    name, settings = parse_engine(engine)
    spec = EngineSpec(name, settings, model, (precision,))
    table = Table("requests", "MB", "s", title=f"{model} {precision}, {engine}")
    for row in asyncio.run(soaked(make_engine(spec), precision, requests, batch)):
        table.add_row(f"{row[0]}", f"{row[1] / 1e6:.0f}", f"{row[2]:.0f}")
    Console().print(table)


async def soaked(
    engine: Engine, precision: str, num_requests: int, batch: int
) -> list[tuple[int, int, float]]:
    """Return ended requests, resident bytes and seconds, at the start and ten times on the way."""
    await engine.start()
    begin = time.monotonic()
    draw = np.random.default_rng(0)
    words = heldout_text().split()
    rows = [(0, await engine.memory_bytes() or 0, 0.0)]
    submitted = ended = 0
    try:
        while ended < num_requests:
            while submitted < num_requests and len(engine.running) < batch:
                engine.submit(request(submitted, words, draw, precision))
                if draw.random() < CANCELLED:
                    engine.cancel(submitted)
                submitted += 1
            ended += sum(1 for gain in (await engine.report()).progress if gain.finish)
            if ended * ROWS // num_requests >= len(rows):
                rows.append((ended, await engine.memory_bytes() or 0, time.monotonic() - begin))
    finally:
        await engine.stop()
    return rows


def request(
    number: int, words: list[str], draw: np.random.Generator, precision: str
) -> GenerationRequest:
    size = int(draw.integers(SHORTEST_PROMPT, LONGEST_PROMPT + 1))
    at = int(draw.integers(len(words) - size))
    return GenerationRequest(
        number,
        Prompt(text=" ".join(words[at : at + size])),
        int(draw.integers(SHORTEST_ANSWER, LONGEST_ANSWER + 1)),
        precision,
        # every other one sampled, every third with a stop text: all ways through the engine
        Sampling(
            temperature=float(number % 2),
            stop=("zzz",) if number % 3 == 0 else (),
            ignore_end=True,
        ),
    )


if __name__ == "__main__":
    typer.run(main)
