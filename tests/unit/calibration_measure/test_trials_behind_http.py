"""Trials on servers that cannot be told how long an answer shall be, or what a token is."""

from __future__ import annotations

import asyncio

import pytest
from toy_costs import MODEL, W8, toy_costs
from virtual_engine import VirtualEngine

from edgebatch.calibration.bench import Bench
from edgebatch.calibration.cuts import TextCuts, TokenCuts
from edgebatch.calibration.pilot import measured_pace
from edgebatch.calibration.plan import Limits
from edgebatch.calibration.samples import Kind, Member
from edgebatch.calibration.subject import Manner, Subject
from edgebatch.calibration.trials import Lengths, Trial
from edgebatch.engines import Engine, EngineInfo, Finish, Progress


class Hasty(VirtualEngine):
    """Ends every answer at its third token unless it is told to go on; counts prompts itself."""

    def _progress(self, number: int) -> Progress:
        request = self._requests[number]
        progress = super()._progress(number)
        ends = self._gained[number] == 3 and not request.sampling.ignore_end
        if ends and progress.finish is None:
            del self._requests[number]
            progress = progress._replace(finish=Finish.STOP)
        if progress.finish is not None:
            progress = progress._replace(prompt_tokens=len(request.prompt.text or "") // 2)
        return progress


def bench_of(engine: VirtualEngine, *, ignores_end: bool) -> Bench:
    cuts = TextCuts("never ending text ", characters_per_token=2.0, seed=0)
    return Bench(engine, has_steps=False, cuts=cuts, ignores_end=ignores_end, clock=engine.clock)


def test_prompts_are_as_long_as_the_server_says() -> None:
    engine = Hasty(toy_costs())
    bench = bench_of(engine, ignores_end=True)
    samples = asyncio.run(bench.run(Trial("w8", (Lengths(20, 5), Lengths(41, 5)))))
    assert samples[-1].kind is Kind.BATCH
    # 2 characters a token: 40 and 82 characters, which it counts as 20 and 41 tokens
    assert samples[-1].members == (Member(20, 5, joins=True), Member(41, 5, joins=True))
    assert bench.num_cut_short == 0


def test_of_answers_that_end_early_only_the_reading_counts() -> None:
    bench = bench_of(Hasty(toy_costs()), ignores_end=False)
    (prefill,) = asyncio.run(bench.run(Trial("w8", (Lengths(20, 5),))))
    assert prefill.kind is Kind.PREFILL
    assert bench.num_cut_short == 1


def test_answers_that_are_short_enough_count_in_full() -> None:
    bench = bench_of(Hasty(toy_costs()), ignores_end=False)
    samples = asyncio.run(bench.run(Trial("w8", (Lengths(20, 2),))))
    assert {sample.kind for sample in samples} == set(Kind)
    assert bench.num_cut_short == 0


def test_a_first_look_takes_only_steps_that_it_saw() -> None:
    class AtOnce(Hasty):
        def _progress(self, number: int) -> Progress:
            self._gained[number] += 2 * (self.steps % 3 > 0)
            return super()._progress(number)

    engine = AtOnce(toy_costs())
    pace = asyncio.run(measured_pace(bench_of(engine, ignores_end=False), "w8", Limits(1024)))
    # weights of 2e6 bytes at 2e9 bytes/s and 5e-4 s of overhead are 1.5e-3 s a pass
    assert pace.pass_seconds > 1e-4


def test_no_two_prompts_begin_alike_and_all_are_as_long_as_wanted() -> None:
    cuts = TokenCuts(range(1000), seed=1)
    prompts = [cuts.cut(1500).tokens or () for _ in range(5)]
    assert {len(prompt) for prompt in prompts} == {1500}
    assert len({prompt[0] for prompt in prompts}) == 5


def subject(**changes: object) -> Subject:
    def make(_: tuple[str, ...]) -> Engine:
        raise AssertionError

    return Subject(make, MODEL, (W8,), "text", **changes)  # type: ignore[arg-type]


def info(**settings: str) -> EngineInfo:
    return EngineInfo("openai", "1", "toy", ("w8",), 1000, settings=settings)


def test_a_server_elsewhere_is_not_held_to_this_machines_memory() -> None:
    told = info(cache_tokens=str(10**15))
    assert subject(is_elsewhere=True).limits(told).cache_tokens == 10**15
    assert (subject().limits(told).cache_tokens or 0) < 10**15


def test_what_the_operator_says_of_the_cache_outweighs_what_the_server_tells() -> None:
    assert subject(cache_tokens=7).capacity_tokens(info(cache_tokens="99")) == 7
    assert subject().capacity_tokens(info(cache_tokens="99")) == 99
    assert subject().capacity_tokens(info()) is None


def test_prompts_of_text_leave_room_in_the_context() -> None:
    manner = Manner(characters_per_token=4.0)
    # four fifths of 1000
    assert subject(manner=manner).limits(info()).max_context_tokens == 800
    assert subject().limits(info()).max_context_tokens == pytest.approx(1000)
