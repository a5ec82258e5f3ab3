"""Prompts cut anywhere out of real text: hardly two begin alike, so no cache of prompts helps."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Protocol, TypeVar

from edgebatch.engines import Prompt

Text = TypeVar("Text", str, tuple[int, ...])


class Cuts(Protocol):
    """Where prompts come from."""

    @property
    def tokens(self) -> tuple[int, ...]:
        """Token ids of the whole text; none where they are not known."""

    def cut(self, num_tokens: int) -> Prompt:
        """Return a prompt of so many tokens, or about so many."""


class TokenCuts:
    """Prompts of token ids, as long as they are wanted.

    Args:
        tokens: of real text.
        seed: of where they are cut.
    """

    def __init__(self, tokens: Sequence[int], seed: int) -> None:
        self._tokens = tuple(tokens)
        self._random = random.Random(seed)

    @property
    def tokens(self) -> tuple[int, ...]:
        """Token ids of the whole text."""
        return self._tokens

    def cut(self, num_tokens: int) -> Prompt:
        """Return a prompt of so many tokens."""
        return Prompt(tokens=_cut(self._tokens, num_tokens, self._random))


class TextCuts:
    """Prompts of text, for servers whose tokens are not known; only they can tell the length.

    Args:
        text: real text.
        characters_per_token: of this text, on average.
        seed: of where they are cut.
    """

    def __init__(self, text: str, characters_per_token: float, seed: int) -> None:
        self._text = text
        self._characters_per_token = characters_per_token
        self._random = random.Random(seed)

    @property
    def tokens(self) -> tuple[int, ...]:
        """Return none."""
        return ()

    def cut(self, num_tokens: int) -> Prompt:
        """Return a prompt of about so many tokens."""
        length = max(1, round(num_tokens * self._characters_per_token))
        return Prompt(text=_cut(self._text, length, self._random))


def _cut(text: Text, length: int, numbers: random.Random) -> Text:
    start = numbers.randrange(len(text))
    repeated = text[start:] + text
    while len(repeated) < length:
        repeated += text
    return repeated[:length]
