"""A profile good enough to stand a gateway on: a few timed answers of the server itself.

``edgebatch calibrate`` measures properly; it needs a server that counts tokens, which not all do.
"""

from __future__ import annotations

import asyncio
import time
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
import openai

from edgebatch import __version__
from edgebatch.calibration.profile import Profile
from edgebatch.calibration.profile_schema import Errors, FitFigures, Machine, Source
from edgebatch.cost.formulas import linear_flops
from edgebatch.local_models import open_model
from edgebatch.problem import Node, Precision
from upstream.servers import MODEL, Server

PRECISION = "bf16"
_SIZES = (1, 2, 4, 8)
_TOKENS = 24
_SHORT, _LONG = "The license", "The license of this program says so. " * 40
_NOMINAL_FLOPS = 1e12
_NODE_BYTES = 4e9


class Timed(NamedTuple):
    """One streamed answer."""

    prompt_tokens: int
    first_seconds: float
    seconds: float
    text: str


async def timed(client: openai.AsyncOpenAI, model: str, prompt: str, max_tokens: int) -> Timed:
    """Ask for an answer straight from a server and time it."""
    began_at = time.monotonic()
    stream = await client.completions.create(
        model=model,
        prompt=prompt,
        max_tokens=max_tokens,
        temperature=0.0,
        stream=True,
        stream_options={"include_usage": True},
    )
    first_seconds, prompt_tokens, text = 0.0, 0, ""
    async for chunk in stream:
        first_seconds = first_seconds or time.monotonic() - began_at
        prompt_tokens = chunk.usage.prompt_tokens if chunk.usage else prompt_tokens
        text += chunk.choices[0].text if chunk.choices else ""
    return Timed(prompt_tokens, first_seconds, time.monotonic() - began_at, text)


async def write_profile(server: Server, place: Path) -> None:
    """Measure a server and write what edgebatch must know of it."""
    model = server.kind.served_name()
    async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="any") as client:
        for prompt in (_SHORT, _LONG):  # what comes first is slow
            await timed(client, model, prompt, _TOKENS)
        step_seconds = []
        for size in _SIZES:
            answers = await asyncio.gather(
                *(timed(client, model, _SHORT, _TOKENS) for _ in range(size))
            )
            slowest = max(answers, key=lambda each: each.seconds)
            step_seconds.append((slowest.seconds - slowest.first_seconds) / (_TOKENS - 1))
        short = await timed(client, model, _SHORT, 1)
        long = await timed(client, model, _LONG, 1)
    more_tokens = long.prompt_tokens - short.prompt_tokens
    prefill_seconds = max(1e-6, (long.seconds - short.seconds) / more_tokens)
    _profile(server, np.array(step_seconds), prefill_seconds).save(place)


def _profile(
    server: Server, step_seconds: np.ndarray[tuple[int], np.dtype[np.float64]], prefill: float
) -> Profile:
    """Return the profile: step time over batch size is a straight line, prefill over tokens too.

    The node's speed is nominal; factors turn its times into those measured.
    """
    model = open_model(MODEL, server.kind.format).model
    sizes = np.array(_SIZES, dtype=float)
    slope, alone = np.polyfit(sizes, step_seconds, 1)
    slope = max(slope, 0.02 * step_seconds[0])
    alone = max(alone, 0.0)
    errors = np.abs(alone + slope * sizes - step_seconds) / step_seconds
    per_token = linear_flops(model) / _NOMINAL_FLOPS
    precision = Precision(
        name=PRECISION,
        weight_bytes=2.0,
        kv_bytes=2.0,
        prefill_factor=prefill / per_token,
        decode_factor=float(slope) / per_token,
        quality=1.0,
        step_overhead_seconds=float(alone),
    )
    return Profile(
        source=Source(
            engine="openai",
            model=MODEL,
            machine=Machine(processor="this machine"),
            date=date.today().isoformat(),
            edgebatch_version=__version__,
        ),
        node=Node(memory_bytes=_NODE_BYTES, flops=_NOMINAL_FLOPS),
        model=model,
        precisions=(precision,),
        quality_measure="assumed",
        fit=FitFigures(
            in_sample=Errors(
                count=len(errors),
                median=float(np.median(errors)),
                p95=float(np.quantile(errors, 0.95)),
                worst=float(errors.max()),
            )
        ),
        verdict="a handful of timed answers, to try a gateway with",
    )
