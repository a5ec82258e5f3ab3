"""What was measured on an engine: passes, stretches of passes and whole batches, with their times.

Everything that the cost model says about time is linear in a handful of sums over members
(formulation §3), so a sample is kept as who took part in which passes, and :attr:`Sample.terms`
are those sums.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from edgebatch.problem.checks import require_number


class Kind(StrEnum):
    """What a sample is a measurement of."""

    PREFILL = "prefill"
    """One pass in which prompts are read; others may decode in it."""
    DECODE = "decode"
    """One or more passes in which everyone decodes and nobody joins or leaves."""
    BATCH = "batch"
    """A batch of its own from its submission to its last token, start-up included."""


class Member(NamedTuple):
    """One request's part in a sample.

    Attributes:
        tokens: prompt tokens of one that joins in the first pass; for one that is decoding, its
            context in its first pass, c: tokens of prompt and answer in the cache, at least one of
            them of the answer.
        passes: passes that it takes part in, the one that reads its prompt included.
        joins: whether the first of them reads its prompt.
    """

    tokens: int
    passes: int = 1
    joins: bool = False


class Terms(NamedTuple):
    """What the cost model multiplies with its coefficients, in this order.

    Attributes:
        passes: forward passes.
        prompts: prompts read.
        prompt_tokens: Σ P.
        prompt_squares: Σ P².
        decode_steps: decode steps, over all members.
        contexts: Σ of the contexts of these steps.
        batches: 1 for a whole batch, else 0.
    """

    passes: float
    prompts: float
    prompt_tokens: float
    prompt_squares: float
    decode_steps: float
    contexts: float
    batches: float


@dataclass(frozen=True, slots=True)
class Sample:
    """One measured pass, stretch or batch.

    Attributes:
        precision: in which it ran.
        kind: what it is.
        members: who took part.
        seconds: how long it took; of repeated measurements, the median.
        repetitions: how often it was measured.
        spread: half the interquartile range of the repetitions as a share of their median; 0 for
            a single one.

    Raises:
        InputError: the time is not above 0, or the spread negative.
    """

    precision: str
    kind: Kind
    members: tuple[Member, ...]
    seconds: float
    repetitions: int = 1
    spread: float = 0.0

    def __post_init__(self) -> None:
        require_number("sample.seconds", self.seconds, exclusive=True)
        require_number("sample.spread", self.spread)

    @property
    def passes(self) -> int:
        """Forward passes: as many as the longest member takes part in."""
        return max(member.passes for member in self.members)

    @property
    def size(self) -> int:
        """Number of members."""
        return len(self.members)

    @property
    def longest_context(self) -> int:
        """Most tokens that a member has in the cache when the sample ends."""
        return max(member.tokens + member.passes - 1 for member in self.members)

    @property
    def terms(self) -> Terms:
        """What the cost model multiplies with its coefficients."""
        prompts = [member.tokens for member in self.members if member.joins]
        # after its prompt of P tokens a joiner decodes from context P + 1 on
        decoding = [
            (member.tokens + member.joins, member.passes - member.joins) for member in self.members
        ]
        return Terms(
            passes=float(self.passes),
            prompts=float(len(prompts)),
            prompt_tokens=float(sum(prompts)),
            prompt_squares=float(sum(prompt * prompt for prompt in prompts)),
            decode_steps=float(sum(steps for _, steps in decoding)),
            contexts=float(sum(k * c + k * (k - 1) // 2 for c, k in decoding)),
            batches=float(self.kind is Kind.BATCH),
        )

    def replace(self, **changes: object) -> Sample:
        """Return a copy with some fields changed."""
        return replace(self, **changes)  # type: ignore[arg-type]


def prefill_sample(
    precision: str, prompts: Iterable[int], seconds: float, decoding: Iterable[int] = ()
) -> Sample:
    """Return a pass that reads ``prompts`` while members of contexts ``decoding`` decode."""
    joining = [Member(prompt, joins=True) for prompt in prompts]
    others = [Member(context) for context in decoding]
    return Sample(precision, Kind.PREFILL, (*joining, *others), seconds)


def decode_sample(
    precision: str, contexts: Iterable[int], seconds: float, passes: int = 1
) -> Sample:
    """Return a stretch in which members decode, from ``contexts`` on, over so many passes."""
    members = tuple(Member(context, passes) for context in contexts)
    return Sample(precision, Kind.DECODE, members, seconds)


def batch_sample(
    precision: str, prompts: Sequence[int], outputs: Sequence[int], seconds: float
) -> Sample:
    """Return a whole batch of requests that join together and leave each at its own end."""
    lengths = zip(prompts, outputs, strict=True)
    members = tuple(Member(prompt, output, joins=True) for prompt, output in lengths)
    return Sample(precision, Kind.BATCH, members, seconds)
