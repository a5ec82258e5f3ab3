"""How long answers turn out to be, learnt from those that were served."""

from __future__ import annotations

import math
from collections import defaultdict, deque

from edgebatch.serving.settings import Lengths

_MOST_SAMPLES = 2000
_LEARN_EVERY = 50


class LengthPredictor:
    """An upper quantile of the lengths of each class, a class being whoever asks with such a limit.

    A prediction only ever lowers what the scheduler reckons with, never the limit itself. An answer
    that reached its limit would have gone on, nobody knows for how long: it counts as longer than
    any limit of its class, so that short limits do not make the answers to long ones look short.

    Args:
        settings: which quantile, and from how many samples on.
    """

    def __init__(self, settings: Lengths) -> None:
        self._settings = settings
        self._lengths: dict[tuple[int, int], deque[float]] = defaultdict(
            lambda: deque(maxlen=_MOST_SAMPLES)
        )
        self._learnt: dict[tuple[int, int], float] = {}
        self._unlearnt: dict[tuple[int, int], int] = defaultdict(int)

    def predict(self, tenant: int, max_tokens: int) -> int:
        """Return with how many tokens a request is to be reckoned, at most its limit."""
        return int(min(max_tokens, self._learnt.get(_class_of(tenant, max_tokens), math.inf)))

    def observe(self, tenant: int, max_tokens: int, num_tokens: int) -> None:
        """Take note of how long an answer was that the model ended, or its limit."""
        quantile = self._settings.quantile
        if quantile is None:
            return
        kind = _class_of(tenant, max_tokens)
        lengths = self._lengths[kind]
        lengths.append(num_tokens if num_tokens < max_tokens else math.inf)
        self._unlearnt[kind] += 1
        if len(lengths) >= self._settings.min_samples and self._unlearnt[kind] >= _LEARN_EVERY:
            self._unlearnt[kind] = 0
            place = math.ceil(quantile * (len(lengths) - 1))
            self._learnt[kind] = max(1, sorted(lengths)[place])  # answers may be empty


def _class_of(tenant: int, max_tokens: int) -> tuple[int, int]:
    """Return a class: the tenant, and the power of two that the limit is nearest below."""
    return tenant, max_tokens.bit_length()
