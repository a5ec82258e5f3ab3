"""Keeping an engine up: started, driven by the scheduler, and started again when it breaks."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

import structlog

from edgebatch.engines import Engine, EngineInfo, Prompt
from edgebatch.errors import EdgebatchError, EngineError, InputError
from edgebatch.realtime import EngineDriver
from edgebatch.serving.failures import Failures

_LONGEST_PAUSE_SECONDS = 30.0
_LONGEST_REMOTE_PAUSE_SECONDS = 1.0
"""To look for a server is one short call, and nobody is served by it until it is found."""
_QUIET_SECONDS = 60.0
"""How long the log does not say again that the engine cannot start, for the same reason."""
_STEADY_SECONDS = 60.0
"""An engine that ran so long is restarted without a pause when it breaks."""

log = structlog.get_logger("edgebatch.gateway")


class EngineKeeper:
    """Keeps one engine running, and the scheduler driving it.

    Args:
        name: in the log, on the page and in metrics, as there may be several; may be empty.
        make_engine: makes the engine again after it broke.
        driver: of the engine, which has not been started.
        failures: told why requests were lost.
        on_first_start: told what the engine says of itself.

    Attributes:
        name, driver: as given.
        is_running: whether requests can go to it.
        info: what the engine says of itself; None until it has run.
        has_tokenizer: whether the engine counts tokens.
        num_restarts: how often the engine broke and came back.
        on_start: called when the engine runs again.
    """

    def __init__(
        self,
        name: str,
        make_engine: Callable[[], Engine],
        driver: EngineDriver,
        failures: Failures,
        on_first_start: Callable[[EngineInfo], None] = lambda _: None,
    ) -> None:
        self.name, self.driver = name, driver
        self.is_running = False
        self.info: EngineInfo | None = None
        self.has_tokenizer = False
        self.num_restarts = 0
        self.on_start: Callable[[], None] | None = None
        self._make_engine, self._failures = make_engine, failures
        self._on_first_start = on_first_start
        self._named = {"server": name} if name else {}
        driver.switch(is_on=False)  # nobody may join what has not been started

    async def start(self) -> None:
        """Start the engine.

        Raises:
            EngineError: it cannot start.
            InputError: it cannot load the model.
        """
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End the engine."""
        self.is_running = False
        self.driver.switch(is_on=False)
        await self.driver.engine.stop()

    async def keep(self) -> None:
        """Drive the engine, and start it again whenever it does not run, until cancelled."""
        pause = 0.0
        while True:
            began_at = time.monotonic()
            if self.is_running:
                await self._drive()
            if time.monotonic() - began_at > _STEADY_SECONDS:
                pause = 0.0
            pause = await self._restart(pause)

    async def _start(self) -> None:
        engine = self.driver.engine
        info = await engine.start()
        self.has_tokenizer = await _has_tokenizer(engine)
        # it may have been started with another limit than before
        self.driver.limit_running(info.max_running)
        if self.info is None:
            self._on_first_start(info)
        self.info, self.is_running = info, True

    async def _drive(self) -> None:
        """Return when the engine has broken."""
        try:
            await self.driver.run()
        except EngineError as error:
            self.is_running = False
            log.warning("engine broke", error=str(error), **self._named)
            self._failures.tell_lost(str(error))

    async def _restart(self, pause: float) -> float:
        """Start the engine again, and again until it runs; return how long to wait next time."""
        said, said_at = "", -math.inf
        while True:
            await self.stop()
            await asyncio.sleep(pause)
            engine = self._make_engine()
            self.driver.engine = engine
            pause = next_pause(pause, is_remote=engine.is_remote)
            has_run = self.info is not None
            try:
                await self._start()
            except Exception as error:  # noqa: BLE001 - whatever a server answers, it is looked for
                told = str(error) if isinstance(error, EdgebatchError) else repr(error)
                now = time.monotonic()
                if told != said or now - said_at >= _QUIET_SECONDS:
                    said, said_at = told, now
                    log.warning(
                        "engine cannot start", error=said, retry_seconds=pause, **self._named
                    )
                continue
            self.num_restarts += has_run
            if self.on_start is not None:
                self.on_start()
            told = "engine runs again" if has_run else "engine runs"
            log.info(told, restarts=self.num_restarts, **self._named)
            return pause


def next_pause(pause: float, *, is_remote: bool) -> float:
    """Return how long to wait before the engine is started again, in seconds.

    Args:
        pause: how long it was the last time.
        is_remote: whether to start it is only to look whether it is there.
    """
    longest = _LONGEST_REMOTE_PAUSE_SECONDS if is_remote else _LONGEST_PAUSE_SECONDS
    return min(longest, 2.0 * pause + 0.5)


async def _has_tokenizer(engine: Engine) -> bool:
    try:
        await engine.encode(Prompt(text="a"))
    except (EngineError, InputError):
        return False
    return True
