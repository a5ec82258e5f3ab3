"""How long reading prompts may take: 0.05 s for each token."""

import pytest

from edgebatch.engines import Finish, Progress, Prompt
from edgebatch.engines.unread_prompts import UnreadPrompts, most_tokens

CONTENT = [{"type": "text", "text": "abc"}, {"type": "image_url", "image_url": {}}]


@pytest.mark.parametrize(
    ("prompt", "tokens"),
    [
        (Prompt(tokens=(1, 2, 3)), 3),
        (Prompt(text="für"), 4),
        (Prompt(text="\ud800"), 1),
        (Prompt(messages=({"role": "user", "content": "ab"}, {"role": "tool"})), 2),
        (Prompt(messages=({"role": "user", "content": CONTENT},)), 3),
    ],
)
def test_text_has_at_most_as_many_tokens_as_bytes(prompt: Prompt, tokens: int) -> None:
    assert most_tokens(prompt) == tokens


def test_prompts_count_until_their_first_tokens_come_or_they_end() -> None:
    unread = UnreadPrompts()
    unread.add(1, Prompt(tokens=(7,) * 20))
    unread.add(2, Prompt(tokens=(7,) * 40))
    unread.note(Progress(1, 0))
    assert unread.seconds == pytest.approx(3.0)  # 60 * 0.05
    unread.note(Progress(1, 1))
    unread.note(Progress(1, 1))
    assert unread.seconds == pytest.approx(2.0)
    unread.note(Progress(2, 0, finish=Finish.CANCELLED))
    assert unread.seconds == 0.0


def test_padded_prompts_all_count_as_long_as_the_longest() -> None:
    unread = UnreadPrompts(is_padded=True)
    assert unread.seconds == 0.0
    unread.add(1, Prompt(tokens=(7,) * 20))
    unread.add(2, Prompt(tokens=(7,) * 60))
    assert unread.seconds == pytest.approx(6.0)  # 2 * 60 * 0.05


def test_however_many_prompts_there_are_a_hung_engine_is_found_out() -> None:
    unread = UnreadPrompts()
    for number in range(100):
        unread.add(number, Prompt(tokens=(7,) * 1000))
    assert unread.seconds == 300.0
