"""Running trials on a started engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count

from edgebatch.calibration.cuts import Cuts
from edgebatch.calibration.observed_passes import padded_samples, step_samples, stretch_samples
from edgebatch.calibration.samples import Kind, Sample, batch_sample
from edgebatch.calibration.trials import Lengths, Trial
from edgebatch.engines import (
    Engine,
    Finish,
    GenerationRequest,
    Report,
    Sampling,
)
from edgebatch.errors import EngineError

Clock = Callable[[], float]


class Bench:
    """Gives a started engine trials, one after the other, and turns its reports into samples.

    Args:
        engine: started; nothing else may run on it.
        has_steps: whether its reports are its steps.
        cuts: where prompts come from.
        ignores_end: whether it can be told to go on after the end of an answer.
        is_padded: whether it runs those who join together as one padded batch, which nobody joins.
        clock: that of the engine's reports.

    Attributes:
        has_steps, is_padded: as given.
        num_cut_short: trials in which an answer ended before its limit.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        has_steps: bool,
        cuts: Cuts,
        ignores_end: bool = True,
        is_padded: bool = False,
        clock: Clock = time.monotonic,
    ) -> None:
        self._engine = engine
        self.has_steps = has_steps
        self._cuts = cuts
        self._sampling = Sampling(ignore_end=ignores_end)
        self.is_padded = is_padded
        self.num_cut_short = 0
        self._numbers: Iterator[int] = count()
        self._clock = clock

    async def run(self, trial: Trial) -> list[Sample]:
        """Return what the trial showed: its passes, and all of it as a batch if nobody joins later.

        If an answer ended before its limit, only the reading of the prompts: what the end itself
        took is not known.

        Raises:
            EngineError: the engine failed, or could not take a request of the trial.
        """
        submitted = self._clock()
        prompts = self._submit(trial.precision, trial.members)
        reports = await self._until_all_decode(set(prompts)) if trial.joiners else []
        prompts |= self._submit(trial.precision, trial.joiners)
        reports += await self._until_done()
        ended = reports[-1].at_seconds - submitted
        prompts |= _counted_prompts(reports)
        answers = [lengths.output_tokens for lengths in (*trial.members, *trial.joiners)]
        if self.is_padded:
            return padded_samples(trial.precision, list(prompts.values()), answers, reports, ended)
        if self.has_steps:
            samples = step_samples(trial.precision, prompts, reports)
        else:
            samples = stretch_samples(trial.precision, prompts, reports, submitted)
        if any(each.finish is Finish.STOP for report in reports for each in report.progress):
            self.num_cut_short += 1
            return [sample for sample in samples if sample.kind is Kind.PREFILL]
        if not trial.joiners:
            reads = list(prompts.values())
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
                self._cuts.cut(lengths.prompt_tokens),
                lengths.output_tokens,
                precision,
                self._sampling,
            )
            for lengths in members
        ]
        for request in requests:
            self._engine.submit(request)
        return {
            request.number: lengths.prompt_tokens
            for request, lengths in zip(requests, members, strict=True)
        }

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


def _counted_prompts(reports: Sequence[Report]) -> dict[int, int]:
    """Return the tokens of prompts as the engine counted them, where it did."""
    return {
        each.number: each.prompt_tokens
        for report in reports
        for each in report.progress
        if each.prompt_tokens
    }
