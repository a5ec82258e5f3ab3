"""Prompts that an engine was given and has not read yet: for these it may take its time."""

from __future__ import annotations

from collections.abc import Iterator

from edgebatch.engines.base import Progress, Prompt

SECONDS_PER_TOKEN = 0.05
"""What reading a token may take: below 20 tokens/s a prompt of a page takes half a minute, which
is slower than any engine that people wait for."""
MOST_SECONDS = 300.0
"""What all of them may take, so that an engine that hangs over many prompts is found out."""


class UnreadPrompts:
    """Says how long an engine may take for prompts of which no token has come back yet.

    An engine may read many prompts in one step, and says nothing until it has. That many tokens
    take long is no reason to call it hung.

    Args:
        is_padded: whether prompts that are read together all take as long as the longest.
    """

    def __init__(self, *, is_padded: bool = False) -> None:
        self._is_padded = is_padded
        self._tokens: dict[int, int] = {}

    def add(self, number: int, prompt: Prompt) -> None:
        """Take in the prompt of a request that the engine is given."""
        self._tokens[number] = most_tokens(prompt)

    def note(self, progress: Progress) -> None:
        """Take note of a request's gain: its prompt has been read, or never will be."""
        if progress.num_tokens or progress.text or progress.finish is not None:
            self._tokens.pop(progress.number, None)

    def clear(self) -> None:
        """Forget all: nothing runs any more."""
        self._tokens.clear()

    @property
    def seconds(self) -> float:
        """How long reading all of them may take."""
        counts = self._tokens.values()
        tokens = len(counts) * max(counts, default=0) if self._is_padded else sum(counts)
        return min(MOST_SECONDS, SECONDS_PER_TOKEN * tokens)


def most_tokens(prompt: Prompt) -> int:
    """Return at least about as many tokens as a prompt has; of text, its bytes.

    Tokenizers write no byte as more than one token. What a template adds to a conversation is
    left out.
    """
    if prompt.tokens is not None:
        return len(prompt.tokens)
    return sum(len(text.encode(errors="replace")) for text in _texts(prompt))


def _texts(prompt: Prompt) -> Iterator[str]:
    if prompt.text is not None:
        yield prompt.text
    for message in prompt.messages or ():
        content = message.get("content")
        for part in content if isinstance(content, list) else [content]:
            text = part.get("text") if isinstance(part, dict) else part
            if isinstance(text, str):
                yield text
