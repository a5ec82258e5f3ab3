"""An engine whose model runs in a child process.

The child (:mod:`edgebatch.engines.worker`) does one step after another without asking; what it
reports is queued here until it is asked for. A child that dies takes its requests with it and
nothing else.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from edgebatch.engines.base import Engine, EngineInfo, GenerationRequest, Prompt, Report
from edgebatch.engines.process import ChildProcess
from edgebatch.engines.stepping import Answer, Cancel, Question, Setup
from edgebatch.engines.unread_prompts import UnreadPrompts
from edgebatch.errors import EdgebatchError, EngineError, InputError, UnknownNameError

_TICKS = 20
"""Looks within ``step_timeout_seconds`` whether the child has said anything."""


class ChildEngine(Engine):
    """Speaks to one worker process.

    Args:
        factory: makes the :class:`~edgebatch.engines.stepping.StepEngine` in the child, as
            ``package.module:function``.
        settings: the factory's keyword arguments; they travel as pickles.
        name: what error messages call the engine.
        start_timeout_seconds: how long loading may take.
        step_timeout_seconds: how long requests may run without a report before the child counts
            as hung; also how long an answer of :meth:`encode` and :meth:`decode` may take. For
            prompts that it has not read yet it may take longer, since one step may read them all.
        is_padded: whether prompts that are read together all take as long as the longest.
        environment: variables to set in the child.
    """

    def __init__(
        self,
        factory: str,
        settings: Mapping[str, object],
        *,
        name: str,
        start_timeout_seconds: float = 600.0,
        step_timeout_seconds: float = 30.0,
        is_padded: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._setup = Setup(factory, settings)
        self._start_timeout_seconds = start_timeout_seconds
        self._step_timeout_seconds = step_timeout_seconds
        self._environment = environment
        self._process: ChildProcess | None = None
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self._precisions: tuple[str, ...] = ()
        self._reports: asyncio.Queue[Report | EdgebatchError] = asyncio.Queue()
        self._failure: EdgebatchError | None = None
        self._questions: dict[int, asyncio.Future[tuple[int, ...] | str]] = {}
        self._question_numbers = itertools.count()
        self._running: set[int] = set()
        self._owed: set[int] = set()  # submitted, and their end has not come from the child
        self._unread = UnreadPrompts(is_padded=is_padded)
        self._is_heard = False

    async def start(self) -> EngineInfo:
        """Start the child, let it load the model, and return what it says of itself."""
        if self._process is not None:
            raise EngineError(f"{self.name} has been started already")
        began_seconds = time.monotonic()
        self._reports = asyncio.Queue()
        self._failure = None
        process = ChildProcess(
            "edgebatch.engines.worker", name=self.name, environment=self._environment
        )
        self._process = process
        try:
            await process.start()
            process.send(self._setup)
            info = cast("EngineInfo", await process.receive(self._start_timeout_seconds))
        except BaseException:
            await self.stop()
            raise
        self._precisions = info.precisions
        self._tasks = (
            asyncio.create_task(self._listen(process)),
            asyncio.create_task(self._watch(process)),
        )
        return replace(info, start_seconds=time.monotonic() - began_seconds)

    async def encode(self, prompt: Prompt) -> tuple[int, ...]:
        """Return the prompt's token ids; waits for the step that is being done."""
        return cast("tuple[int, ...]", await self._ask(prompt))

    async def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of token ids; waits for the step that is being done."""
        return cast("str", await self._ask(tuple(tokens)))

    def submit(self, request: GenerationRequest) -> None:
        """Let a request join at the next step."""
        self._started()
        if request.precision not in self._precisions:
            raise UnknownNameError("precision", request.precision, self._precisions)
        if request.number in self._running:
            raise InputError("number", f"a request {request.number} is running already")
        self._hand_over(request)
        self._running.add(request.number)
        self._owed.add(request.number)
        self._unread.add(request.number, request.prompt)

    def cancel(self, number: int) -> None:
        """Call a request off."""
        if number in self._owed:
            self._hand_over(Cancel(number))

    @property
    def running(self) -> frozenset[int]:
        """Numbers of the requests whose end has not been reported."""
        return frozenset(self._running)

    async def report(self) -> Report:
        """Wait for the next step, or for a request that ended without one."""
        if self._failure is not None and self._reports.empty():
            raise self._failure
        report = await self._reports.get()
        if isinstance(report, EdgebatchError):
            raise report
        self._running.difference_update(gain.number for gain in report.progress if gain.finish)
        return report

    async def memory_bytes(self) -> int | None:
        """Return the resident memory of the child."""
        return None if self._process is None else self._process.memory_bytes()

    async def stop(self) -> None:
        """End the child."""
        process, self._process = self._process, None
        if process is None:
            return
        for task in self._tasks:
            task.cancel()
        await process.stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = ()
        self._fail(EngineError(f"{self.name} has been stopped"))

    def _hand_over(self, message: GenerationRequest | Cancel) -> None:
        """Send what is asked of the child; engines of whole batches hold requests back."""
        self._started().send(message)

    def _started(self) -> ChildProcess:
        if self._process is None:
            raise EngineError(f"{self.name} is not running")
        return self._process

    async def _ask(self, content: Prompt | tuple[int, ...]) -> tuple[int, ...] | str:
        process = self._started()
        if self._failure is not None:
            raise self._failure
        number = next(self._question_numbers)
        # the step that is being done may be the one that reads all prompts
        patience_seconds = self._patience_seconds()
        answer: asyncio.Future[tuple[int, ...] | str]
        answer = asyncio.get_running_loop().create_future()
        self._questions[number] = answer
        process.send(Question(number, content))
        try:
            async with asyncio.timeout(patience_seconds):
                return await answer
        except TimeoutError:
            raise EngineError(f"{self.name} has not answered for {patience_seconds:g} s") from None
        finally:
            del self._questions[number]

    async def _listen(self, process: ChildProcess) -> None:
        """Sort what comes from the child until it dies."""
        while True:
            try:
                message = await process.receive()
            except EdgebatchError as error:
                self._fail(error)
                return
            self._is_heard = True
            if isinstance(message, Answer):
                self._answer(message)
            else:
                report = cast("Report", message)
                self._owed.difference_update(gain.number for gain in report.progress if gain.finish)
                for gain in report.progress:
                    self._unread.note(gain)
                self._reports.put_nowait(report)

    async def _watch(self, process: ChildProcess) -> None:
        """Kill a child that has requests to run and reports nothing."""
        # quiet ticks are counted, not time: a loop that was blocked has not listened meanwhile
        tick_seconds = self._step_timeout_seconds / _TICKS
        num_quiet = 0
        while num_quiet * tick_seconds < (patience_seconds := self._patience_seconds()):
            await asyncio.sleep(tick_seconds)
            num_quiet = num_quiet + 1 if self._owed and not self._is_heard else 0
            self._is_heard = False
        process.kill(
            f"{self.name} hangs: no step has ended for {patience_seconds:g} s "
            f"though {len(self._owed)} requests run"
        )

    def _patience_seconds(self) -> float:
        """Return how long the step that is being done may take."""
        return self._step_timeout_seconds + self._unread.seconds

    def _answer(self, answer: Answer) -> None:
        waiting = self._questions.get(answer.number)
        if waiting is None or waiting.done():
            return
        if isinstance(answer.content, Exception):
            waiting.set_exception(answer.content)
        else:
            waiting.set_result(answer.content)

    def _fail(self, error: EdgebatchError) -> None:
        """Let everyone who waits know that nothing more will come."""
        self._failure = self._failure or error
        self._running.clear()
        self._owed.clear()
        self._unread.clear()
        self._reports.put_nowait(self._failure)
        for waiting in self._questions.values():
            if not waiting.done():
                waiting.set_exception(self._failure)
