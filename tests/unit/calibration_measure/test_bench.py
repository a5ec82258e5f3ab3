"""Trials on an engine, and the cost model found again from what they show."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from toy_costs import F16, MODEL, NODE, W8, toy_costs
from virtual_engine import VirtualEngine

from edgebatch.calibration.bench import Bench
from edgebatch.calibration.cuts import TokenCuts
from edgebatch.calibration.fit import Fit, fit_samples
from edgebatch.calibration.plan import Effort, Limits, Pace, planned_trials
from edgebatch.calibration.samples import Kind, Member, Sample
from edgebatch.calibration.times import Times, measure_times, medians
from edgebatch.calibration.trials import Lengths, Trial
from edgebatch.cost import BatchCost
from edgebatch.errors import EngineError

TEXT = tuple(range(500))
PACE = Pace(prompt_token_seconds=1e-4, pass_seconds=3e-3, member_seconds=1e-4)


def bench_of(engine: VirtualEngine, *, has_steps: bool = True) -> Bench:
    return Bench(engine, has_steps=has_steps, cuts=TokenCuts(TEXT, seed=0), clock=engine.clock)


def run(engine: VirtualEngine, trial: Trial, *, has_steps: bool = True) -> list[Sample]:
    return asyncio.run(bench_of(engine, has_steps=has_steps).run(trial))


def measure(
    engine: VirtualEngine, *, has_steps: bool = True, budget_seconds: float = 60.0
) -> Times:
    effort = Effort(budget_seconds=10.0, held_out=8, has_steps=has_steps)
    trials = planned_trials(("f16", "w8"), Limits(1024), PACE, effort, seed=0)
    bench = bench_of(engine, has_steps=has_steps)
    measured = measure_times(bench, trials, budget_seconds, seed=0, clock=engine.clock)
    return asyncio.run(measured)


def seconds_of(cost: BatchCost, prompts: Sequence[float]) -> float:
    return cost.step_seconds + sum(cost.prefill_seconds(prompt) for prompt in prompts)


def test_a_trial_shows_its_prefill_its_decode_steps_and_the_whole_batch() -> None:
    engine = VirtualEngine(toy_costs())
    prefill, decode, batch = run(engine, Trial("w8", (Lengths(20, 5), Lengths(40, 5))))
    assert prefill.seconds == pytest.approx(seconds_of(engine.costs["w8"], (20.0, 40.0)))
    assert (decode.kind, decode.members) == (Kind.DECODE, (Member(21, 4), Member(41, 4)))
    assert batch.kind is Kind.BATCH
    assert batch.seconds == pytest.approx(prefill.seconds + decode.seconds)
    assert not engine.running


def test_joiners_are_read_while_the_others_decode() -> None:
    trial = Trial("f16", (Lengths(10, 6),) * 2, (Lengths(30, 2),))
    samples = run(VirtualEngine(toy_costs()), trial)
    assert Kind.BATCH not in {sample.kind for sample in samples}
    mixed = samples[1]
    assert mixed.members == (Member(11, 1), Member(11, 1), Member(30, 1, joins=True))


def test_memory_is_read_while_prompts_are_in_the_cache() -> None:
    engine = VirtualEngine(toy_costs())

    async def filled() -> tuple[int | None, tuple[int, int | None]]:
        before = await engine.memory_bytes()
        return before, await bench_of(engine).fill("f16", (Lengths(99, 50),) * 3, at_once=2)

    before, (tokens, held) = asyncio.run(filled())
    assert before is not None
    assert held is not None
    # 2 prompts of 99 tokens and a first token each; a third, while these gain another
    assert tokens == 2 * 100 + 100 + 2
    assert held - before == pytest.approx(tokens * engine.costs["f16"].kv_bytes_per_token, abs=1)
    assert not engine.running


def test_without_noise_the_fit_finds_the_cost_model_again() -> None:
    engine = VirtualEngine(toy_costs())
    times = measure(engine)
    fit = fit_samples(times.fitted, NODE, MODEL, (F16, W8))
    assert fit.errors(times.held_out).worst < 1e-6
    assert times.perfect_model is not None
    assert times.perfect_model.worst < 1e-9
    for precision in fit.precisions:
        found = BatchCost(fit.node, fit.model, precision)
        true = engine.costs[precision.name]
        assert found.step_seconds == pytest.approx(true.step_seconds, rel=1e-6)
        assert found.step_coefficients() == pytest.approx(true.step_coefficients(), rel=1e-5)
        assert found.prefill_seconds(100.0) == pytest.approx(true.prefill_seconds(100.0), rel=1e-6)


def test_with_noise_it_finds_it_within_the_noise() -> None:
    engine = VirtualEngine(toy_costs(), noise=0.1)
    times = measure(engine)
    fit = fit_samples(times.fitted, NODE, MODEL, (F16, W8))
    for precision in fit.precisions:
        found = BatchCost(fit.node, fit.model, precision)
        assert found.step_seconds == pytest.approx(
            engine.costs[precision.name].step_seconds, rel=0.05
        )
    assert fit.errors(times.held_out).median < 0.02


def test_the_true_model_shows_about_the_errors_that_repetition_says_it_would() -> None:
    engine = VirtualEngine(toy_costs(), noise=0.5)
    trials = [Trial("w8", (Lengths(20 + k, 4),), held_out=True) for k in range(200)]
    measured = measure_times(bench_of(engine), trials, 60.0, seed=0, clock=engine.clock)
    times = asyncio.run(measured)
    true = Fit(NODE, MODEL, (F16, W8)).errors(times.held_out)
    assert times.perfect_model is not None
    assert times.perfect_model.median == pytest.approx(true.median, rel=0.2)
    assert times.perfect_model.p95 == pytest.approx(true.p95, rel=0.2)


def test_an_engine_without_steps_is_fitted_as_well() -> None:
    engine = VirtualEngine(toy_costs(), has_steps=False)
    times = measure(engine, has_steps=False)
    fit = fit_samples(times.fitted, NODE, MODEL, (F16, W8))
    assert fit.errors(times.held_out).worst < 1e-6


@pytest.mark.parametrize("has_steps", [True, False])
def test_decoding_of_few_passes_is_fitted_only_where_steps_are_told(has_steps: bool) -> None:
    engine = VirtualEngine(toy_costs(), has_steps=has_steps)
    trials = [Trial("w8", (Lengths(20, output),)) for output in (2, 4, 5)]
    bench = bench_of(engine, has_steps=has_steps)
    times = asyncio.run(measure_times(bench, trials, 60.0, seed=0, clock=engine.clock))
    decoding = [sample.passes for sample in times.fitted if sample.kind is Kind.DECODE]
    # after the first token
    assert sorted(decoding) == ([1, 3, 4] if has_steps else [4])


def test_without_steps_joiners_stay_long_enough_for_their_decoding_to_be_timed() -> None:
    effort = Effort(budget_seconds=60.0, has_steps=False)
    trials = planned_trials(("w8",), Limits(1024), PACE, effort, seed=0)
    joined = [trial for trial in trials if trial.joiners]
    assert joined
    for trial in joined:
        samples = run(VirtualEngine(toy_costs(), has_steps=False), trial, has_steps=False)
        assert [sample.kind for sample in samples] == [Kind.PREFILL, Kind.DECODE]
        assert samples[1].size == trial.size
        assert samples[1].passes >= 4


def test_an_engine_that_runs_one_request_at_a_time_is_fitted_as_well() -> None:
    engine = VirtualEngine(toy_costs())
    effort = Effort(budget_seconds=10.0, held_out=4)
    trials = planned_trials(("f16", "w8"), Limits(1024, max_running=1), PACE, effort, seed=0)
    measured = measure_times(bench_of(engine), trials, 60.0, seed=0, clock=engine.clock)
    times = asyncio.run(measured)
    assert {sample.size for sample in (*times.fitted, *times.held_out)} == {1}
    fit = fit_samples(times.fitted, NODE, MODEL, (F16, W8))
    assert fit.errors(times.held_out).worst < 1e-6


def test_held_out_batches_are_measured_twice_and_never_fitted() -> None:
    times = measure(VirtualEngine(toy_costs()))
    assert {sample.repetitions for sample in times.held_out} == {2}
    members = {tuple(sorted(sample.members)) for sample in times.fitted}
    assert not any(tuple(sorted(sample.members)) in members for sample in times.held_out)
    assert {sample.repetitions for sample in times.fitted if sample.kind is Kind.BATCH} == {7}


def test_no_trial_is_begun_when_the_time_is_up() -> None:
    engine = VirtualEngine(toy_costs())
    times = measure(engine, budget_seconds=0.5)
    assert times.rounds == 1
    # the dearest trial of the plan takes 10 s / 3 / 2 at most
    assert engine.now < 0.5 + 10.0 / 6.0


def test_repetitions_become_a_median_and_a_spread() -> None:
    samples = [
        Sample("w8", Kind.DECODE, (Member(10), Member(20)), 4.0),
        Sample("w8", Kind.DECODE, (Member(20), Member(10)), 1.0),
        Sample("w8", Kind.DECODE, (Member(10), Member(20)), 2.0),
        Sample("f16", Kind.DECODE, (Member(10), Member(20)), 9.0),
    ]
    merged, other = medians(samples)
    # quartiles of 1, 2, 4 are 1.5 and 3
    assert (merged.seconds, merged.repetitions, merged.spread) == (2.0, 3, (3.0 - 1.5) / 2.0 / 2.0)
    assert (other.seconds, other.repetitions, other.spread) == (9.0, 1, 0.0)


def test_an_engine_that_dies_ends_the_measurement() -> None:
    with pytest.raises(EngineError, match="has died"):
        measure(VirtualEngine(toy_costs(), dies_after_steps=30))
