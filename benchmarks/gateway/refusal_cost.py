"""What a refusal costs the gateway apart from HTTP, at a hundred times what it can serve.

Requests are put to a gateway with the simulated engine in this process, first one after the other
by so many who ask, which gives the capacity, then far more. Each call is timed: those that are
refused have been by the time it returns, so that is the scheduler's own part, with all the books.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from statistics import median
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from edgebatch.engines import Prompt, Sampling
from edgebatch.scheduling import Outcome, Reason
from edgebatch.serving.build import build_gateway
from edgebatch.serving.gateway import Gateway
from edgebatch.serving.refusals import Refusal
from edgebatch.serving.settings import load_settings
from edgebatch.serving.slo import Slo
from edgebatch.serving.ticket import Ticket

TICK_SECONDS = 0.01
ASKERS = 64
PROMPT_TOKENS = 64
DEADLINES_SECONDS = (0.001, 0.5, 2.0, 8.0)
"""Nobody can be served within the first."""


class Load:
    """Puts requests to a gateway and times it.

    Attributes:
        seconds: how long each call took, by what came of it at once.
    """

    def __init__(self, gateway: Gateway, max_tokens: int) -> None:
        self._gateway, self._max_tokens = gateway, max_tokens
        self._draw = random.Random(1)
        self.seconds: dict[str, list[float]] = defaultdict(list)

    async def ask(self, e2e_seconds: float | None = None) -> Ticket | None:
        """Put one request to the gateway; None if it is not even scheduled."""
        prompt = Prompt(tokens=tuple([7] * PROMPT_TOKENS))
        slo = Slo(
            e2e_seconds=e2e_seconds or self._draw.choice(DEADLINES_SECONDS),
            ttft_seconds=float("inf"),
            min_quality=0.0,
            value=1.0,
            max_tokens=self._draw.randint(self._max_tokens // 4, self._max_tokens),
        )
        began_at = time.perf_counter()
        ticket = None
        try:
            self._gateway.require_place(0)
            ticket = await self._gateway.ask(prompt, slo, Sampling(), 0, {})
        except Refusal as refusal:
            told = f"refused at the door: {refusal.code}"
        else:
            told = "joins or waits"
            if ticket.record is not None:
                told = f"refused by the scheduler: {Reason(ticket.record.reason).name.lower()}"
        self.seconds[told].append(time.perf_counter() - began_at)
        return ticket

    async def capacity(self, seconds: float) -> float:
        """Return how many requests a second are served to those who ask one after the other."""
        until = time.monotonic() + seconds
        served = 0

        async def ask_on() -> None:
            nonlocal served
            while time.monotonic() < until:
                ticket = await self.ask(60.0)
                if ticket is not None:
                    await ticket.until_ended()
                    served += 1

        began_at = time.monotonic()
        await asyncio.gather(*(ask_on() for _ in range(ASKERS)))
        return served / (time.monotonic() - began_at)

    async def flood(self, rate_per_second: float, seconds: float) -> None:
        """Put so many requests a second, whatever comes of them."""
        began_at = time.monotonic()
        sent = 0
        while (passed := time.monotonic() - began_at) < seconds:
            due = int(rate_per_second * passed)
            for _ in range(min(due - sent, int(rate_per_second * TICK_SECONDS) + 1)):
                await self.ask()
                sent += 1
            await asyncio.sleep(0.0 if sent < due else TICK_SECONDS / 2)


async def _measure(policy: str, load: float, seconds: float, max_tokens: int) -> None:
    flags = {"engine": "simulated", "policy": policy, "log_level": "error"}
    gateway = build_gateway(load_settings(None, flags))
    await gateway.start()
    try:
        per_second = await Load(gateway, max_tokens).capacity(3.0)
        before = gateway.outcomes.copy()
        flood, cpu = Load(gateway, max_tokens), time.process_time()
        await flood.flood(load * per_second, seconds)
        cpu = time.process_time() - cpu
        ends = gateway.outcomes - before
        in_time, late = (ends[each, Reason.NONE] for each in (Outcome.IN_TIME, Outcome.LATE))
    finally:
        await gateway.stop()
    asked = sum(map(len, flood.seconds.values()))
    table = Table("what came of it at once", "calls", "median, µs", "99 %, µs")
    table.title = (
        f"{policy}: capacity {per_second:.0f}/s, asked {asked / seconds:.0f}/s, in time "
        f"{in_time / seconds:.0f}/s, late {late}; CPU {1e6 * cpu / asked:.0f} µs a request, "
        "engine and all"
    )
    for told, took in sorted(flood.seconds.items()):
        slow = sorted(took)[int(0.99 * (len(took) - 1))]
        table.add_row(told, str(len(took)), f"{1e6 * median(took):.1f}", f"{1e6 * slow:.1f}")
    Console(width=120).print(table)


def main(
    policy: Annotated[list[str] | None, typer.Option(help="rolling by default")] = None,
    load: Annotated[float, typer.Option(help="multiple of capacity", min=1.0)] = 100.0,
    seconds: Annotated[float, typer.Option(help="how long", min=0.5)] = 10.0,
    max_tokens: Annotated[int, typer.Option(help="longest answer", min=4)] = 64,
) -> None:
    for each in policy or ["rolling"]:
        asyncio.run(_measure(each, load, seconds, max_tokens))


if __name__ == "__main__":
    typer.run(main)
