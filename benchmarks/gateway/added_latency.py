"""What the gateway adds to the time of an answer when there is little to do.

    python benchmarks/gateway/added_latency.py --model llama-36m --precision q8_0
        --profile profile.toml --results added-latency.csv

One llama.cpp server runs; the gateway stands in front of it as in front of any upstream. One
request is asked at a time, with pauses: of the server, of the gateway, and of the server once more,
in an order that changes, always with the same prompt. What the gateway's answer takes longer than
the server's is the latency added; what the server's second answer takes longer than its first is
how far such differences go without a gateway.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import random
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import permutations
from pathlib import Path
from statistics import median
from typing import NamedTuple

from figures import quantile
from plans import streamed
from streams import Target, ask
from systems import System, gateway, llama_server, run

from edgebatch.local_models import heldout_text

_WARM_UP = 20
_PATIENCE_SECONDS = 60.0


class Three(NamedTuple):
    """One prompt, asked three times; seconds from connecting to the end, and to the first byte."""

    direct_e2e: float
    gateway_e2e: float
    again_e2e: float
    direct_ttft: float
    gateway_ttft: float
    again_ttft: float


async def measure(given: argparse.Namespace) -> None:
    """Ask so many prompts and write what came of them."""
    async with _both(given) as (direct, through):
        targets = [Target(each.url, each.key) for each in (direct, through, direct)]
        draw = random.Random(given.seed)
        orders = list(permutations(range(3)))
        for number in range(_WARM_UP):
            await _three(targets, orders[number % len(orders)], draw, given)
        before = through.cpu_seconds()[0]
        threes = [
            await _three(targets, orders[number % len(orders)], draw, given)
            for number in range(given.pairs)
        ]
        spent = (through.cpu_seconds()[0] - before) / given.pairs
    print(f"processor time of the gateway: {1000.0 * spent:.3g} ms a request")
    with given.results.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(Three._fields)
        writer.writerows([f"{value:.6f}" for value in three] for three in threes)
    print("\n".join(table(threes)))


def table(threes: list[Three]) -> list[str]:
    """Return a Markdown table of what was added, in milliseconds."""
    lines = ["| added, ms | median | 95 of 100 | 99 of 100 |", "|---" * 4 + "|"]
    kinds = (
        ("whole answer, gateway", [each.gateway_e2e - each.direct_e2e for each in threes]),
        ("whole answer, asked again", [each.again_e2e - each.direct_e2e for each in threes]),
        ("first token, gateway", [each.gateway_ttft - each.direct_ttft for each in threes]),
        ("first token, asked again", [each.again_ttft - each.direct_ttft for each in threes]),
    )
    for name, added in kinds:
        ordered = sorted(1000.0 * each for each in added)
        figures = (median(ordered), quantile(ordered, 0.95), quantile(ordered, 0.99))
        lines.append(f"| {name} | " + " | ".join(f"{each:.2f}" for each in figures) + " |")
    return lines


@asynccontextmanager
async def _both(given: argparse.Namespace) -> AsyncIterator[tuple[System, System]]:
    with tempfile.TemporaryDirectory() as folder:
        async with llama_server(
            given.model, given.precision, 4, given.context_tokens, given.engine_threads
        ) as direct:
            arguments = [
                *("--engine", "openai", "--url", f"{given.precision}={direct.root}/v1"),
                *("--precision", given.precision, "--profile", str(given.profile)),
            ]
            environment = {"EDGEBATCH_UPSTREAM_KEY": direct.key}
            async with gateway(arguments, Path(folder) / "log", environment) as through:
                yield direct, through


async def _three(
    targets: list[Target], order: tuple[int, ...], draw: random.Random, given: argparse.Namespace
) -> Three:
    text = heldout_text()
    begin = draw.randrange(len(text) - given.prompt_characters)
    asked = streamed(text[begin : begin + given.prompt_characters], given.tokens, _PATIENCE_SECONDS)
    e2e, ttft = [0.0] * 3, [0.0] * 3
    for which in order:
        began_at = time.monotonic()
        told = await ask(
            targets[which], targets[which].request(asked.body), asked, _PATIENCE_SECONDS
        )
        if told.end != "whole" or told.tokens != given.tokens:
            raise SystemExit(f"asked for {given.tokens} tokens and got {told}")
        e2e[which] = told.took_seconds
        ttft[which] = told.first_seconds - told.sent_seconds
        busy_seconds = time.monotonic() - began_at
        mean_pause = busy_seconds * (1.0 / given.load - 1.0)
        await asyncio.sleep(draw.expovariate(1.0 / mean_pause))
    return Three(*e2e, *ttft)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", default="llama-36m")
    parser.add_argument("--precision", default="q8_0")
    parser.add_argument("--profile", type=Path, required=True, help="of edgebatch calibrate")
    parser.add_argument("--pairs", type=int, default=600)
    parser.add_argument("--load", type=float, default=0.1, help="part of the time that is busy")
    parser.add_argument("--tokens", type=int, default=16, help="of each answer")
    parser.add_argument("--prompt-characters", type=int, default=200)
    parser.add_argument("--context-tokens", type=int, default=1024)
    parser.add_argument("--engine-threads", type=int, help="fewer leave cores to the gateway")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--results", type=Path, required=True)
    run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
