"""What the log says of requests that an engine failed at: why, but not what was asked."""

from __future__ import annotations

import re
from collections.abc import Iterator

import structlog

from edgebatch.engines import Prompt
from edgebatch.serving.ticket import Ticket

_MOST_CHARACTERS = 200
_SHORTEST_TEXT = 4
_RUN = 16
"""So many characters in a row that are the request's own are no coincidence."""
# an apostrophe inside of a word, a number of the system's errors and an IPv6 address quote nothing
_QUOTATION = re.compile(
    r"""(?!(?<=\w)'(?:s|t|re|ve|ll)\b)['"`‘’“”«»{<\n\r]"""
    r"""|\[(?!Errno\ |[\da-fA-F.]*:[\da-fA-F:.]+\])"""
)

log = structlog.get_logger("edgebatch.gateway")


class Failures:
    """Writes down why requests got no answer; of those lost with the engine, once it is known."""

    def __init__(self) -> None:
        self._lost: list[tuple[Ticket, str]] = []

    def note(self, ticket: Ticket, engine: str) -> None:
        """Take note of a request that has failed.

        Args:
            ticket: the request's.
            engine: name of the engine.
        """
        if ticket.finish is None:
            self._lost.append((ticket, engine))
        else:
            _tell(ticket, engine, ticket.error or "the engine does not say why")

    def tell_lost(self, error: str) -> None:
        """Say of everyone who was lost with the engine how that came about."""
        for ticket, engine in self._lost:
            _tell(ticket, engine, error)
        self._lost.clear()


def _tell(ticket: Ticket, engine: str, error: str) -> None:
    log.warning(
        "answer failed",
        engine=engine,
        precision=None if ticket.joined is None else ticket.joined.precision,
        num_tokens=ticket.num_tokens,
        error=without_text(error, ticket),
        **ticket.names,
    )


def without_text(error: str, ticket: Ticket) -> str:
    """Return an engine's message as far as it surely has nothing of prompt or answer in it.

    It is cut where it begins to quote something, and where it begins to repeat what was asked or
    answered.

    Args:
        error: the message.
        ticket: whose text it is.
    """
    quotation = _QUOTATION.search(error)
    told = " ".join(error[: quotation.start() if quotation else None].split())[:_MOST_CHARACTERS]
    for text in (*_texts(ticket.asked), ticket.whole_text()):
        told = told[: _first_common(told, " ".join(text.split()))]
    whole = " ".join(error.split())
    return told if told == whole else f"{told.rstrip()} …"


def _first_common(told: str, text: str) -> int:
    """Return where ``told`` begins to repeat ``text``; its length if it does not."""
    run = min(_RUN, len(text))
    if run < _SHORTEST_TEXT:
        return len(told)
    starts = range(len(told) - run + 1)
    return next((at for at in starts if told[at : at + run] in text), len(told))


def _texts(prompt: Prompt) -> Iterator[str]:
    if prompt.text is not None:
        yield prompt.text
    for message in prompt.messages or ():
        yield from map(str, message.values())
