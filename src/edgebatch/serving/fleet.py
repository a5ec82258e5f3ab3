"""All engines of a gateway: each is kept running by itself, and requests go on with the others."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum

import structlog

from edgebatch.engines import EngineInfo, Prompt
from edgebatch.errors import EngineError
from edgebatch.realtime import Dispatcher
from edgebatch.serving.failures import Failures
from edgebatch.serving.keeper import EngineKeeper

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
        return any(each.has_tokenizer for each in self.keepers)

    async def start(self) -> None:
        """Start all engines and keep them running from now on; one that runs is enough.

        Raises:
            EngineError: none can start.
            InputError: none can load the model.
        """
        try:
            await self._start_all()
        except BaseException:
            await asyncio.gather(*(each.stop() for each in self.keepers))
            raise
        self._note_infos()
        self._phase = State.READY
        for keeper in self.keepers:
            keeper.on_start = self._note_infos
            self._tasks.append(asyncio.create_task(self._keep(keeper)))

    async def _start_all(self) -> None:
        starting = (each.start() for each in self.keepers)
        ends = await asyncio.gather(*starting, return_exceptions=True)
        errors = [each for each in ends if isinstance(each, BaseException)]
        for error in errors:
            # to go on without an engine that is set up wrongly would hide the mistake
            if len(errors) == len(self.keepers) or not isinstance(error, EngineError):
                raise error
            log.warning("engine cannot start", error=str(error))

    async def until_failed(self) -> None:
        """Wait until it turns out that nobody can be served any more; for ever if that is not so.

        Raises:
            EngineError: why.
        """
        await self._has_failed.wait()
        raise EngineError(f"the gateway cannot go on: {self._bug!r}") from self._bug

    async def encode(self, prompt: Prompt) -> tuple[int, ...]:
        """Return the prompt's token ids, as the first engine reads it that can be asked.

        Raises:
            EngineError: none has a tokenizer, or answers.
            InputError: the prompt is refused.
        """
        error = EngineError("no engine can be asked for tokens")
        for keeper in self.keepers:
            if keeper.is_running and keeper.has_tokenizer:
                try:
                    return await keeper.driver.engine.encode(prompt)
                except EngineError as broken:
                    error = broken
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
            self._dispatcher.abandon_all()
            self._failures.tell_lost("the gateway ended before it did")

    async def _keep(self, keeper: EngineKeeper) -> None:
        try:
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

    def _note_infos(self) -> None:
        infos = [each.info for each in self.keepers if each.info is not None]
        contexts = [each.max_context_tokens for each in infos]
        vocabularies = [each.vocabulary_size for each in infos]
        precisions = [name for each in infos for name in each.precisions]
        self.info = replace(
            infos[0],
            precisions=tuple(dict.fromkeys(precisions)),
            max_context_tokens=min((each for each in contexts if each), default=None),
            vocabulary_size=min((each for each in vocabularies if each), default=None),
        )
