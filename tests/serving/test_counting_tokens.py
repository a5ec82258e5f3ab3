"""Limits hold although an engine takes its time to count a prompt's tokens."""

from __future__ import annotations

import asyncio
from typing import Any

from edgebatch.engines import Engine, Prompt
from edgebatch.scenario import Scenario
from edgebatch.serving.keys import hash_key
from serving.gateway_thread import FragileEngine, GatewayThread
from serving.test_overload import LONG, outcomes, wait_for
from serving.unanswered import asking


class _Slow(FragileEngine):
    """Counts nobody's tokens before it is told to, except at the start."""

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(scenario)
        self.num_asked = 0
        self.may_count = asyncio.Event()

    async def encode(self, prompt: Prompt) -> tuple[int, ...]:
        if prompt.text == "Once":
            self.num_asked += 1
            await self.may_count.wait()
        return await super().encode(prompt)


class _SlowGateway(GatewayThread):
    def __init__(self, **settings: Any) -> None:
        self.slow = _Slow(Scenario(self.document))
        super().__init__(**settings)

    def _make_engine(self) -> Engine:
        return self.slow


def test_who_comes_while_tokens_are_counted_counts_as_well() -> None:
    keys = [{"name": "alice", "sha256": hash_key("secret"), "most_unfinished": 1}]
    with (
        _SlowGateway(keys=keys) as thread,
        asking(thread.url, [LONG] * 4, {"authorization": "Bearer secret"}),
    ):
        wait_for(lambda: thread.slow.num_asked == 4)
        thread.call(thread.slow.may_count.set)
        wait_for(lambda: outcomes(thread).get(("rejected", "queue_full")) == 3)
        assert thread.gateway.dispatcher.num_unfinished == 1


def test_who_is_counted_when_the_gateway_begins_to_drain_is_sent_elsewhere() -> None:
    with _SlowGateway() as thread, asking(thread.url, [LONG]):
        wait_for(lambda: thread.slow.num_asked == 1)
        thread.call(lambda: asyncio.ensure_future(thread.gateway.drain()))
        wait_for(lambda: str(thread.gateway.state) == "draining")
        thread.call(thread.slow.may_count.set)
        wait_for(lambda: outcomes(thread) == {("rejected", "engine"): 1})
