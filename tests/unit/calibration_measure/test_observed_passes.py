"""Reports to samples: who was in which pass."""

from __future__ import annotations

import pytest

from edgebatch.calibration.observed_passes import step_samples, stretch_samples
from edgebatch.calibration.samples import Kind, Member, Sample
from edgebatch.engines import Finish, Progress, Report


def step(seconds: float, *numbers: int, ending: tuple[int, ...] = ()) -> Report:
    progress = tuple(
        Progress(number, 1, finish=Finish.LENGTH if number in ending else None)
        for number in numbers
    )
    return Report(0.0, progress, seconds)


def test_prompts_read_in_one_step_are_one_sample_and_steps_alike_another() -> None:
    reports = [
        step(0.3, 1, 2),
        step(0.1, 1, 2),
        step(0.2, 1, 2, ending=(1, 2)),
    ]
    prefill, decode = step_samples("w8", {1: 10, 2: 20}, reports)
    both = (Member(10, joins=True), Member(20, joins=True))
    assert prefill == Sample("w8", Kind.PREFILL, both, 0.3)
    # the first decode step of a prompt of P tokens has a context of P + 1
    assert decode.members == (Member(11, 2), Member(21, 2))
    assert decode.kind is Kind.DECODE
    assert decode.seconds == pytest.approx(0.1 + 0.2)


def test_whoever_joins_late_is_read_in_a_pass_in_which_others_decode() -> None:
    reports = [step(0.3, 1), step(0.1, 1), step(0.4, 1, 2), step(0.2, 1, 2)]
    samples = step_samples("w8", {1: 10, 2: 5}, reports)
    assert [(sample.kind, sample.members) for sample in samples] == [
        (Kind.PREFILL, (Member(10, joins=True),)),
        (Kind.DECODE, (Member(11, 1),)),
        (Kind.PREFILL, (Member(5, joins=True), Member(12, 1))),
        (Kind.DECODE, (Member(6, 1), Member(13, 1))),
    ]


def test_a_stretch_ends_when_a_member_leaves() -> None:
    reports = [step(0.3, 1, 2), step(0.5, 1, 2, ending=(2,)), step(0.25, 1), step(0.25, 1)]
    samples = step_samples("w8", {1: 10, 2: 5}, reports)
    assert [(sample.members, sample.seconds) for sample in samples[1:]] == [
        ((Member(6, 1), Member(11, 1)), 0.5),
        ((Member(12, 2),), 0.5),
    ]


def test_a_step_that_reads_a_part_of_a_prompt_counts_with_the_one_that_reads_the_rest() -> None:
    reports = [step(0.5), step(0.25, 1), step(0.125, 1)]
    samples = step_samples("w8", {1: 900}, reports)
    assert [sample.seconds for sample in samples] == [0.5 + 0.25, 0.125]
    assert samples[0].passes == 1


def test_without_steps_a_stretch_lasts_until_the_last_first_token_and_one_to_the_first_end() -> (
    None
):
    def at(instant: float, *gains: Progress) -> Report:
        return Report(instant, gains)

    reports = [
        at(10.4, Progress(1, 1)),
        at(10.5, Progress(1, 1), Progress(2, 1)),
        at(10.6, Progress(1, 2), Progress(2, 2)),
        at(10.7, Progress(1, 1), Progress(2, 1, finish=Finish.LENGTH)),
        at(10.8, Progress(1, 1, finish=Finish.LENGTH)),
    ]
    first, second = stretch_samples("w8", {1: 10, 2: 20}, reports, submitted_seconds=10.0)
    # the one has decoded once while the other was still being read
    assert first.members == (Member(10, 2, joins=True), Member(20, 1, joins=True))
    assert first.kind is Kind.PREFILL
    assert first.seconds == pytest.approx(10.5 - 10.0)
    assert second.members == (Member(12, 3), Member(21, 3))
    assert second.kind is Kind.DECODE
    assert second.seconds == pytest.approx(10.7 - 10.5)


def test_an_answer_of_one_token_gives_no_decode_stretch() -> None:
    reports = [Report(1.0, (Progress(1, 1, finish=Finish.LENGTH),))]
    (sample,) = stretch_samples("w8", {1: 10}, reports, submitted_seconds=0.5)
    assert (sample.kind, sample.seconds) == (Kind.PREFILL, 0.5)
