"""From a scenario to what clients send, and when: the same bytes to whoever is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx
from streams import Asked
from systems import System

from edgebatch.local_models import heldout_text
from edgebatch.realtime import PromptSource
from edgebatch.scenario import Scenario, overridden, read_document

ARRIVALS: dict[str, dict[str, Any]] = {
    "poisson": {"arrivals": "poisson"},
    "bursty": {"arrivals": "gamma", "cv": 4.0},
}
_UNHURRIED_SECONDS = 600.0
_SAMPLE_CHARACTERS = 2000


def plan_requests(
    document: dict[str, Any],
    arrivals: str,
    rate_per_second: float,
    seconds: float,
    *,
    characters_per_token: float,
) -> list[Asked]:
    """Return a plan.

    Args:
        document: a scenario's; its lengths, deadlines and seed count.
        arrivals: one of :data:`ARRIVALS`.
        rate_per_second: mean of arrivals.
        seconds: of arrivals.
        characters_per_token: prompts have about as many tokens as the scenario says.
    """
    workload = {
        **document["workload"],
        "rate_per_second": rate_per_second,
        "duration_seconds": seconds,
        **ARRIVALS[arrivals],
    }
    workload.pop("num_requests", None)
    scenario = Scenario({**document, "workload": workload})
    letters = PromptSource([ord(letter) for letter in heldout_text()], scenario.seed)
    plan = []
    for arrival in scenario.workload:
        num_letters = max(1, round(characters_per_token * arrival.prompt_tokens))
        prompt = letters.prompt(arrival.number, num_letters).tokens or ()
        text = "".join(map(chr, prompt))
        asked = streamed(text, arrival.actual_output_tokens, arrival.deadline_seconds)
        plan.append(asked._replace(at_seconds=arrival.arrival_seconds))
    return plan


def scenario_document(source: str, settings: Sequence[str], seed: int) -> dict[str, Any]:
    """Return a scenario's document with settings and a seed."""
    return {**overridden(read_document(source), settings), "seed": seed}


def unhurried(plan: Sequence[Asked]) -> list[Asked]:
    """Return the requests of a plan with all the time that they may need."""
    told = {"slo_e2e_ms": 1000.0 * _UNHURRIED_SECONDS}
    return [
        asked._replace(deadline_seconds=_UNHURRIED_SECONDS, body=asked.body | told)
        for asked in plan
    ]


def streamed(prompt: str, num_tokens: int, deadline_seconds: float) -> Asked:
    """Return one request that is due at once."""
    body = {
        "prompt": prompt,
        "max_tokens": num_tokens,
        "slo_e2e_ms": 1000.0 * deadline_seconds,
        "ignore_eos": True,
        "temperature": 0.0,
        "stream": True,
        "stream_options": {"include_usage": True},
        "cache_prompt": False,  # llama.cpp's: no prompt is cheaper for having been seen
    }
    return Asked(0.0, deadline_seconds, body)


async def measured_characters_per_token(system: System) -> float:
    """Return how long the text of a token is on average, as the system counts tokens."""
    body = {"prompt": heldout_text()[:_SAMPLE_CHARACTERS], "max_tokens": 1}
    headers = {"authorization": f"Bearer {system.key}"} if system.key else {}
    async with httpx.AsyncClient(timeout=60.0) as client:
        answer = await client.post(system.url, json=body, headers=headers)
    tokens: int = answer.raise_for_status().json()["usage"]["prompt_tokens"]
    return _SAMPLE_CHARACTERS / tokens
