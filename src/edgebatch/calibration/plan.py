"""Which trials to run in the time there is."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from edgebatch.calibration.trials import (
    FEWEST_TIMED_PASSES,
    Lengths,
    Trial,
    level_trial,
    uneven,
)

_PROMPTS = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
_LARGEST_SIZE = 32
_LEAST_SHARE = 0.85
"""With fewer of its trials affordable, a grid is thinned; corners tell more than neighbours."""
_FEWEST_PASSES = 4
_GRID_SHARE, _TYPICAL_SHARE, _HELD_OUT_SHARE = 0.22, 0.12, 0.16
"""Of the time there is, what each takes in one round."""
_ON_GRID_SIZES, _OFF_GRID_SIZES = (1, 2, 4, 8, 16, 32), (1, 3, 5, 7, 11, 14, 21, 27)
_LARGEST_SHARE = 0.25
"""Of the time for drawn batches, what any of them may take."""

# real-looking lengths: half of the prompts lie between 50 and 220 tokens, half of the answers
# between 20 and 70, and both have long tails; like those of chats, scaled to small models
_MEDIAN_PROMPT, _PROMPT_SPREAD = 105.0, 1.1
_MEDIAN_OUTPUT, _OUTPUT_SPREAD = 37.0, 0.9


@dataclass(frozen=True, slots=True)
class Limits:
    """What an engine can take.

    Attributes:
        max_context_tokens: most tokens of prompt and answer of one request.
        max_running: most requests at once; None for any number.
        cache_tokens: most tokens of all requests together; None for any number.
    """

    max_context_tokens: int
    max_running: int | None = None
    cache_tokens: int | None = None

    def allow(self, trial: Trial) -> bool:
        """Return whether the engine can run a trial without turning anyone away."""
        longest = max(sum(lengths) for lengths in (*trial.members, *trial.joiners))
        return (
            longest <= self.max_context_tokens
            and (self.max_running is None or trial.size <= self.max_running)
            and (self.cache_tokens is None or trial.cached_tokens <= self.cache_tokens)
        )


@dataclass(frozen=True, slots=True)
class Pace:
    """Roughly how fast the slowest precision is: enough to plan by.

    Attributes:
        prompt_token_seconds: of a token that is read.
        pass_seconds: of a pass with one member.
        member_seconds: of each further member of a pass.
    """

    prompt_token_seconds: float
    pass_seconds: float
    member_seconds: float

    def seconds(self, trial: Trial) -> float:
        """Return about how long a trial takes."""
        each = self.pass_seconds + (trial.size - 1) * self.member_seconds
        return self.prompt_token_seconds * trial.prompt_tokens + trial.passes * each


@dataclass(frozen=True, slots=True)
class Effort:
    """How much to measure.

    Attributes:
        budget_seconds: for all trials together.
        decode_passes: of each trial on the grid.
        held_out: batches kept from the fit, in each precision.
        joining: whether to measure requests that join a running batch.
        uneven: whether prompts of a batch must differ, as real ones do: an engine that pads has
            more to do as soon as there is padding.
        has_steps: whether the engine reports its steps. Where it does not, decoding is seen from
            one arrival to another only, while nobody joins or ends, and takes longer answers.
    """

    budget_seconds: float
    decode_passes: int = 16
    held_out: int = 16
    joining: bool = True
    uneven: bool = False
    has_steps: bool = True


def planned_trials(
    precisions: Sequence[str], limits: Limits, pace: Pace, effort: Effort, *, seed: int
) -> list[Trial]:
    """Return one round: grid, typical batches and held-out batches, once in every precision.

    As many as a round of half the budget has time for, so that it can be repeated: first sizes and
    decode passes are thinned, then the costliest left out. The typical batches are there because
    no machine is quite as linear as the cost model: what is fitted should be right where most
    batches are. They are drawn apart from those that are held out.

    Returns:
        Trials in an order drawn from the seed, held-out ones among them.
    """
    each_seconds = effort.budget_seconds / len(precisions)
    grid = _affordable_grid(limits, pace, effort, _GRID_SHARE * each_seconds)
    typical = _drawn(
        _offered(_ON_GRID_SIZES, limits) * 2, limits, pace, _TYPICAL_SHARE * each_seconds, seed
    )
    held_out = _held_out(limits, pace, effort, _HELD_OUT_SHARE * each_seconds, seed)
    trials = [
        Trial(precision, shape.members, shape.joiners, shape.held_out)
        for shape in (*grid, *typical, *held_out)
        for precision in precisions
    ]
    random.Random(seed).shuffle(trials)
    return trials


def pilot_trials(precision: str, limits: Limits) -> tuple[Trial, Trial, Trial]:
    """Return trials that show the pace: alone and short, alone and longer, and several together."""
    output = 8
    longer = max(16, min(256, limits.max_context_tokens - output))
    size = min(8, limits.max_running or 8)
    return (
        level_trial(precision, 1, 16, output),
        level_trial(precision, 1, longer, output),
        level_trial(precision, size, 16, output),
    )


def _affordable_grid(
    limits: Limits, pace: Pace, effort: Effort, budget_seconds: float
) -> list[Trial]:
    for every in (1, 2, 3):
        shapes = _grid(limits, effort, every)
        kept = _cheapest(shapes, pace, budget_seconds)
        if len(kept) >= _LEAST_SHARE * len(shapes):
            break
    return kept


def _grid(limits: Limits, effort: Effort, every: int) -> list[Trial]:
    """Return all trials of every first, second or third size, with as many fewer passes."""
    fewest = _FEWEST_PASSES if effort.has_steps else 2 * FEWEST_TIMED_PASSES
    output = max(fewest, effort.decode_passes // every) + 1
    largest = min(_LARGEST_SIZE, limits.max_running or _LARGEST_SIZE)
    sizes = [2**k for k in range(0, largest.bit_length(), every) if 2**k <= largest]
    shapes = [
        level_trial("", size, prompt, output)
        for prompt in _PROMPTS
        for size in sizes
        # every second length is enough for batches; alone, all of them show the P² term
        if size == 1 or _PROMPTS.index(prompt) % 2
    ]
    if effort.joining:
        shapes += _joined(effort)
    if effort.uneven:
        shapes = [uneven(shape) for shape in shapes]
    return [shape for shape in shapes if limits.allow(shape)]


def _joined(effort: Effort) -> list[Trial]:
    """Return trials in which requests join others, who are still there when these end."""
    answer = 2 if effort.has_steps else 2 * FEWEST_TIMED_PASSES
    return [
        Trial("", (Lengths(48, answer + 6),) * size, (Lengths(prompt, answer),) * joiners)
        for size in (2, 8)
        for joiners, prompt in ((1, 32), (1, 256), (4, 96))
    ]


def _cheapest(shapes: Iterable[Trial], pace: Pace, budget_seconds: float) -> list[Trial]:
    kept: list[Trial] = []
    total = 0.0
    for shape in sorted(shapes, key=pace.seconds):
        total += pace.seconds(shape)
        if kept and total > budget_seconds:
            break
        kept.append(shape)
    return kept


def _held_out(
    limits: Limits, pace: Pace, effort: Effort, budget_seconds: float, seed: int
) -> list[Trial]:
    """Draw ragged batches of sizes and lengths off the grid, as long as there is time for."""
    offered = _offered(_OFF_GRID_SIZES, limits)
    sizes = [offered[number % len(offered)] for number in range(effort.held_out)]
    drawn = _drawn(sizes, limits, pace, budget_seconds, f"held-out {seed}")
    return [replace(trial, held_out=True) for trial in drawn]


def _offered(sizes: Sequence[int], limits: Limits) -> list[int]:
    largest = min(_LARGEST_SIZE, limits.max_running or _LARGEST_SIZE)
    return [size for size in sizes if size <= largest]


def _drawn(
    sizes: Sequence[int], limits: Limits, pace: Pace, budget_seconds: float, seed: int | str
) -> list[Trial]:
    """Draw ragged batches with real-looking lengths, one of each size while there is time.

    Rather fewer of them than with answers of a few tokens, which nobody asks for.
    """
    numbers = random.Random(seed)
    left_seconds = budget_seconds
    drawn: list[Trial] = []
    for number, size in enumerate(sizes):
        share = max(2.0 / (len(sizes) - number), _LARGEST_SHARE) * left_seconds
        for scale in (1.0, 0.5, 0.25, 0.12):
            members = tuple(_drawn_lengths(numbers, limits, scale) for _ in range(size))
            trial = Trial("", members)
            if limits.allow(trial) and pace.seconds(trial) <= min(share, left_seconds):
                drawn.append(trial)
                left_seconds -= pace.seconds(trial)
                break
    return drawn


def _drawn_lengths(numbers: random.Random, limits: Limits, scale: float) -> Lengths:
    prompt = scale * _MEDIAN_PROMPT * math.exp(_PROMPT_SPREAD * numbers.gauss(0.0, 1.0))
    output = scale * _MEDIAN_OUTPUT * math.exp(_OUTPUT_SPREAD * numbers.gauss(0.0, 1.0))
    longest = limits.max_context_tokens // 2
    return Lengths(min(max(4, round(prompt)), longest), min(max(4, round(output)), longest))
