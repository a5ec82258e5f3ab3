"""Text of growing answers, over a tokenizer whose tokens are the bytes of UTF-8."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebatch.engines.text import GrowingText


def decode(tokens: list[int]) -> str:
    return bytes(tokens).decode(errors="replace")


def feed(growing: GrowingText, tokens: bytes, *, is_last: bool = False) -> str:
    known, both = growing.add(list(tokens))
    return growing.text(decode(known), decode(both), is_last=is_last)


def test_an_unfinished_character_comes_with_its_last_byte() -> None:
    growing = GrowingText()
    # é is two bytes, € three
    parts = [feed(growing, bytes([byte])) for byte in "aé€b".encode()]
    assert parts == ["a", "", "é", "", "", "€", "b"]


def test_bytes_that_never_become_a_character_are_shown_as_such_at_the_end() -> None:
    growing = GrowingText()
    assert feed(growing, b"a\xe2") == ""
    assert feed(growing, b"", is_last=True) == "a\ufffd"


def test_what_may_become_a_stop_text_is_held_back_until_it_is_known() -> None:
    growing = GrowingText(["END"])
    assert feed(growing, b"an E") == "an "
    assert feed(growing, b"N") == ""
    assert feed(growing, b"ough") == "ENough"
    assert not growing.is_stopped
    assert feed(growing, b" END of it") == " "
    assert growing.is_stopped


def test_held_back_text_is_told_when_the_answer_ends() -> None:
    growing = GrowingText(["END"])
    assert feed(growing, b"an EN") == "an "
    assert feed(growing, b"", is_last=True) == "EN"


def test_of_several_stop_texts_the_first_that_occurs_ends_the_answer() -> None:
    growing = GrowingText(["ef", "cd", ""])
    assert feed(growing, b"abcdef") == "ab"


@given(st.text(min_size=1), st.lists(st.integers(1, 5), min_size=1))
def test_the_parts_of_an_answer_are_the_answer(text: str, sizes: list[int]) -> None:
    growing, rest = GrowingText(), text.encode(errors="replace")
    parts: list[str] = []
    while rest:
        size = sizes[len(parts) % len(sizes)]
        parts.append(feed(growing, rest[:size], is_last=len(rest) <= size))
        rest = rest[size:]
    assert "".join(parts) == text.encode(errors="replace").decode()


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_a_stop_text_ends_the_answer_however_it_is_cut_into_tokens(size: int) -> None:
    data = b"one two three"
    growing, told = GrowingText(["two"]), ""
    for at in range(0, len(data), size):
        told += feed(growing, data[at : at + size])
        if growing.is_stopped:
            break
    assert told == "one "
