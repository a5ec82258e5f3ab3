"""Whether answers depend on the company, and what batching gains: each precision of a model.

The same prompts are answered greedily one by one, and in batches in which requests of different
lengths join and leave. Answers that differ must do so at near ties.
"""

from __future__ import annotations

import asyncio
import os
import platform
import statistics
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from edgebatch.engines import Engine, GenerationRequest, Prompt, Sampling
from edgebatch.engines.registry import EngineSpec, make_engine, parse_engine
from edgebatch.local_models import heldout_text, open_model

BATCHES = (1, 2, 4, 8, 16, 32)
FORMATS = {"openvino": "openvino", "llama-cpp": "gguf"}
SHORTEST_PROMPT, LONGEST_PROMPT = 8, 40
"""Words of a prompt."""
SHORTEST_ANSWER, LONGEST_ANSWER = 8, 40
"""Tokens of an answer where batches are ragged."""
SPEED_ANSWER = 32
REPETITIONS = 3

Answer = tuple[int, ...] | str
"""Token ids, or the text of an engine that does not tell them."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a batched answer leaves the one alone.

    Attributes:
        prompt: which prompt.
        position: index of the first token that differs.
        alone: the answer alone.
        batched: the answer in company.
    """

    prompt: int
    position: int
    alone: Answer
    batched: Answer


def main(
    engine: Annotated[str, typer.Option(help="openvino or llama-cpp, settings after a colon")] = (
        "openvino"
    ),
    model: Annotated[str, typer.Option(help="a built-in model or a folder")] = "edgebatch-tiny",
    prompts: Annotated[int, typer.Option(help="how many", min=1)] = 32,
) -> None:
    name, settings = parse_engine(engine)
    local = open_model(model, FORMATS[name])
    asked = sliced(heldout_text(), prompts)
    speeds = Table("precision", "MB", *map(str, BATCHES), title=f"{model}, {engine}: tokens/s at")
    equal = Table(
        "precision",
        *map(str, BATCHES[1:]),
        "first differs at",
        "gap of logits",
        title="per cent of answers equal to those alone, at most so many at once",
    )
    for precision, path in local.variants.items():
        spec = EngineSpec(name, settings, model, (precision,))
        run = asyncio.run(measured(make_engine(spec), precision, asked))
        speeds.add_row(
            precision, f"{run.memory_bytes / 1e6:.0f}", *(f"{speed:.0f}" for speed in run.speeds)
        )
        met = [difference for found in run.differences for difference in found]
        gaps = logit_gaps(path, asked, met) if name == "openvino" else []
        equal.add_row(
            precision,
            *(f"{100 * (1 - len(found) / prompts):.1f}" for found in run.differences),
            str(min((each.position for each in met), default="-")),
            f"{min(gaps):.4f} to {max(gaps):.4f}" if gaps else "-",
        )
    console = Console()
    console.print(speeds, equal, sep="\n")
    console.print(
        f"{prompts} prompts of {SHORTEST_PROMPT} to {LONGEST_PROMPT} words; prefills included; "
        f"median of {REPETITIONS}; {os.cpu_count()} cores, {platform.machine()}"
    )


@dataclass(frozen=True, slots=True)
class Run:
    """Of one precision.

    Attributes:
        memory_bytes: resident memory after everything else.
        speeds: tokens a second at each of ``BATCHES``.
        differences: of each of ``BATCHES`` but 1, the answers that differ from those alone.
    """

    memory_bytes: int
    speeds: list[float]
    differences: list[list[Difference]]


async def measured(engine: Engine, precision: str, asked: Sequence[str]) -> Run:
    await engine.start()
    try:
        alone = await answers(engine, precision, asked, 1)
        differences = [
            compared(alone, await answers(engine, precision, asked, batch)) for batch in BATCHES[1:]
        ]
        speeds = []
        for batch in BATCHES:
            await tokens_per_second(engine, precision, asked, batch)  # warms up
            runs = [
                await tokens_per_second(engine, precision, asked, batch) for _ in range(REPETITIONS)
            ]
            speeds.append(statistics.median(runs))
        return Run(await engine.memory_bytes() or 0, speeds, differences)
    finally:
        await engine.stop()


