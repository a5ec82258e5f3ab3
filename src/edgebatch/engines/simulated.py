"""The cost model as an engine under the wall clock: for trying things out without a model.

It takes as long as the cost model says for every step, and produces numbered words. Members count
at their own lengths whatever the batching of the profile: rows are never padded.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from edgebatch.cost import BatchCost
from edgebatch.engines.base import (
    Engine,
    EngineInfo,
    Finish,
    GenerationRequest,
    Progress,
    Prompt,
    Report,
)
from edgebatch.errors import EngineError
from edgebatch.problem.checks import require_number
from edgebatch.registry import lookup

_BYTES_PER_TOKEN = 4
"""About as many as a real tokenizer makes of English."""


@dataclass(frozen=True, slots=True)
class SimulatedSettings:
    """Settings of the simulated engine.

    Attributes:
        time_factor: 1.2 is an engine 20 % slower than its cost model.

    Raises:
        InputError: the factor is not above 0.
    """

    time_factor: float = 1.0

    def __post_init__(self) -> None:
        require_number("engine.simulated.time_factor", self.time_factor, exclusive=True)


@dataclass(slots=True)
class _Running:
    request: GenerationRequest
    prompt_tokens: int
    submitted_at: float
    num_tokens: int = 0


class SimulatedEngine(Engine):
    """An engine without a model, whose steps take what the cost model says.

    Every step adds a token to everyone who runs; those who have just joined are read first. Each
    precision steps by itself and they take turns, as several models on one processor would.

    Whoever is submitted without giving the event loop a turn joins together. The first step of an
    idle engine also takes the node's ``batch_overhead_seconds``, so that a batch that nobody joins
    takes what :func:`~edgebatch.cost.batch_seconds` says of a ragged one. Where requests join one
    by one the cost model knows of no such time: there the node must not have it.

    Args:
        costs: cost model of each hosted precision; all of one node.
        time_factor: 1.2 is an engine 20 % slower than its cost model.
    """

    def __init__(self, costs: Sequence[BatchCost], time_factor: float = 1.0) -> None:
        self._costs = {cost.precision.name: cost for cost in costs}
        self._time_factor = time_factor
        self._running: dict[int, _Running] = {}
        self._cancelled: set[int] = set()
        self._free_at = 0.0
        self._begins = True  # no batch runs: the next step is the first of one
        self._turn_at: float | None = None
        self._wake = asyncio.Event()
        self._is_on = False

    async def start(self) -> EngineInfo:
        """Return at once; there is nothing to load."""
        self._is_on, self._turn_at = True, None
        model = next(iter(self._costs.values())).model
        return EngineInfo(
            engine="simulated",
            version="",
            model=model.name or "simulated",
            precisions=tuple(self._costs),
            has_steps=True,
        )

    async def encode(self, prompt: Prompt) -> tuple[int, ...]:
        """Return one token for every four bytes; decoding them gives the text back."""
        return _tokens(prompt)

    async def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens."""
        width = _BYTES_PER_TOKEN
        whole = b"".join(token.to_bytes(width + 1, "big") for token in tokens)
        # the first byte of each says how many follow
        parts = [whole[at : at + width + 1] for at in range(0, len(whole), width + 1)]
        return b"".join(part[1 : 1 + part[0]] for part in parts).decode(errors="replace")

    def submit(self, request: GenerationRequest) -> None:
        """Let a request join at the next step."""
        lookup(self._costs, request.precision, "precision")
        prompt_tokens = len(_tokens(request.prompt))
        self._begins = self._begins or not self._running
        self._running[request.number] = _Running(request, prompt_tokens, self._this_turn())
        self._wake.set()

    def cancel(self, number: int) -> None:
        """Call a request off."""
        if number in self._running:
            self._cancelled.add(number)
            self._wake.set()

    @property
    def running(self) -> frozenset[int]:
        """Numbers of the requests that run."""
        return frozenset(self._running)

    async def report(self) -> Report:
        """Wait for the end of the next step and return what came of it."""
        if not self._is_on:
            raise EngineError("the simulated engine is not running")
        while not self._running:
            self._wake.clear()
            await self._wake.wait()
        if self._cancelled:
            return Report(time.monotonic(), tuple(self._end_cancelled()))
        # a step begins where the one before it ended, however late the event loop woke up
        began_at = max(self._free_at, min(each.submitted_at for each in self._running.values()))
        stepping = self._next_to_step(began_at)
        seconds = self._time_factor * self._step_seconds(stepping)
        self._begins = False
        self._free_at = began_at + seconds
        await asyncio.sleep(self._free_at - time.monotonic())
        progress = tuple(self._step(each) for each in stepping)
        return Report(self._free_at, progress, seconds)

    async def memory_bytes(self) -> int | None:
        """Return None; there is no model that would need any."""
        return None

    async def stop(self) -> None:
        """Forget everything."""
        self._is_on = False
        self._running.clear()
        self._cancelled.clear()

    def _this_turn(self) -> float:
        """Return one instant for all that is submitted in this turn of the event loop."""
        if self._turn_at is None:
            self._turn_at = time.monotonic()
            asyncio.get_running_loop().call_soon(self._end_turn)
        return self._turn_at

    def _end_turn(self) -> None:
        self._turn_at = None

    def _next_to_step(self, at: float) -> list[_Running]:
        """Return who takes part in the step at an instant, all of one precision."""
        running = [each for each in self._running.values() if each.submitted_at <= at]
        precision = min(running, key=lambda each: each.num_tokens).request.precision
        return [each for each in running if each.request.precision == precision]

    def _step_seconds(self, stepping: list[_Running]) -> float:
        cost = self._costs[stepping[0].request.precision]
        per_step, per_token = cost.step_coefficients()
        seconds = cost.step_seconds
        if self._begins:
            seconds += cost.node.batch_overhead_seconds
        for each in stepping:
            if each.num_tokens == 0:
                seconds += cost.prefill_seconds(float(each.prompt_tokens))
            else:
                seconds += per_step + per_token * (each.prompt_tokens + each.num_tokens)
        return seconds

    def _step(self, member: _Running) -> Progress:
        request = member.request
        member.num_tokens += 1
        finish = Finish.LENGTH if member.num_tokens >= request.max_tokens else None
        if finish is not None:
            # it may have been called off while the step ran
            self._running.pop(request.number, None)
            self._cancelled.discard(request.number)
        return Progress(request.number, 1, f"{member.num_tokens} ", (), finish)

    def _end_cancelled(self) -> list[Progress]:
        numbers, self._cancelled = self._cancelled, set()
        for number in numbers:
            del self._running[number]
        return [Progress(number, 0, finish=Finish.CANCELLED) for number in sorted(numbers)]


def _tokens(prompt: Prompt) -> tuple[int, ...]:
    if prompt.tokens is not None:
        return prompt.tokens
    text = prompt.text
    if text is None:
        text = "\n".join(str(message.get("content", "")) for message in prompt.messages or ())
    raw = text.encode()
    width = _BYTES_PER_TOKEN
    parts = [raw[at : at + width] for at in range(0, len(raw), width)]
    return tuple(
        int.from_bytes(bytes([len(part)]) + part.ljust(width, b"\0"), "big") for part in parts
    )
