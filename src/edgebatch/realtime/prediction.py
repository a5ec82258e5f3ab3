"""When requests that join now will have ended, reckoned with those who will join after them."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from edgebatch.problem.checks import FloatArray

_SHARES = np.array([0.0, 0.5, 1.0])
_KEPT = math.exp(-1.0 / 50.0)
"""Of what was learnt, at each further answer: some fifty answers count."""
_MOST_CORRECTION = math.log(3.0)


class Guess(NamedTuple):
    """What may be believed of how long a member still takes, in seconds.

    Attributes:
        alone: by the cost model, if nobody joins after it.
        steady: if passes stay as long as they were of late, but no less than ``alone``.
    """

    alone: FloatArray
    steady: FloatArray


class EndPredictor:
    """Predicts by whichever mixture of two guesses was nearest to the truth of late.

    With few requests hardly anyone joins later, and the cost model alone is right. Under load the
    batch stays as full as it is, and passes stay as long. Guesses are mixed as
    alone^(1−w) · steady^w with w of 0, ½ and 1, and each mixture is corrected by the mean
    logarithm of the ratio of actual to predicted times.
    """

    def __init__(self) -> None:
        self._bias = np.zeros(len(_SHARES))
        self._error = np.zeros(len(_SHARES))
        self._weight = 0.0
        self._guesses: dict[int, tuple[float, float]] = {}

    def note(self, number: int, alone_seconds: float, steady_seconds: float) -> None:
        """Take note of what was guessed of a request when it joined."""
        self._guesses[number] = (alone_seconds, steady_seconds)

    def predict(self, guess: Guess) -> FloatArray:
        """Return how long each is believed to take, in seconds, shape (N,)."""
        if self._weight == 0.0:
            return guess.steady
        best = int(np.argmin(self._error))
        correction = np.clip(self._bias[best] / self._weight, -_MOST_CORRECTION, _MOST_CORRECTION)
        share = _SHARES[best]
        mixed: FloatArray = guess.alone ** (1.0 - share) * guess.steady**share
        return mixed * math.exp(correction)

    def forget(self, number: int) -> None:
        """Learn nothing of a request."""
        self._guesses.pop(number, None)

    def learn(self, number: int, actual_seconds: float) -> None:
        """Take note of how long a request really took from joining to its last token."""
        alone_seconds, steady_seconds = self._guesses.pop(number)
        if min(alone_seconds, steady_seconds, actual_seconds) <= 0.0:
            return
        mixed = (1.0 - _SHARES) * math.log(alone_seconds) + _SHARES * math.log(steady_seconds)
        deviation = math.log(actual_seconds) - mixed
        known = self._bias / self._weight if self._weight else 0.0
        self._error = _KEPT * self._error + np.abs(deviation - known)
        self._bias = _KEPT * self._bias + deviation
        self._weight = _KEPT * self._weight + 1.0
