"""From an engine's reports to samples: who was in which pass, and how long it took.

Nothing is assumed about who joins when; only what the reports say counts. An engine that takes
the first request before it has seen the second gives two samples in place of one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from edgebatch.calibration.samples import Kind, Member, Sample, batch_sample
from edgebatch.engines import Report


def step_samples(
    precision: str, prompts: Mapping[int, int], reports: Iterable[Report]
) -> list[Sample]:
    """Return the passes of an engine whose reports are its steps.

    A pass in which a prompt is read is a sample of its own; passes in which the same members
    decode are one.

    Args:
        precision: in which all ran.
        prompts: prompt tokens of each request, by its number.
        reports: in order, from the first step on.
    """
    samples: list[Sample] = []
    stretch = _Stretch(prompts)
    for report in reports:
        joins = any(gain and stretch.is_new(number) for number, gain in _gains(report))
        if joins or stretch.members_change(report):
            samples.extend(stretch.cut(precision))
        stretch.add(report, report.step_seconds or 0.0)
        if joins and stretch.gained:
            samples.extend(stretch.cut(precision))
    samples.extend(stretch.cut(precision))
    return samples


def stretch_samples(
    precision: str, prompts: Mapping[int, int], reports: Sequence[Report], submitted_seconds: float
) -> list[Sample]:
    """Return two samples of an engine that does not tell its steps.

    One lasts from submission until everyone has a first token, the other from then until the
    first of them ends.

    Args:
        precision: in which all ran.
        prompts: prompt tokens of each request, by its number; all were submitted together.
        reports: in order.
        submitted_seconds: when they were submitted, on the clock of the reports.
    """
    samples: list[Sample] = []
    stretch = _Stretch(prompts)
    waiting = set(prompts)
    since = submitted_seconds
    for report in reports:
        stretch.add(report, report.at_seconds - since)
        since = report.at_seconds
        if waiting:
            waiting -= {number for number, gain in _gains(report) if gain}
            if not waiting:
                samples.extend(stretch.cut(precision))
        if any(progress.finish for progress in report.progress):
            break
    if not waiting:
        samples.extend(stretch.cut(precision))
    return samples


def padded_samples(
    precision: str,
    prompts: Sequence[int],
    outputs: Sequence[int],
    reports: Iterable[Report],
    seconds: float,
) -> list[Sample]:
    """Return the samples of one padded batch: its prefill, its decode passes and all of it.

    Everyone counts with the longest prompt and the longest output, as in
    :attr:`edgebatch.problem.Batching.PADDED`: whoever is done still takes part in every pass.

    Args:
        precision: in which it ran.
        prompts: prompt tokens of each member.
        outputs: tokens of each answer.
        reports: its steps, in order.
        seconds: from submission to the last token.
    """
    size, prompt, output = len(prompts), max(prompts), max(outputs)
    first, *others = [report.step_seconds for report in reports if report.step_seconds is not None]
    samples = [Sample(precision, Kind.PREFILL, (Member(prompt, joins=True),) * size, first)]
    if others:
        decoding = (Member(prompt + 1, len(others)),) * size
        samples.append(Sample(precision, Kind.DECODE, decoding, sum(others)))
    return [*samples, batch_sample(precision, [prompt] * size, [output] * size, seconds)]


def _gains(report: Report) -> Iterator[tuple[int, int]]:
    return ((progress.number, progress.num_tokens) for progress in report.progress)


class _Stretch:
    """Passes that are being gathered into one sample."""

    def __init__(self, prompts: Mapping[int, int]) -> None:
        self._prompts = prompts
        self._before: Counter[int] = Counter()
        self.gained: Counter[int] = Counter()
        self._seconds = 0.0

    def is_new(self, number: int) -> bool:
        return not self._before[number] and not self.gained[number]

    def members_change(self, report: Report) -> bool:
        present = {number for number, gain in _gains(report) if gain}
        return bool(self.gained) and bool(present) and present != set(self.gained)

    def add(self, report: Report, seconds: float) -> None:
        for number, gain in _gains(report):
            if gain:
                self.gained[number] += gain
        # a pass that gives nobody a token reads part of a prompt: it belongs to the next one
        self._seconds += seconds

    def cut(self, precision: str) -> Iterator[Sample]:
        """Give what was gathered, unless there is nothing, and begin anew."""
        if self.gained and self._seconds > 0.0:
            members = tuple(sorted(self._member(number) for number in self.gained))
            joins = any(member.joins for member in members)
            yield Sample(precision, Kind.PREFILL if joins else Kind.DECODE, members, self._seconds)
        if self.gained:
            self._seconds = 0.0
        self._before += self.gained
        self.gained = Counter()

    def _member(self, number: int) -> Member:
        passes = self.gained[number]
        before = self._before[number]
        tokens = self._prompts[number] + before
        return Member(tokens, passes, joins=before == 0)
