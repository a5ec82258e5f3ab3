"""Events are found however the stream's bytes are cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebatch.engines.server_sent_events import (
    LONGEST_EVENT_BYTES,
    EventReader,
    EventTooLongError,
)

ENDS = st.sampled_from(["\n", "\r", "\r\n"])
TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\r\n"), max_size=9)


def read(stream: bytes, cuts: list[int] | None = None) -> list[str]:
    reader = EventReader()
    places = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts or ())})
    pieces = [stream[begin:end] for begin, end in itertools.pairwise(places)]
    return [event for piece in pieces for event in reader.feed(piece)]


@given(
    st.lists(st.lists(TEXT, min_size=1, max_size=3), max_size=4),
    ENDS,
    st.sampled_from(["", "id: 7", ": a comment", "event: x", "retry: 5"]),
    st.lists(st.integers(0, 300), max_size=20),
)
def test_what_was_written_is_read(
    events: list[list[str]], end: str, other: str, cuts: list[int]
) -> None:
    written = ""
    for lines in events:
        written += "".join(f"data: {line}{end}" for line in lines)
        if other:
            written += other + end
        written += end
    expected = ["\n".join(lines) for lines in events if any(lines) or len(lines) > 1]
    assert read(written.encode(), cuts) == expected
    assert read(b"\xef\xbb\xbf" + written.encode(), cuts) == expected


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data:a\n\ndata: b\n\n", ["a", "b"]),
        (b"data:  a\n\n", [" a"]),
        (b"data\n\n", []),
        (b"data\ndata\n\n", ["\n"]),
        (b"id: 7\n\n", []),
        (b"data: cut off", []),
        (b"data: a\n\ndata: cut off\n", ["a"]),
        (b"data: \xff\n\n", ["\N{REPLACEMENT CHARACTER}"]),
        (b"\n\n\ndata: a\n\n", ["a"]),
    ],
)
def test_the_standards_cases(stream: bytes, events: list[str]) -> None:
    assert read(stream) == events
    assert read(stream, list(range(len(stream)))) == events


def test_an_event_without_an_end_is_given_up_and_many_short_ones_are_not() -> None:
    reader = EventReader()
    chunk = b"data: " + b"x" * (LONGEST_EVENT_BYTES // 4) + b"\n"
    for _ in range(8):
        assert len(reader.feed(chunk + b"\n")) == 1
    for _ in range(3):
        reader.feed(chunk)
    with pytest.raises(EventTooLongError, match="an event of more than 16777216 bytes"):
        reader.feed(chunk)
