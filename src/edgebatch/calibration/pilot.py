"""A first look at an engine: how fast it is, roughly, so that trials can be planned."""

from __future__ import annotations

from collections.abc import Sequence

from edgebatch.calibration.bench import Bench
from edgebatch.calibration.plan import Limits, Pace, pilot_trials
from edgebatch.calibration.samples import Kind, Sample
from edgebatch.calibration.trials import Trial

_LEAST_SECONDS = 1e-9
_ATTEMPTS = 3


async def measured_pace(bench: Bench, precision: str, limits: Limits) -> Pace:
    """Return the pace of a precision; also warms it up.

    Raises:
        EngineError: the engine failed.
    """
    alone, longer, together = pilot_trials(precision, limits)
    await bench.run(together)
    await bench.run(longer)
    short_prefill, pass_seconds = await _figures(bench, alone)
    long_prefill, _ = await _figures(bench, longer)
    _, shared_pass = await _figures(bench, together)
    more_tokens = max(1, longer.prompt_tokens - alone.prompt_tokens)
    return Pace(
        prompt_token_seconds=max(_LEAST_SECONDS, (long_prefill - short_prefill) / more_tokens),
        pass_seconds=max(_LEAST_SECONDS, pass_seconds),
        member_seconds=max(0.0, (shared_pass - pass_seconds) / max(1, together.size - 1)),
    )


def slowest(paces: Sequence[Pace]) -> Pace:
    """Return a pace that none of these, at least one, is slower than."""
    return Pace(
        prompt_token_seconds=max(pace.prompt_token_seconds for pace in paces),
        pass_seconds=max(pace.pass_seconds for pace in paces),
        member_seconds=max(pace.member_seconds for pace in paces),
    )


async def _figures(bench: Bench, trial: Trial) -> tuple[float, float]:
    """Return the time that prompts take and that of a decode step, the least of some attempts.

    Were a pause of the machine taken for the engine's pace, too little would be planned.
    """
    attempts = [_prefill_and_step(await bench.run(trial)) for _ in range(_ATTEMPTS)]
    prefills, steps = zip(*attempts, strict=True)
    # an answer that ended at once shows no step
    return min(prefills), min((step for step in steps if step > 0.0), default=_LEAST_SECONDS)


def _prefill_and_step(samples: Sequence[Sample]) -> tuple[float, float]:
    prefill = sum(sample.seconds for sample in samples if sample.kind is Kind.PREFILL)
    decoding = [sample for sample in samples if sample.kind is Kind.DECODE]
    seconds = sum(sample.seconds for sample in decoding)
    return prefill, seconds / max(1, sum(sample.passes for sample in decoding))
