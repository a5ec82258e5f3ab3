"""What a precision of a model expects next, and who tells it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from edgebatch.problem.checks import FloatArray, IntArray


class Scorer(Protocol):
    """One precision of a model, asked for what it expects next."""

    async def log_probabilities(self, tokens: Sequence[int]) -> FloatArray:
        """Return natural logarithms, shape (len(tokens) − 1, vocabulary).

        Row k belongs to the token after ``tokens[: k + 1]``.

        Raises:
            EngineError: the model cannot be run.
        """
        ...


class Expected(NamedTuple):
    """What a precision expects of each token of a text but the first; arrays of len(text) − 1.

    Attributes:
        losses: −ln of the probability of the token that is there, nats.
        likeliest: ids of the likeliest tokens.
        log_probabilities: of all tokens, shape (len(text) − 1, vocabulary); None if not known.
    """

    losses: FloatArray
    likeliest: IntArray
    log_probabilities: FloatArray | None = None


@runtime_checkable
class BriefScorer(Protocol):
    """One precision of a model that tells less than the whole distribution."""

    async def expected(self, tokens: Sequence[int]) -> Expected:
        """Return what it expects.

        Raises:
            EngineError: the model cannot be run.
        """
        ...


async def expected_by(scorer: Scorer | BriefScorer, window: Sequence[int]) -> Expected:
    """Return what a precision expects of a text.

    Raises:
        EngineError: the model cannot be run.
    """
    if isinstance(scorer, BriefScorer):
        return await scorer.expected(window)
    rows = await scorer.log_probabilities(window)
    following = np.asarray(window[1:])
    losses = -rows[np.arange(len(following)), following]
    return Expected(losses, np.argmax(rows, axis=1), rows)