async def answers(
    engine: Engine, precision: str, asked: Sequence[str], batch: int
) -> dict[int, Answer]:
    """Return all answers, never more than ``batch`` at once: the next joins as one leaves."""
    tokens: dict[int, tuple[int, ...]] = defaultdict(tuple)
    texts: dict[int, str] = defaultdict(str)
    span = LONGEST_ANSWER - SHORTEST_ANSWER + 1
    waiting = list(range(len(asked)))
    while waiting or engine.running:
        while waiting and len(engine.running) < batch:
            number = waiting.pop(0)
            limit = SHORTEST_ANSWER + 7 * number % span
            engine.submit(request(number, asked[number], limit, precision))
        for gain in (await engine.report()).progress:
            if gain.error:
                raise RuntimeError(gain.error)
            tokens[gain.number] += gain.tokens
            texts[gain.number] += gain.text
    return {number: tokens[number] or texts[number] for number in texts}


async def tokens_per_second(
    engine: Engine, precision: str, asked: Sequence[str], batch: int
) -> float:
    begin = time.monotonic()
    for number in range(batch):
        engine.submit(request(number, asked[number % len(asked)], SPEED_ANSWER, precision))
    num_tokens = 0
    while engine.running:
        num_tokens += sum(gain.num_tokens for gain in (await engine.report()).progress)
    return num_tokens / (time.monotonic() - begin)


def request(number: int, text: str, limit: int, precision: str) -> GenerationRequest:
    return GenerationRequest(number, Prompt(text=text), limit, precision, Sampling(ignore_end=True))


def compared(alone: Mapping[int, Answer], batched: Mapping[int, Answer]) -> list[Difference]:
    return [
        Difference(
            number,
            next(
                (
                    at
                    for at, (a, b) in enumerate(zip(alone[number], answer, strict=False))
                    if a != b
                ),
                min(len(alone[number]), len(answer)),
            ),
            alone[number],
            answer,
        )
        for number, answer in batched.items()
        if answer != alone[number]
    ]


def sliced(text: str, number: int) -> list[str]:
    """Return prompts of different lengths out of a text."""
    words = text.split()
    span = LONGEST_PROMPT - SHORTEST_PROMPT + 1
    stride = max(1, (len(words) - LONGEST_PROMPT) // number)
    return [
        " ".join(words[at * stride : at * stride + SHORTEST_PROMPT + 11 * at % span])
        for at in range(number)
    ]


def logit_gaps(
    folder: Path, asked: Sequence[str], differences: Sequence[Difference]
) -> list[float]:
    """Return by how much the two tokens' logits differ in 32-bit arithmetic at each difference."""
    import numpy as np
    import openvino
    import openvino_genai

    if not differences:
        return []
    tokenizer = openvino_genai.Tokenizer(folder)
    model = openvino.Core().compile_model(
        folder / "openvino_model.xml",
        "CPU",
        {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0},
    )
    names = {name for port in model.inputs for name in port.get_names()}
    gaps = []
    for each in differences:
        if isinstance(each.alone, str) or isinstance(each.batched, str):
            continue
        prompt = tokenizer.encode(asked[each.prompt]).input_ids.data[0]
        ids = np.array([[*prompt, *each.alone[: each.position]]], dtype=np.int64)
        inputs = {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "position_ids": np.arange(ids.shape[1])[None, :],
            "beam_idx": np.zeros(1, dtype=np.int32),
        }
        logits = model.create_infer_request().infer(
            {name: value for name, value in inputs.items() if name in names}
        )["logits"][0, -1]
        gaps.append(
            abs(float(logits[each.alone[each.position]] - logits[each.batched[each.position]]))
        )
    return gaps


if __name__ == "__main__":
    typer.run(main)
