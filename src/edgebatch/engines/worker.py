"""The child process around a :class:`~edgebatch.engines.stepping.StepEngine`.

Run as ``python -m edgebatch.engines.worker``. It steps as long as anything runs, and takes new
requests and cancellations between steps. A step's duration counts from the end of the one before,
so what it costs to let requests join, and to send the report, is part of it: durations of a busy
time add up to that time.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from typing import cast

from edgebatch.engines.base import Finish, GenerationRequest, Progress, Prompt, Report
from edgebatch.engines.parent_link import ParentLink
from edgebatch.engines.stepping import (
    Answer,
    Cancel,
    Factory,
    Question,
    Setup,
    StepEngine,
    one_line,
)
from edgebatch.errors import EdgebatchError, EngineError, InputError


def main() -> None:
    """Take the setup, load the model, and serve until the parent goes."""
    link = ParentLink()
    setup = link.receive()
    if not isinstance(setup, Setup):
        raise TypeError(f"expected a Setup, got {type(setup).__name__}")
    try:
        engine = _factory(setup.factory)(**setup.settings)
        info = engine.load()
    except EdgebatchError as error:
        link.send(error)
    except Exception as error:  # noqa: BLE001 - whatever a library raises is why it cannot start
        link.send(EngineError(f"the model cannot be loaded: {one_line(error)}"))
    else:
        link.send(info)
        _serve(link, engine)


def _factory(dotted_name: str) -> Factory:
    module, _, name = dotted_name.partition(":")
    return cast("Factory", getattr(importlib.import_module(module), name))


def _serve(link: ParentLink, engine: StepEngine) -> None:
    while True:
        messages = [link.receive()]
        began_seconds = time.monotonic()
        while True:
            messages += _waiting(link)
            ended = [end for message in messages if (end := _take(link, engine, message))]
            messages.clear()
            if ended:
                link.send(Report(time.monotonic(), tuple(ended)))
            if not engine.is_running:
                break
            try:
                progress = tuple(engine.step())
            except Exception as error:
                link.send(EngineError(f"a step failed: {one_line(error)}"))
                raise
            now_seconds = time.monotonic()
            link.send(Report(now_seconds, progress, now_seconds - began_seconds))
            began_seconds = now_seconds


def _waiting(link: ParentLink) -> Iterator[object]:
    try:
        while True:
            yield link.receive(0)
    except TimeoutError:
        return


def _take(link: ParentLink, engine: StepEngine, message: object) -> Progress | None:
    """Do what a message asks; return a request's end, if that is what came of it."""
    match message:
        case GenerationRequest():
            try:
                engine.add(message)
            except Exception as error:  # noqa: BLE001 - other requests have nothing to do with it
                # what is wrong with a request is said in words of our own
                is_refused = isinstance(error, EdgebatchError)
                said = one_line(error)
                return Progress(
                    message.number, 0, finish=Finish.FAILED, error=said, is_refused=is_refused
                )
        case Cancel():
            return engine.cancel(message.number)
        case Question():
            link.send(Answer(message.number, _answer(engine, message)))
        case _:
            raise TypeError(f"a worker knows no message such as {message!r}")
    return None


def _answer(engine: StepEngine, question: Question) -> tuple[int, ...] | str | Exception:
    is_prompt = isinstance(question.content, Prompt)
    try:
        if isinstance(question.content, Prompt):
            return engine.encode(question.content)
        return engine.decode(question.content)
    except EdgebatchError as error:
        return error
    except Exception as error:  # noqa: BLE001 - the asker is told, the engine goes on
        said = one_line(error)
        # what cannot be read now cannot be read again either
        return InputError("", said) if is_prompt else EngineError(said)


if __name__ == "__main__":
    main()
