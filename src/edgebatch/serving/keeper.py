"""Keeping an engine up: started, driven by the scheduler, and started again when it breaks."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from enum import StrEnum

import structlog

from edgebatch.engines import Engine, EngineInfo, Prompt
from edgebatch.errors import EdgebatchError, EngineError, InputError
from edgebatch.realtime import Dispatcher
from edgebatch.serving.failures import Failures

_LONGEST_PAUSE_SECONDS = 30.0
_LONGEST_REMOTE_PAUSE_SECONDS = 1.0
"""To look for a server is one short call, and nobody is served until it is found."""
_QUIET_SECONDS = 60.0
"""How long the log does not say again that the engine cannot start, for the same reason."""
_STEADY_SECONDS = 60.0
"""An engine that ran so long is restarted without a pause when it breaks."""

log = structlog.get_logger("edgebatch.gateway")


class State(StrEnum):
    """What the gateway can do."""

    STARTING = "starting"
    READY = "ready"
    ENGINE_DOWN = "engine down"
    DRAINING = "draining"
    STOPPED = "stopped"


class EngineKeeper:
    """Keeps an engine running, and the scheduler driving it.

    Args:
        make_engine: makes the engine, and again after it broke.
        make_dispatcher: puts the scheduler over the first engine.
        failures: told why requests were lost.

    Attributes:
        state: what can be asked of it.
        info: what the engine says of itself.
        dispatcher: the scheduler's driver.
        has_tokenizer: whether the engine counts tokens.
        num_restarts: how often the engine broke and came back.
    """

    dispatcher: Dispatcher
    info: EngineInfo

    def __init__(
        self,
        make_engine: Callable[[], Engine],
        make_dispatcher: Callable[[Engine], Dispatcher],
        failures: Failures,
    ) -> None:
        self.state = State.STARTING
        self.has_tokenizer = True
        self.num_restarts = 0
        self._make_engine, self._make_dispatcher = make_engine, make_dispatcher
        self._failures = failures
        self._supervising: asyncio.Task[None] | None = None
        self._has_failed = asyncio.Event()
        self._bug: BaseException | None = None

    async def start(self) -> None:
        """Start the engine and drive it from now on.

        Raises:
            EngineError: it cannot start.
            InputError: it cannot load the model.
        """
        engine = self._make_engine()
        try:
            self.info = await engine.start()
            self.has_tokenizer = await _has_tokenizer(engine)
            self.dispatcher = self._make_dispatcher(engine)
        except BaseException:
            await engine.stop()
            raise
        self.dispatcher.limit_running(self.info.max_running)
        self.state = State.READY
        self._supervising = asyncio.create_task(self._supervise())

    async def until_failed(self) -> None:
        """Wait until it turns out that nobody can be served any more; for ever if that is not so.

        Raises:
            EngineError: why.
        """
        await self._has_failed.wait()
        raise EngineError(f"the gateway cannot go on: {self._bug!r}") from self._bug

    async def drain(self, most_seconds: float) -> None:
        """Take nobody in any more and wait until those who came have ended, for so long."""
        self.state = State.DRAINING
        try:
            await asyncio.wait_for(self.dispatcher.until_all_ended(), most_seconds)
        except TimeoutError:
            log.warning("not drained in time", unfinished=self.dispatcher.num_unfinished)

    async def stop(self) -> None:
        """End the engine; whoever still waits or runs has failed."""
        self.state = State.STOPPED
        if self._supervising is not None:
            self._supervising.cancel()
            await asyncio.gather(self._supervising, return_exceptions=True)
            self.dispatcher.abandon_all()
            self._failures.tell_lost("the gateway ended before it did", self.info.engine)

    async def _supervise(self) -> None:
        """Keep the engine running until cancelled."""
        pause = 0.0
        try:
            while True:
                began_at = time.monotonic()
                try:
                    await self.dispatcher.run()
                except EngineError as error:
                    log.warning("engine broke", error=str(error))
                    self._failures.tell_lost(str(error), self.info.engine)
                if time.monotonic() - began_at > _STEADY_SECONDS:
                    pause = 0.0
                pause = await self._restart(pause)
        except (Exception, asyncio.CancelledError) as error:
            if self.state is State.STOPPED:
                raise
            # a bug: rather refuse everyone than let them wait for nothing
            log.exception("the gateway cannot go on")
            self.state = State.STOPPED
            # one in an alarm cancels this task, wherever it is
            self._bug = self.dispatcher.bug or error
            self._has_failed.set()
            self.dispatcher.abandon_all()
            self._failures.tell_lost("the gateway failed", self.info.engine)
            raise
        finally:
            await self.dispatcher.engine.stop()

    async def _restart(self, pause: float) -> float:
        """Start the engine again, and again until it runs; return how long to wait next time."""
        said, said_at = "", -math.inf
        while True:
            if self.state is State.READY:
                self.state = State.ENGINE_DOWN
            await self.dispatcher.engine.stop()
            await asyncio.sleep(pause)
            engine = self._make_engine()
            self.dispatcher.engine = engine
            pause = next_pause(pause, is_remote=engine.is_remote)
            try:
                self.info = await engine.start()
                self.has_tokenizer = await _has_tokenizer(engine)
            except Exception as error:  # noqa: BLE001 - whatever a server answers, it is looked for
                told = str(error) if isinstance(error, EdgebatchError) else repr(error)
                now = time.monotonic()
                if told != said or now - said_at >= _QUIET_SECONDS:
                    said, said_at = told, now
                    log.warning("engine cannot start", error=said, retry_seconds=pause)
                continue
            self.num_restarts += 1
            # it may have been started with another limit
            self.dispatcher.limit_running(self.info.max_running)
            if self.state is State.ENGINE_DOWN:
                self.state = State.READY
            log.info("engine runs again", restarts=self.num_restarts)
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
