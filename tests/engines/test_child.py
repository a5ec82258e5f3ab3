"""An engine in a child process: what it reports, and how it dies."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from engine_loop import EngineLoop, one_loop

from edgebatch.engines import Finish, GenerationRequest, Prompt
from edgebatch.engines.child import ChildEngine
from edgebatch.engines.process import pack
from edgebatch.engines.stepping import Setup
from edgebatch.errors import EdgebatchError, EngineError, InputError, UnknownNameError

HERE = str(Path(__file__).parent)


@pytest.fixture(scope="module")
def loop() -> Iterator[EngineLoop]:
    yield from one_loop()


def toy_engine(
    trouble: str = "",
    *,
    start_timeout_seconds: float = 600.0,
    step_timeout_seconds: float = 30.0,
) -> ChildEngine:
    return ChildEngine(
        "toy_step_engine:ToyStepEngine",
        {"trouble": trouble},
        name="the toy engine",
        environment={"PYTHONPATH": HERE},
        start_timeout_seconds=start_timeout_seconds,
        step_timeout_seconds=step_timeout_seconds,
    )


def ask(number: int, text: str, max_tokens: int = 3) -> GenerationRequest:
    return GenerationRequest(number, Prompt(text=text), max_tokens, "f16")


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


@pytest.fixture
def started(loop: EngineLoop) -> Iterator[Callable[..., ChildEngine]]:
    engines = []

    def start(trouble: str = "", **timeouts: float) -> ChildEngine:
        engine = toy_engine(trouble, **timeouts)
        engines.append(engine)
        loop.run(engine.start())
        return engine

    before = len(children())
    yield start
    for engine in engines:
        loop.run(engine.stop())
    assert len(children()) == before


Start = Callable[..., ChildEngine]


def test_every_report_is_a_step_and_says_who_gained_what(loop: EngineLoop, started: Start) -> None:
    engine = started()
    engine.submit(ask(1, "abc"))
    engine.submit(ask(2, "xy", max_tokens=2))
    reports = loop.reports_until_idle(engine)
    # three steps and two, which are the same ones if both requests join at once
    assert 3 <= len(reports) <= 5
    gains = [gain for report in reports for gain in report.progress]
    assert [gain.text for gain in gains if gain.number == 1] == ["a", "b", "c"]
    assert [gain.finish for gain in gains if gain.number == 2] == [None, Finish.LENGTH]
    assert all(report.step_seconds is not None for report in reports)


def test_durations_of_steps_of_a_busy_time_add_up_to_it(loop: EngineLoop, started: Start) -> None:
    engine = started()
    engine.submit(ask(1, "abc", max_tokens=20))
    first, *others = loop.reports_until_idle(engine)
    total = sum(report.step_seconds or 0.0 for report in others)
    assert total == pytest.approx(others[-1].at_seconds - first.at_seconds)


def test_requests_join_while_others_run(loop: EngineLoop, started: Start) -> None:
    engine = started()
    answers = loop.answers(engine, [ask(n, "abcdefgh", 4 + n) for n in range(8)], joins=2)
    assert {n: answer.text for n, answer in answers.items()} == {
        n: ("abcdefgh" * 2)[: 4 + n] for n in range(8)
    }
    assert engine.running == frozenset()


def test_a_request_that_raises_fails_alone(loop: EngineLoop, started: Start) -> None:
    engine = started()
    answers = loop.answers(engine, [ask(1, "refused"), ask(2, "fine", 4)])
    assert answers[1].finish is Finish.FAILED
    assert answers[1].error == "nothing to say to that"
    assert answers[2].text == "fine"


def test_a_cancelled_request_ends_and_the_others_go_on(loop: EngineLoop, started: Start) -> None:
    engine = started()
    engine.submit(ask(1, "a", max_tokens=1_000_000))
    engine.submit(ask(2, "b", max_tokens=6))
    loop.run(engine.report())
    engine.cancel(1)
    engine.cancel(1)
    engine.cancel(77)
    reports = loop.reports_until_idle(engine)
    ends = [(gain.number, gain.finish) for report in reports for gain in report.progress]
    assert ends.count((1, Finish.CANCELLED)) == 1
    assert ends.count((2, Finish.LENGTH)) == 1


def test_text_is_encoded_and_decoded_while_requests_run(loop: EngineLoop, started: Start) -> None:
    engine = started()
    engine.submit(ask(1, "a", max_tokens=5))
    assert loop.run(engine.encode(Prompt(text="hi"))) == (104, 105)
    assert loop.run(engine.decode([104, 105])) == "hi"
    with pytest.raises(EngineError, match=r"chr\(\) arg not in range"):
        loop.run(engine.decode([-1]))
    assert loop.reports_until_idle(engine)


def test_a_prompt_that_cannot_be_read_is_wrong_and_not_a_fault_of_the_engine(
    loop: EngineLoop, started: Start
) -> None:
    engine = started()
    with pytest.raises(InputError, match=r"^no template for such roles$"):
        loop.run(engine.encode(Prompt(text="unreadable")))
    assert loop.run(engine.encode(Prompt(text="hi"))) == (104, 105)


def test_a_precision_that_is_not_hosted_is_refused_with_the_ones_that_are(started: Start) -> None:
    engine = started()
    with pytest.raises(UnknownNameError, match="f16"):
        engine.submit(GenerationRequest(1, Prompt(text="a"), 1, "w8"))
    engine.submit(ask(1, "a"))
    with pytest.raises(InputError, match="request 1 is running already"):
        engine.submit(ask(1, "b"))


def test_a_request_that_cannot_be_sent_does_not_count_as_running(
    loop: EngineLoop, started: Start
) -> None:
    engine = started()
    content: object = "bottom"
    for _ in range(100_000):
        content = [content]
    prompt = Prompt(messages=({"role": "user", "content": content},))
    with pytest.raises(RecursionError):
        engine.submit(GenerationRequest(1, prompt, 1, "f16"))
    assert engine.running == frozenset()
    assert loop.answers(engine, [ask(1, "abc")])[1].text == "abc"


def test_what_a_library_prints_disturbs_nothing(loop: EngineLoop, started: Start) -> None:
    engine = started("noise")
    assert loop.answers(engine, [ask(1, "abc")])[1].text == "abc"


def test_memory_of_the_child_is_told_while_it_lives(loop: EngineLoop, started: Start) -> None:
    engine = started()
    memory_bytes = loop.run(engine.memory_bytes())
    assert memory_bytes is not None
    assert memory_bytes > 5e6  # no Python process is smaller
    loop.run(engine.stop())
    assert loop.run(engine.memory_bytes()) is None


def test_the_child_is_out_of_reach_of_ctrl_c(started: Start) -> None:
    before = {process.pid for process in children()}
    started()
    (child,) = [process for process in children() if process.pid not in before]
    assert os.getpgid(child.pid) != os.getpgid(0)


@pytest.mark.parametrize(
    ("trouble", "kind", "message"),
    [
        ("input", InputError, "^model.bin: cut short$"),
        ("library", EngineError, "^the model cannot be loaded: no such device$"),
        ("dies", EngineError, "^the toy engine ended with exit status 7$"),
        ("slow", EngineError, "^the toy engine has said nothing for 0.5 s$"),
        ("leaves a process", EngineError, "^the toy engine ended with exit status 7$"),
    ],
)
def test_an_engine_that_cannot_start_says_why_and_leaves_no_process(
    loop: EngineLoop, trouble: str, kind: type[EdgebatchError], message: str
) -> None:
    before = len(children())
    timeouts = {"start_timeout_seconds": 0.5} if trouble == "slow" else {}
    with pytest.raises(kind, match=message):
        loop.run(toy_engine(trouble, **timeouts).start())
    assert len(children()) == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("broken", "^a step failed: the model is broken$"),
        ("killed", r"^the toy engine was ended by signal 9 \(SIGKILL\): by someone, or by the"),
        ("too large", r"ended by signal 6 \(SIGABRT\) as it ran out of memory; its last words: "),
        ("hang", "^the toy engine hangs: no step has ended for 1.1 s though 2 requests run$"),
    ],
)
def test_an_engine_that_dies_or_hangs_says_how(
    loop: EngineLoop, started: Start, text: str, message: str
) -> None:
    # and 12 bytes of prompts, 0.05 s each
    engine = started(step_timeout_seconds=0.5 if text == "hang" else 60.0)
    engine.submit(ask(1, text))
    engine.submit(ask(2, "innocent"))
    with pytest.raises(EngineError, match=message):
        loop.reports_until_idle(engine)
    assert engine.running == frozenset()
    with pytest.raises(EngineError, match=message):
        loop.run(engine.report())
    with pytest.raises(EngineError, match=message):
        loop.run(engine.encode(Prompt(text="hi")))


def test_reading_prompts_may_take_longer_than_a_step(loop: EngineLoop, started: Start) -> None:
    engine = started(step_timeout_seconds=0.5)
    prompt = "long ".ljust(40)  # 2 s more; 1.2 s are needed

    async def read() -> tuple[int, ...]:
        engine.submit(ask(1, prompt))
        await asyncio.sleep(0.2)  # it is being read
        return await engine.encode(Prompt(text="hi"))

    assert loop.run(read()) == (104, 105)
    assert loop.reports_until_idle(engine)[-1].progress[0].finish is Finish.LENGTH


def test_a_prompt_that_has_been_read_grants_no_more_time(loop: EngineLoop, started: Start) -> None:
    engine = started(step_timeout_seconds=0.5)
    engine.submit(ask(1, "hang later"))
    with pytest.raises(EngineError, match=r"no step has ended for 0\.5 s though 1 requests run$"):
        loop.reports_until_idle(engine)


def test_an_idle_engine_does_not_count_as_hung(loop: EngineLoop, started: Start) -> None:
    engine = started(step_timeout_seconds=1.0)
    loop.run(asyncio.sleep(1.3))
    assert loop.answers(engine, [ask(1, "abc")])[1].text == "abc"


def test_a_loop_that_was_blocked_does_not_take_the_engine_for_hung(
    loop: EngineLoop, started: Start
) -> None:
    engine = started(step_timeout_seconds=1.0)

    async def block() -> None:
        engine.submit(ask(1, "abc"))
        await asyncio.sleep(0.01)
        time.sleep(1.3)

    loop.run(block())
    assert loop.reports_until_idle(engine)[-1].progress[0].finish is Finish.LENGTH


def test_stopping_ends_whoever_waits_for_a_report(loop: EngineLoop, started: Start) -> None:
    engine = started()

    async def wait_and_stop() -> None:
        waiting = asyncio.create_task(engine.report())
        await asyncio.sleep(0)
        await engine.stop()
        await waiting

    with pytest.raises(EngineError, match="has been stopped"):
        loop.run(wait_and_stop())


def test_an_engine_is_stopped_before_it_starts_twice_and_started_again(
    loop: EngineLoop, started: Start
) -> None:
    loop.run(toy_engine().stop())
    engine = started()
    with pytest.raises(EngineError, match="started already"):
        loop.run(engine.start())
    engine.submit(ask(1, "a", max_tokens=1000))
    loop.run(engine.stop())
    loop.run(engine.stop())
    with pytest.raises(EngineError, match="is not running"):
        engine.submit(ask(2, "a"))
    loop.run(engine.start())
    assert loop.answers(engine, [ask(1, "abc")])[1].text == "abc"


def test_a_busy_child_ends_when_its_input_is_closed() -> None:
    # what is left where the kernel kills no children of the dead
    with subprocess.Popen(
        [sys.executable, "-m", "edgebatch.engines.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": HERE},
    ) as child:
        assert child.stdin is not None
        child.stdin.write(pack(Setup("toy_step_engine:ToyStepEngine", {})) + pack(ask(1, "hang")))
        child.stdin.close()
        assert child.wait(timeout=60) == 0


PARENT = f"""
import asyncio, sys
sys.path.insert(0, {HERE!r})
from test_child import ask, toy_engine

async def main():
    engine = toy_engine()
    await engine.start()
    engine.submit(ask(1, sys.argv[1], 1000000))
    print(engine._process.pid, flush=True)
    await asyncio.sleep(3600)

asyncio.run(main())
"""


@pytest.mark.parametrize("text", ["abc", "hang"])
def test_the_child_of_a_parent_that_is_killed_ends_too(text: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, text], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        assert child.is_running()
        parent.send_signal(signal.SIGKILL)
    gone, _ = psutil.wait_procs([child], timeout=60)
    assert gone
