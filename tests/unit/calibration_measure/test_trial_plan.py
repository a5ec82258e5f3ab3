"""Which trials are planned."""

from __future__ import annotations

from itertools import pairwise

import pytest

from edgebatch.calibration.plan import Effort, Limits, Pace, pilot_trials, planned_trials
from edgebatch.calibration.trials import Lengths, Trial

QUICK = Pace(prompt_token_seconds=1e-6, pass_seconds=1e-4, member_seconds=1e-6)
SLOW = Pace(prompt_token_seconds=1e-2, pass_seconds=0.2, member_seconds=0.05)
ROOMY = Limits(max_context_tokens=1024)


def plan(
    pace: Pace = QUICK, limits: Limits = ROOMY, budget_seconds: float = 60.0, seed: int = 0
) -> list[Trial]:
    effort = Effort(budget_seconds, held_out=8)
    return planned_trials(("f16", "w8"), limits, pace, effort, seed=seed)


def test_one_round_takes_at_most_half_the_time_a_third_of_that_for_held_out_batches() -> None:
    for pace in (QUICK, SLOW):
        for held_out, share in ((False, 1.0 / 3.0), (True, 1.0 / 6.0)):
            trials = [trial for trial in plan(pace) if trial.held_out == held_out]
            assert trials
            assert sum(map(pace.seconds, trials)) <= share * 60.0


def test_a_slow_model_gets_fewer_and_shorter_trials() -> None:
    assert 0 < len(plan(SLOW)) < len(plan(QUICK))
    assert max(trial.cached_tokens for trial in plan(SLOW)) < max(
        trial.cached_tokens for trial in plan(QUICK)
    )


def test_a_slower_model_gets_fewer_sizes_before_it_loses_large_ones() -> None:
    slower = Pace(prompt_token_seconds=2.5e-4, pass_seconds=0.0125, member_seconds=1.25e-3)

    def sizes(pace: Pace) -> set[int]:
        trials = [trial for trial in plan(pace) if not trial.joiners]
        return {trial.size for trial in trials if len(set(trial.members)) == 1}

    assert sizes(QUICK) == {1, 2, 4, 8, 16, 32}
    assert sizes(slower) == {1, 4, 16}


@pytest.mark.parametrize(
    "limits",
    [Limits(128), Limits(4096, max_running=4), Limits(1024, cache_tokens=2000), Limits(64, 1)],
)
def test_no_trial_asks_for_more_than_the_engine_can_take(limits: Limits) -> None:
    trials = plan(limits=limits)
    assert len(trials) > 16
    for trial in (*trials, *pilot_trials("f16", limits)):
        assert limits.allow(trial)


def test_precisions_meet_the_same_trials_but_not_one_after_the_other() -> None:
    trials = plan()

    def shapes(precision: str) -> list[str]:
        return sorted(
            str((trial.members, trial.joiners)) for trial in trials if trial.precision == precision
        )

    assert shapes("f16") == shapes("w8")
    changes = sum(one.precision != other.precision for one, other in pairwise(trials))
    assert changes > len(trials) / 3


def test_typical_batches_are_drawn_apart_from_those_held_out() -> None:
    def drawn(*, held_out: bool) -> set[tuple[Lengths, ...]]:
        trials = [trial for trial in plan() if trial.held_out == held_out and not trial.joiners]
        return {trial.members for trial in trials if len(set(trial.members)) > 1}

    typical = drawn(held_out=False)
    assert {len(members) for members in typical} == {2, 4, 8, 16, 32}
    assert not typical & drawn(held_out=True)


def test_held_out_batches_are_ragged_and_of_sizes_off_the_grid() -> None:
    on_grid = {trial.size for trial in plan() if not trial.held_out and not trial.joiners}
    held_out = [trial for trial in plan() if trial.held_out]
    assert {trial.size for trial in held_out if trial.size > 1}.isdisjoint(on_grid)
    assert any(len(set(trial.members)) > 1 for trial in held_out)


def test_the_seed_decides_order_and_held_out_lengths() -> None:
    assert plan() == plan()
    assert plan(seed=1) != plan()


def test_a_trial_knows_what_it_takes() -> None:
    trial = Trial("w8", (Lengths(10, 4), Lengths(20, 6)), (Lengths(30, 2),))
    # 10 + 4 + 20 + 6 + 30 + 2, 10 + 20 + 30, 6 + 2
    assert (trial.cached_tokens, trial.prompt_tokens, trial.passes) == (72, 60, 8)
    assert Pace(0.01, 0.1, 0.02).seconds(trial) == pytest.approx(60 * 0.01 + 8 * (0.1 + 2 * 0.02))
