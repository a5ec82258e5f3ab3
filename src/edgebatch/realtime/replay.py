"""A workload replayed against a real engine, at the instants at which it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from edgebatch.engines import Prompt, Sampling
from edgebatch.errors import InputError
from edgebatch.realtime.dispatcher import Dispatcher
from edgebatch.realtime.job import Job
from edgebatch.scheduling import RunLog
from edgebatch.workload import Arrival, Workload, generator_for


class PromptSource:
    """Prompts of any length, cut out of one text at places that depend on the seed.

    Args:
        tokens: the text's token ids.
        seed: where they are cut.

    Raises:
        InputError: the text is empty.
    """

    def __init__(self, tokens: Sequence[int], seed: int) -> None:
        if not tokens:
            raise InputError("text", "must have at least one token")
        self._tokens, self._seed = tuple(tokens), seed

    def prompt(self, number: int, num_tokens: int) -> Prompt:
        """Return the prompt of a request; the same for the same number."""
        generator = generator_for(self._seed, f"prompt {number}")
        begin = int(generator.integers(len(self._tokens)))
        repeats = 1 + (begin + num_tokens) // len(self._tokens)
        return Prompt(tokens=(self._tokens * repeats)[begin : begin + num_tokens])


async def replay(
    workload: Workload,
    dispatcher: Dispatcher,
    prompts: PromptSource,
    *,
    uplink_seconds: float = 0.0,
    on_arrival: Callable[[], None] | None = None,
) -> RunLog:
    """Carry a run out in real time, to the end of the last answer, and return its log.

    Each request produces as many tokens as the workload says that it really has; the scheduler
    knows only its limit.

    Args:
        workload: who arrives; instants count from when the dispatcher was made.
        dispatcher: who decides and carries out.
        prompts: what is asked.
        uplink_seconds: how much later a request reaches the node.
        on_arrival: called at each arrival, for showing progress.

    Raises:
        EngineError: the engine broke. Every request that had come in is on record by then.
    """
    driving = [asyncio.create_task(each.run()) for each in dispatcher.drivers]
    feeding = asyncio.create_task(_feed(workload, dispatcher, prompts, uplink_seconds, on_arrival))
    try:
        await asyncio.wait({*driving, feeding}, return_when=asyncio.FIRST_COMPLETED)
        for task in driving:
            if task.done():
                task.result()
        feeding.result()
    finally:
        tasks = (feeding, *driving)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        dispatcher.abandon_all()
    dispatcher.log.ledger.check_conservation()
    return dispatcher.log


async def _feed(
    workload: Workload,
    dispatcher: Dispatcher,
    prompts: PromptSource,
    uplink_seconds: float,
    on_arrival: Callable[[], None] | None,
) -> None:
    for arrival in workload:
        await asyncio.sleep(arrival.arrival_seconds + uplink_seconds - dispatcher.timers.now)
        dispatcher.submit(arrival, _job(arrival, prompts))
        if on_arrival is not None:
            on_arrival()
    await dispatcher.until_all_ended()


def _job(arrival: Arrival, prompts: PromptSource) -> Job:
    return Job(
        prompt=prompts.prompt(arrival.number, arrival.prompt_tokens),
        sampling=Sampling(ignore_end=True),
        max_tokens=arrival.actual_output_tokens,
    )
