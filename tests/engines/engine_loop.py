"""One event loop for the tests of a module, so that an engine can serve several of them."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from edgebatch.engines import Engine, Finish, GenerationRequest, Progress, Report


class Answered(NamedTuple):
    """What came of one request."""

    text: str
    tokens: tuple[int, ...]
    finish: Finish | None
    error: str


class EngineLoop:
    """Runs coroutines in one loop, so that an engine can serve several tests."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self.run = runner.run

    def answers(
        self, engine: Engine, requests: Iterable[GenerationRequest], joins: int = 0
    ) -> dict[int, Answered]:
        """Submit requests, one every ``joins`` reports (0: all at once); return what came."""
        return self.run(_answers(engine, list(requests), joins))

    def reports_until_idle(self, engine: Engine) -> list[Report]:
        return self.run(_reports_until_idle(engine))


async def _reports_until_idle(engine: Engine) -> list[Report]:
    reports = []
    while engine.running:
        reports.append(await engine.report())
    return reports


async def _answers(
    engine: Engine, waiting: list[GenerationRequest], joins: int
) -> dict[int, Answered]:
    gains: dict[int, list[Progress]] = defaultdict(list)
    num_reports = 0
    while waiting or engine.running:
        while waiting and (joins == 0 or num_reports % joins == 0 or not engine.running):
            engine.submit(waiting.pop(0))
            if joins:
                break
        num_reports += 1
        for gain in (await engine.report()).progress:
            gains[gain.number].append(gain)
    return {number: _together(parts) for number, parts in gains.items()}


def _together(parts: list[Progress]) -> Answered:
    return Answered(
        "".join(part.text for part in parts),
        tuple(token for part in parts for token in part.tokens),
        parts[-1].finish,
        parts[-1].error,
    )


def one_loop() -> Iterator[EngineLoop]:
    """Body of a fixture."""
    with asyncio.Runner() as runner:
        yield EngineLoop(runner)
