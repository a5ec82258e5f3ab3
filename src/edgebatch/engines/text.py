"""Text of a growing answer: whole characters only, and nothing of a stop text."""

from __future__ import annotations

from collections.abc import Sequence

_UNFINISHED = "\ufffd"


class GrowingText:
    """The text of one answer as its tokens come.

    A token's text depends on its neighbours (spaces) and may be part of a character, so the last
    few tokens are decoded together, with and without the new ones, and the difference is what the
    new ones say. Whatever may yet turn out to be the beginning of a stop text is held back.

    Args:
        stop: texts that end the answer.
    """

    def __init__(self, stop: Sequence[str] = ()) -> None:
        self._stop = [text for text in stop if text]
        self._known: list[int] = []
        self._new: list[int] = []
        self._held = ""
        self.is_stopped = False

    def add(self, tokens: Sequence[int]) -> tuple[list[int], list[int]]:
        """Take new tokens; return the two lists whose texts :meth:`text` asks for."""
        self._new += tokens
        return self._known, self._known + self._new

    def text(self, known: str, both: str, *, is_last: bool) -> str:
        """Return the text that can be told now.

        Args:
            known: text of the first list.
            both: text of the second.
            is_last: whether no tokens will follow.
        """
        if both.endswith(_UNFINISHED) and not is_last:
            return ""
        gained = both[len(known) :]
        self._known, self._new = self._new or self._known, []
        return self._until_stop(gained, is_last)

    def _until_stop(self, gained: str, is_last: bool) -> str:
        text = self._held + gained
        ends = [at for stop in self._stop if (at := text.find(stop)) >= 0]
        if ends:
            self.is_stopped = True
            self._held = ""
            return text[: min(ends)]
        held = 0 if is_last else max((_overlap(text, stop) for stop in self._stop), default=0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]


def _overlap(text: str, stop: str) -> int:
    """Return how many characters at the end of ``text`` begin ``stop``."""
    longest = min(len(text), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)
