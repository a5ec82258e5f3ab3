"""How servers are asked for answers of a wanted length to prompts of a wanted length."""

from __future__ import annotations

from collections.abc import Sequence

from edgebatch.calibration.subject import Manner
from edgebatch.engines import Finish, GenerationRequest, Progress, Prompt, Sampling
from edgebatch.engines.openai_http import OpenAIEngine
from edgebatch.errors import EngineError

TRIED_CHARACTERS = 300
_TRIED_TOKENS = 2


async def manner_of(engine: OpenAIEngine, precision: str, text: str) -> Manner:
    """Find out how a server of a started engine is asked.

    Raises:
        EngineError: it does not answer, or nobody can tell how long a prompt was.
    """
    prompt = Prompt(text=text[:TRIED_CHARACTERS])
    ignores_end = True
    answer = await _answer(engine, precision, prompt, ignore_end=True)
    if answer.finish is Finish.FAILED:
        ignores_end = False
        answer = await _answer(engine, precision, prompt, ignore_end=False)
    if answer.finish is Finish.FAILED:
        raise EngineError(answer.error)
    if engine.server(precision).has_tokenizer:
        return Manner(ignores_end=ignores_end)
    if not answer.prompt_tokens:
        url = engine.server(precision).address.url
        raise EngineError(
            f"{url} neither has a tokenizer to ask nor counts the tokens of prompts (usage)"
        )
    return Manner(len(prompt.text or "") / answer.prompt_tokens, ignores_end)


async def _answer(
    engine: OpenAIEngine, precision: str, prompt: Prompt, *, ignore_end: bool
) -> Progress:
    """Return the end of a short answer."""
    sampling = Sampling(ignore_end=ignore_end)
    engine.submit(GenerationRequest(0, prompt, _TRIED_TOKENS, precision, sampling))
    while True:
        (progress,) = (await engine.report()).progress
        if progress.finish is not None:
            return progress


def common_manner(manners: Sequence[Manner]) -> Manner:
    """Return a manner that suits all: text if one of them needs it."""
    characters = [each.characters_per_token for each in manners if each.characters_per_token]
    return Manner(
        max(characters, default=None), ignores_end=all(each.ignores_end for each in manners)
    )
