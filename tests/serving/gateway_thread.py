"""A real gateway with a real HTTP server, in a thread of the test's process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any, Self

import httpx
import uvicorn

from edgebatch.cost import BatchCost
from edgebatch.engines import Engine, EngineInfo, Report
from edgebatch.engines.simulated import SimulatedEngine
from edgebatch.errors import EngineError
from edgebatch.scenario import Scenario, parse_policy
from edgebatch.serving.app import make_app
from edgebatch.serving.gateway import Gateway
from edgebatch.serving.server import configure_logs, listen
from edgebatch.serving.settings import load_settings
from edgebatch.simulation import RunLog

# 10 ms for every step whoever is in it, and next to nothing for reading prompts
DOCUMENT: dict[str, Any] = {
    "node": {"memory_bytes": 1e6, "flops": 1e12, "step_overhead_seconds": 0.01},
    "model": {"layers": 1, "hidden_size": 1, "ffn_size": 1, "heads": 1},
    "precisions": {
        "custom": [
            {
                "name": "w8",
                "weight_bytes": 1.0,
                "kv_bytes": 2.0,
                "prefill_factor": 1.0,
                "decode_factor": 1.0,
                "quality": 0.9,
            }
        ]
    },
    "workload": {
        "rate_per_second": 1.0,
        "num_requests": 1,
        "prompt_tokens": 1,
        "output_tokens": 1,
        "deadline_seconds": 1.0,
    },
}


class FragileEngine(SimulatedEngine):
    """Breaks when it is told to."""

    def __init__(self, scenario: Scenario) -> None:
        hosting = scenario.hosting
        super().__init__(
            [BatchCost(hosting.node, hosting.model, each) for each in hosting.precisions]
        )
        self.is_broken = self.is_mad = False

    async def report(self) -> Report:
        if self.is_broken:
            raise EngineError("it broke")
        if self.is_mad:
            raise ZeroDivisionError
        return await super().report()


class _NoEngine(FragileEngine):
    async def start(self) -> EngineInfo:
        raise EngineError("there is none")


class GatewayThread:
    """A gateway that listens at :attr:`url` while the context is open."""

    document = DOCUMENT
    names: Sequence[str] = ("",)

    def __init__(self, policy: str = "rolling", **settings: Any) -> None:
        self.scenario = Scenario(self.document)
        self.engines: list[FragileEngine] = []
        configure_logs("error")
        checked = load_settings(None, {"log_level": "error", **settings})
        self.gateway = Gateway(
            checked, self.scenario, parse_policy(policy), self._makers(), self.names
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listening = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self.url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listening.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(60)
        assert not self._thread.is_alive()
        self.gateway.dispatcher.log.ledger.check_conservation()

    def call(self, action: Callable[[], Any]) -> None:
        """Let something happen in the gateway's event loop."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(action)

    def break_engine(self) -> None:
        """Let the engine break at its next step."""
        self.engines[-1].is_broken = True

    def _makers(self) -> Sequence[Callable[[], Engine]]:
        return [self._make_engine]

    def _make_engine(self) -> Engine:
        self.engines.append(FragileEngine(self.scenario))
        return self.engines[-1]

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        config = uvicorn.Config(make_app(self.gateway), port=0, log_config=None, access_log=False)
        self._server = uvicorn.Server(config)
        listening = listen("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        await self.gateway.start()
        self._listening.set()
        await self._server.serve(sockets=[listening])


class OneEngineGateway(GatewayThread):
    """A gateway whose engine cannot be started again."""

    def lose_engine(self) -> None:
        """Let the engine break under a request, which fails."""
        body = {"prompt": "Once", "max_tokens": 400, "stream": True}
        with httpx.stream("POST", f"{self.url}/v1/completions", json=body, timeout=30) as answer:
            lines = answer.iter_lines()
            next(lines)
            self.break_engine()
            list(lines)
        while httpx.get(f"{self.url}/readyz").status_code != 503:
            pass

    def _make_engine(self) -> Engine:
        return _NoEngine(self.scenario) if self.engines else super()._make_engine()


class _HeldScenario(Scenario):
    """Simulates only once it is let."""

    has_begun: threading.Event
    may_go: threading.Event

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("has_begun", "may_go"):
            object.__setattr__(self, name, threading.Event())

    def run(self, *arguments: Any, **options: Any) -> RunLog:
        self.has_begun.set()
        assert self.may_go.wait(60)
        return super().run(*arguments, **options)


class HeldGateway(GatewayThread):
    """A gateway whose what-ifs take until they are let go; two requests have been answered."""

    def __init__(self, policy: str = "rolling", **settings: Any) -> None:
        super().__init__(policy, **settings)
        self.held = _HeldScenario(DOCUMENT)
        self.gateway.scenario = self.held

    def __enter__(self) -> Self:
        super().__enter__()
        for _ in range(2):
            body = {"prompt": "Once", "max_tokens": 2}
            assert httpx.post(f"{self.url}/v1/completions", json=body).status_code == 200
        return self
