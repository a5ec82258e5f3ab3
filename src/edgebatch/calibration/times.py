"""Trials repeated in rounds until the time is up, and what came of them."""

from __future__ import annotations

import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from edgebatch.calibration.bench import Bench, Clock
from edgebatch.calibration.profile_schema import Errors
from edgebatch.calibration.samples import Kind, Sample
from edgebatch.calibration.trials import FEWEST_TIMED_PASSES, Trial

_MOST_ROUNDS = 7
_HELD_OUT_ROUNDS = 2


@dataclass(frozen=True, slots=True)
class Times:
    """What trials took.

    Attributes:
        fitted: samples to fit the cost model to, medians over the rounds.
        held_out: whole batches that the fit must not see, medians over two measurements.
        perfect_model: what a model that knows the true times would show on these: how far a
            measurement of each lies from the mean of its two, which is what predictions are
            judged by; None if the time was up before any was repeated.
        rounds: how often the grid was begun.
    """

    fitted: tuple[Sample, ...]
    held_out: tuple[Sample, ...]
    perfect_model: Errors | None
    rounds: int


async def measure_times(
    bench: Bench,
    trials: Sequence[Trial],
    budget_seconds: float,
    *,
    seed: int,
    on_progress: Callable[[float], None] = lambda _share: None,
    clock: Clock = time.monotonic,
) -> Times:
    """Run all trials in rounds, each in an order of its own, until the time is up.

    A drifting machine then blurs all samples alike and favours none.

    Args:
        bench: where to run them.
        trials: one round.
        budget_seconds: after this no trial is begun.
        seed: of the orders.
        on_progress: told which share of the budget has passed.
        clock: that the budget is measured by.

    Raises:
        EngineError: the engine failed.
    """
    began = clock()
    fitted: list[Sample] = []
    held_out: list[Sample] = []
    rounds = 0
    orders = random.Random(f"rounds {seed}")
    for rounds in range(1, _MOST_ROUNDS + 1):
        again = [trial for trial in trials if rounds <= _HELD_OUT_ROUNDS or not trial.held_out]
        for trial in orders.sample(again, len(again)):
            if clock() - began > budget_seconds:
                return _gathered(fitted, held_out, rounds)
            samples = await bench.run(trial)
            if trial.held_out:
                held_out.extend(sample for sample in samples if sample.kind is Kind.BATCH)
            else:
                fitted.extend(each for each in samples if bench.has_steps or _is_timed(each))
            on_progress(min(1.0, (clock() - began) / budget_seconds))
    return _gathered(fitted, held_out, rounds)


def _is_timed(sample: Sample) -> bool:
    """Return whether a stretch between two arrivals is long enough for its time to mean much."""
    return sample.kind is not Kind.DECODE or sample.passes >= FEWEST_TIMED_PASSES


def _gathered(fitted: Iterable[Sample], held_out: Sequence[Sample], rounds: int) -> Times:
    return Times(
        fitted=medians(fitted),
        held_out=medians(held_out),
        perfect_model=_perfect_model(held_out),
        rounds=rounds,
    )


def medians(samples: Iterable[Sample]) -> tuple[Sample, ...]:
    """Return one sample for all of the same passes of the same members."""
    return tuple(_median(alike) for alike in _alike(samples))


def _alike(samples: Iterable[Sample]) -> Iterable[list[Sample]]:
    groups: defaultdict[object, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.precision, sample.kind, tuple(sorted(sample.members))].append(sample)
    return groups.values()


def _median(samples: Sequence[Sample]) -> Sample:
    seconds = [sample.seconds for sample in samples]
    middle = statistics.median(seconds)
    lower, upper = np.quantile(seconds, (0.25, 0.75))
    return samples[0].replace(
        seconds=middle, repetitions=len(samples), spread=float(upper - lower) / 2.0 / middle
    )


def _perfect_model(held_out: Iterable[Sample]) -> Errors | None:
    # the mean of two errs as half of their difference does, if what disturbs them is independent
    deviations = [
        abs(first.seconds - second.seconds) / (first.seconds + second.seconds)
        for first, second, *_ in (alike for alike in _alike(held_out) if len(alike) > 1)
    ]
    return relative_errors(deviations) if deviations else None


def relative_errors(errors: Sequence[float]) -> Errors:
    """Return the summary of relative errors, at least one."""
    return Errors(
        count=len(errors),
        median=float(np.median(errors)),
        p95=float(np.quantile(errors, 0.95)),
        worst=float(max(errors)),
    )
