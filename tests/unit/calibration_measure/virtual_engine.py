"""An engine whose every step takes what a cost model says, on a clock of its own."""

from __future__ import annotations

import random
from collections.abc import Sequence

from edgebatch.cost import BatchCost, weight_bytes
from edgebatch.engines import (
    Engine,
    EngineInfo,
    Finish,
    GenerationRequest,
    Progress,
    Prompt,
    Report,
)
from edgebatch.errors import EngineError

RUNTIME_BYTES = 3e8
MAX_CONTEXT_TOKENS = 1024


class VirtualEngine(Engine):
    """Runs the cost model; ``clock`` is its time."""

    def __init__(
        self,
        costs: Sequence[BatchCost],
        *,
        noise: float = 0.0,
        has_steps: bool = True,
        max_running: int | None = None,
        preallocates: bool = False,
        dies_after_steps: int | None = None,
        seed: int = 0,
    ) -> None:
        self.costs = {cost.precision.name: cost for cost in costs}
        self.now = 0.0
        self.steps = 0
        self.stopped = False
        self._noise = noise
        self._has_steps = has_steps
        self._max_running = max_running
        self._preallocates = preallocates
        self._dies_after_steps = dies_after_steps
        self._random = random.Random(seed)
        self._requests: dict[int, GenerationRequest] = {}
        self._gained: dict[int, int] = {}
        self._cancelled: set[int] = set()

    def clock(self) -> float:
        return self.now

    async def start(self) -> EngineInfo:
        return EngineInfo(
            engine="virtual",
            version="1",
            model="toy",
            precisions=tuple(self.costs),
            max_context_tokens=MAX_CONTEXT_TOKENS,
            max_running=self._max_running,
            settings={"threads": "1"},
            has_steps=self._has_steps,
            start_seconds=1.5,
            preallocates=self._preallocates,
        )

    async def encode(self, prompt: Prompt) -> tuple[int, ...]:
        return tuple((prompt.text or "").encode())

    async def decode(self, tokens: Sequence[int]) -> str:
        return bytes(tokens).decode()

    def submit(self, request: GenerationRequest) -> None:
        self._requests[request.number] = request
        self._gained[request.number] = 0

    def cancel(self, number: int) -> None:
        self._cancelled.add(number)

    @property
    def running(self) -> frozenset[int]:
        return frozenset(self._requests)

    async def report(self) -> Report:
        if self._cancelled:
            ended = tuple(
                Progress(number, 0, finish=Finish.CANCELLED) for number in sorted(self._cancelled)
            )
            for number in self._cancelled:
                del self._requests[number]
            self._cancelled = set()
            return Report(self.now, ended)
        self.steps += 1
        if self.steps == self._dies_after_steps:
            raise EngineError("the virtual engine has died")
        seconds = self._step_seconds()
        self.now += seconds
        progress = tuple(self._progress(number) for number in list(self._requests))
        return Report(self.now, progress, seconds if self._has_steps else None)

    async def memory_bytes(self) -> int | None:
        weights = sum(weight_bytes(cost.model, cost.precision) for cost in self.costs.values())
        return round(RUNTIME_BYTES + weights + self._cache_bytes())

    async def stop(self) -> None:
        self.stopped = True
        self._requests.clear()

    def _cache_bytes(self) -> float:
        if self._preallocates:
            each = (self._max_running or 1) * MAX_CONTEXT_TOKENS
            return sum(each * cost.kv_bytes_per_token for cost in self.costs.values())
        return sum(
            self.costs[request.precision].kv_bytes_per_token
            * (len(request.prompt.tokens or ()) + self._gained[number])
            for number, request in self._requests.items()
        )

    def _step_seconds(self) -> float:
        (name,) = {request.precision for request in self._requests.values()}
        cost = self.costs[name]
        per_step, per_token = cost.step_coefficients()
        seconds = cost.step_seconds
        for number, request in self._requests.items():
            prompt, gained = float(len(request.prompt.tokens or ())), self._gained[number]
            seconds += (
                per_step + per_token * (prompt + gained) if gained else cost.prefill_seconds(prompt)
            )
        return seconds * (1.0 + self._random.uniform(-self._noise, self._noise))

    def _progress(self, number: int) -> Progress:
        self._gained[number] += 1
        is_last = self._gained[number] >= self._requests[number].max_tokens
        if is_last:
            del self._requests[number]
        return Progress(number, 1, "x", (120,), Finish.LENGTH if is_last else None)
