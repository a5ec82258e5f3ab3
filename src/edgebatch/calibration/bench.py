"""Running trials on a started engine."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count

from edgebatch.calibration.observed_passes import step_samples, stretch_samples
from edgebatch.calibration.samples import Sample, batch_sample
from edgebatch.calibration.trials import Lengths, Trial
from edgebatch.engines import (
    Engine,
    Finish,
    GenerationRequest,
    Prompt,
    Report,
    Sampling,
)
from edgebatch.errors import EngineError

Clock = Callable[[], float]

_TO_THE_LIMIT = Sampling(ignore_end=True)


class Bench:
    """Gives a started engine trials, one after the other, and turns its reports into samples.

    Args:
        engine: started; nothing else may run on it.
        has_steps: whether its reports are its steps.
        text: token ids of real text, of which prompts are cut anywhere.
        seed: of where they are cut.
        clock: that of the engine's reports.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        has_steps: bool,
        text: Sequence[int],
        seed: int,
        clock: Clock = time.monotonic,
    ) -> None:
        self._engine = engine
        self._has_steps = has_steps
        self._text = tuple(text)
        self._random = random.Random(seed)
        self._numbers: Iterator[int] = count()
        self._clock = clock

    async def run(self, trial: Trial) -> list[Sample]:
        """Return what the trial showed: its passes, and all of it as a batch if nobody joins later.

        Raises:
            EngineError: the engine failed, or could not take a request of the trial.
        """
        submitted = self._clock()
        prompts = self._submit(trial.precision, trial.members)
        reports = await self._until_all_decode(set(prompts)) if trial.joiners else []
        prompts |= self._submit(trial.precision, trial.joiners)
        reports += await self._until_done()
        ended = reports[-1].at_seconds - submitted
        if self._has_steps:
            samples = step_samples(trial.precision, prompts, reports)
        else:
            samples = stretch_samples(trial.precision, prompts, reports, submitted)
        if not trial.joiners:
            reads = [lengths.prompt_tokens for lengths in trial.members]
            answers = [lengths.output_tokens for lengths in trial.members]
            samples.append(batch_sample(trial.precision, reads, answers, ended))
        return samples

    async def fill(
        self, precision: str, members: Sequence[Lengths], at_once: int
    ) -> tuple[int, int | None]:
        """Return tokens in the cache and the engine's memory once all have joined.

        Args:
            precision: in which they run.
            members: their answers must last until all have joined.
            at_once: how many of them join together.

        Raises:
            EngineError: the engine failed, or could not take a request.
        """
        tokens = 0
        for first in range(0, len(members), at_once):
            prompts = self._submit(precision, members[first : first + at_once])
            reports = await self._until_all_decode(set(prompts))
            gained = sum(each.num_tokens for report in reports for each in report.progress)
            tokens += sum(prompts.values()) + gained
        held = await self._engine.memory_bytes()
        for number in self._engine.running:
            self._engine.cancel(number)
        await self._until_done()
        return tokens, held

    def _submit(self, precision: str, members: Sequence[Lengths]) -> dict[int, int]:
        requests = [
            GenerationRequest(
                next(self._numbers),
                Prompt(tokens=self._cut(lengths.prompt_tokens)),
                lengths.output_tokens,
                precision,
                _TO_THE_LIMIT,
            )
            for lengths in members
        ]
        for request in requests:
            self._engine.submit(request)
        return {
            request.number: lengths.prompt_tokens
            for request, lengths in zip(requests, members, strict=True)
        }

    def _cut(self, length: int) -> tuple[int, ...]:
        start = self._random.randrange(len(self._text))
        repeated = self._text[start:] + self._text
        while len(repeated) < length:
            repeated += self._text
        return repeated[:length]

    async def _until_all_decode(self, waiting: set[int]) -> list[Report]:
        reports = []
        while waiting:
            reports.append(await self._report())
            waiting -= {
                each.number for each in reports[-1].progress if each.num_tokens or each.finish
            }
        return reports

    async def _until_done(self) -> list[Report]:
        reports = []
        while self._engine.running:
            reports.append(await self._report())
        return reports

    async def _report(self) -> Report:
        report = await self._engine.report()
        for progress in report.progress:
            if progress.finish is Finish.FAILED:
                raise EngineError(f"the engine could not go on with a request: {progress.error}")
        return report
