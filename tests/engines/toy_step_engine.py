"""A step engine without a model, for the child process: prompts say what goes wrong."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence

from edgebatch.engines.base import EngineInfo, Finish, GenerationRequest, Progress, Prompt
from edgebatch.errors import InputError


class ToyStepEngine:
    """Answers every prompt with its own text, a character a step."""

    def __init__(self, trouble: str = "") -> None:
        self._trouble = trouble
        self._running: dict[int, GenerationRequest] = {}
        self._steps: dict[int, int] = {}

    def load(self) -> EngineInfo:
        if self._trouble == "input":
            raise InputError("model.bin", "cut short")
        if self._trouble == "library":
            raise RuntimeError("Exception from library.cpp:7:\nno such device\n")
        if self._trouble == "leaves a process":
            subprocess.Popen(["sleep", "3600"])  # has its standard error in hand
            os._exit(7)
        if self._trouble == "dies":
            os._exit(7)
        if self._trouble == "slow":
            time.sleep(3600)
        if self._trouble == "noise":
            os.write(1, b"noise on standard output\n" * 50_000)
        return EngineInfo(engine="toy", version="1", model="toy", precisions=("f16",))

    def encode(self, prompt: Prompt) -> tuple[int, ...]:
        if prompt.text == "unreadable":
            raise RuntimeError("no template for such roles")
        return tuple(ord(character) for character in prompt.text or "")

    def decode(self, tokens: Sequence[int]) -> str:
        return "".join(chr(token) for token in tokens)

    def add(self, request: GenerationRequest) -> None:
        if request.prompt.text == "refused":
            raise ValueError("nothing to say to that")
        self._running[request.number] = request
        self._steps[request.number] = 0

    def cancel(self, number: int) -> Progress | None:
        if self._running.pop(number, None) is None:
            return None
        return Progress(number, 0, finish=Finish.CANCELLED)

    @property
    def is_running(self) -> bool:
        return bool(self._running)

    def step(self) -> Sequence[Progress]:
        time.sleep(0.002)
        return [self._gain(request) for request in list(self._running.values())]

    def _gain(self, request: GenerationRequest) -> Progress:
        text = request.prompt.text or ""
        if text == "hang":
            time.sleep(3600)
        if text == "broken":
            raise RuntimeError("the model is broken")
        if text == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if text == "too large":
            os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\n")
            os.abort()
        at = self._steps[request.number]
        if text.startswith("long") and at == 0:
            time.sleep(1.2)
        if text == "hang later" and at == 1:
            time.sleep(3600)
        self._steps[request.number] = at + 1
        finish = Finish.LENGTH if at + 1 == request.max_tokens else None
        if finish:
            del self._running[request.number]
        token = ord(text[at % len(text)])
        return Progress(request.number, 1, chr(token), (token,), finish)
