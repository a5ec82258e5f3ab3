"""All engines of a gateway: each is kept running by itself, and requests go on with the others."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum

import structlog

from edgebatch.engines import EngineInfo, Prompt
from edgebatch.errors import EngineError
from edgebatch.realtime import Dispatcher
from edgebatch.serving.failures import Failures
from edgebatch.serving.keeper import EngineKeeper

_PATIENCE_SECONDS = 5.0
"""How long the start waits for further engines once one runs."""
_COUNTING_SECONDS = 1.0
"""How long an engine may take to count tokens before another one is asked."""

log = structlog.get_logger("edgebatch.gateway")


class State(StrEnum):
    """What the gateway can do."""

    STARTING = "starting"
    READY = "ready"
    ENGINE_DOWN = "engine down"
    DRAINING = "draining"
    STOPPED = "stopped"


class Fleet:
    """The engines, and the scheduler driving them.

    Args:
        keepers: one of each engine.
        dispatcher: the scheduler's driver.
        failures: told why requests were lost.

    Attributes:
        keepers: one of each engine.
        info: what the engines say of themselves, of numbers the least that any says.
    """

    info: EngineInfo

    def __init__(
        self, keepers: Sequence[EngineKeeper], dispatcher: Dispatcher, failures: Failures
    ) -> None:
        self.keepers = tuple(keepers)
        self._dispatcher, self._failures = dispatcher, failures
        self._phase = State.STARTING
        self._tasks: list[asyncio.Task[None]] = []
        self._has_failed = asyncio.Event()
        self._bug: BaseException | None = None
        self._model = ""
        self._counts: EngineKeeper | None = None

    @property
    def state(self) -> State:
        """What can be asked of it."""
        if self._phase is State.READY and not any(each.is_running for each in self.keepers):
            return State.ENGINE_DOWN
        return self._phase

    @property
    def num_restarts(self) -> int:
        """How often an engine broke and came back."""
        return sum(each.num_restarts for each in self.keepers)

    @property
    def has_tokenizer(self) -> bool:
        """Whether an engine counts tokens."""
        return any(each.is_running and each.has_tokenizer for each in self.keepers)

    @property
    def all_take_tokens(self) -> bool:
        """Whether every engine that has run takes token ids for a prompt."""
        return all(each.has_tokenizer for each in self.keepers if each.info is not None)

    async def start(self) -> None:
        """Start all engines and keep them running from now on; one that runs is enough.

        Raises:
            EngineError: none can start.
            InputError: one cannot load the model.
        """
        starting = [asyncio.create_task(each.start()) for each in self.keepers]
        try:
            await self._until_one_runs(starting)
        except BaseException:
            for task in starting:
                task.cancel()
            await asyncio.gather(*starting, return_exceptions=True)
            await asyncio.gather(*(each.stop() for each in self.keepers))
            raise
        self._note_infos()
        self._phase = State.READY
        for keeper, task in zip(self.keepers, starting, strict=True):
            keeper.on_start = self._note_infos
            self._tasks.append(asyncio.create_task(self._keep(keeper, task)))

    async def _until_one_runs(self, starting: Sequence[asyncio.Task[None]]) -> None:
        """Wait for the first that runs, and a little for the others."""
        waiting, until = set(starting), math.inf
        while waiting:
            left = max(0.0, until - time.monotonic())
            ended, waiting = await asyncio.wait(
                waiting,
                timeout=left if until < math.inf else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in ended:
                # to go on without an engine that is set up wrongly would hide the mistake
                if task.exception() is not None and not isinstance(task.exception(), EngineError):
                    task.result()
            if not ended:
                return
            if until == math.inf and any(each.is_running for each in self.keepers):
                until = time.monotonic() + _PATIENCE_SECONDS
        if until == math.inf:
            starting[0].result()

    async def until_failed(self) -> None:
        """Wait until it turns out that nobody can be served any more; for ever if that is not so.

        Raises:
            EngineError: why.
        """
        await self._has_failed.wait()
        raise EngineError(f"the gateway cannot go on: {self._bug!r}") from self._bug

    async def encode(self, prompt: Prompt) -> tuple[int, ...]:
        """Return the prompt's token ids, by the engine that told them last, or the next that can.

        Raises:
            EngineError: none has a tokenizer, or answers.
            InputError: the prompt is refused.
        """
        error = EngineError("no engine can be asked for tokens")
        able = [each for each in self.keepers if each.is_running and each.has_tokenizer]
        able.sort(key=lambda each: each is not self._counts)
        for keeper in able:
            patience = None if keeper is able[-1] else _COUNTING_SECONDS
            try:
                async with asyncio.timeout(patience):
                    tokens = await keeper.driver.engine.encode(prompt)
            except TimeoutError:
                error = EngineError(f"{keeper.name} does not count tokens")
            except EngineError as broken:
                error = broken
            else:
                self._counts = keeper
                return tokens
        raise error

    async def drain(self, most_seconds: float) -> None:
        """Take nobody in any more and wait until those who came have ended, for so long."""
        self._phase = State.DRAINING
        try:
            await asyncio.wait_for(self._dispatcher.until_all_ended(), most_seconds)
        except TimeoutError:
            log.warning("not drained in time", unfinished=self._dispatcher.num_unfinished)

    async def stop(self) -> None:
        """End the engines; whoever still waits or runs has failed."""
        self._phase = State.STOPPED
        if self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            # a task that has not begun yet has not stopped its engine either
            await asyncio.gather(*(each.stop() for each in self.keepers))
            self._dispatcher.abandon_all()
            self._failures.tell_lost("the gateway ended before it did")

    async def _keep(self, keeper: EngineKeeper, starting: asyncio.Task[None]) -> None:
        try:
            await _settled(keeper, starting)
            await keeper.keep()
        except (Exception, asyncio.CancelledError) as error:
            if self._phase is State.STOPPED:
                raise
            # a bug: rather refuse everyone than let them wait for nothing
            log.exception("the gateway cannot go on")
            self._phase = State.STOPPED
            # one in an alarm cancels these tasks, wherever they are
            self._bug = self._dispatcher.bug or error
            self._has_failed.set()
            self._dispatcher.abandon_all()
            self._failures.tell_lost("the gateway failed")
            raise
        finally:
            starting.cancel()
            await keeper.stop()

    def _note_infos(self) -> None:
        infos = [each.info for each in self.keepers if each.info is not None]
        contexts = [each.max_context_tokens for each in infos]
        vocabularies = [each.vocabulary_size for each in infos]
        precisions = [name for each in infos for name in each.precisions]
        # clients go on asking for the model by the name that they have been told
        if self._model not in [each.model for each in infos]:
            self._model = infos[0].model
        self.info = replace(
            infos[0],
            model=self._model,
            precisions=tuple(dict.fromkeys(precisions)),
            max_context_tokens=min((each for each in contexts if each), default=None),
            vocabulary_size=min((each for each in vocabularies if each), default=None),
        )


async def _settled(keeper: EngineKeeper, starting: asyncio.Task[None]) -> None:
    """Wait until an engine has been started, or could not be, which its next try will tell."""
    try:
        await starting
    except Exception:  # noqa: BLE001 - whatever a server answers, it is looked for again
        return
    else:
        if keeper.on_start is not None:
            keeper.on_start()
