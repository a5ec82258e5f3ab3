"""Engines that pad: samples, and the cost model found again from them."""

from __future__ import annotations

import asyncio

import pytest
from toy_costs import F16, MODEL, NODE, W8, toy_costs
from virtual_engine import VirtualEngine

from edgebatch.calibration.bench import Bench
from edgebatch.calibration.cuts import TokenCuts
from edgebatch.calibration.fit import fit_samples
from edgebatch.calibration.memory import measured_memory
from edgebatch.calibration.observed_passes import padded_samples
from edgebatch.calibration.plan import Effort, Limits, Pace, planned_trials
from edgebatch.calibration.samples import Kind, Member
from edgebatch.calibration.times import measure_times
from edgebatch.calibration.trials import Lengths, Trial, uneven
from edgebatch.engines import Progress, Report

PACE = Pace(prompt_token_seconds=1e-4, pass_seconds=3e-3, member_seconds=1e-4)


class PaddedEngine(VirtualEngine):
    """Charges every row with the longest prompt, until the longest answer is done."""

    rows = 0
    prompt = 0
    passes = 0

    def _step_seconds(self) -> float:
        if not any(self._gained[number] for number in self._requests):
            prompts = [len(each.prompt.tokens or ()) for each in self._requests.values()]
            self.rows, self.prompt, self.passes = len(prompts), max(prompts), 0
        (name,) = {request.precision for request in self._requests.values()}
        cost = self.costs[name]
        per_step, per_token = cost.step_coefficients()
        row = (
            per_step + per_token * (self.prompt + self.passes)
            if self.passes
            else cost.prefill_seconds(float(self.prompt))
        )
        self.passes += 1
        return cost.step_seconds + self.rows * row


def bench_of(engine: VirtualEngine) -> Bench:
    cuts = TokenCuts(range(500), seed=0)
    return Bench(engine, has_steps=True, cuts=cuts, is_padded=True, clock=engine.clock)


def step(at: float, *numbers: int) -> Report:
    return Report(at, tuple(Progress(number, 1) for number in numbers), 1.0)


def test_everyone_counts_with_the_longest_prompt_and_the_longest_answer() -> None:
    reports = [step(1.0, 0, 1), step(2.0, 0, 1), step(3.0, 1)]
    prefill, decode, batch = padded_samples("f16", [4, 9], [2, 3], reports, 3.5)
    assert prefill.members == (Member(9, 1, joins=True),) * 2
    # 3 tokens: one of the prefill, two decode passes from context 9 + 1 on, 1 s each
    assert decode.members == (Member(10, 2),) * 2
    assert decode.seconds == 2.0
    assert (batch.kind, batch.seconds) == (Kind.BATCH, 3.5)
    assert batch.members == (Member(9, 3, joins=True),) * 2


def test_answers_of_one_token_have_no_decode_passes() -> None:
    samples = padded_samples("f16", [4], [1], [step(1.0, 0)], 1.5)
    assert [sample.kind for sample in samples] == [Kind.PREFILL, Kind.BATCH]


def test_the_last_of_several_prompts_is_a_token_shorter() -> None:
    even = (Lengths(16, 5),) * 3
    assert uneven(Trial("", even)).members == (Lengths(16, 5), Lengths(16, 5), Lengths(15, 5))
    assert uneven(Trial("", even[:1])).members == even[:1]


def test_the_fit_finds_the_cost_model_of_a_padding_engine_again() -> None:
    engine = PaddedEngine(toy_costs())
    effort = Effort(budget_seconds=10.0, held_out=6, joining=False, uneven=True)
    trials = planned_trials(("f16", "w8"), Limits(1024), PACE, effort, seed=0)
    assert not any(trial.joiners for trial in trials)
    measured = measure_times(bench_of(engine), trials, 60.0, seed=0, clock=engine.clock)
    times = asyncio.run(measured)
    fit = fit_samples(times.fitted, NODE, MODEL, (F16, W8))
    assert times.held_out
    assert fit.errors(times.held_out).worst < 1e-6


def test_memory_is_read_with_one_batch_only() -> None:
    engine = VirtualEngine(toy_costs()[:1])
    limits = Limits(1024, cache_tokens=2048)
    memory = asyncio.run(
        measured_memory(bench_of(engine), "f16", 1000, limits, PACE, budget_seconds=5.0)
    )
    (filled,) = memory.filled
    # two requests of 448 + 448 tokens fit, and are in the cache with a first token each
    assert filled.at_once
    assert filled.tokens == pytest.approx(2 * 449)
