"""Real inference by transformers, with tiny untrained models."""

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
from engine_loop import EngineLoop, one_loop
from tiny_transformers import CONTEXT, FAMILIES, write_tiny

from edgebatch.engines import Engine, Finish, GenerationRequest, Prompt, Report, Sampling
from edgebatch.engines.registry import EngineSpec, make_engine
from edgebatch.engines.transformers import GroupMember, TransformersEngine, TransformersSettings
from edgebatch.engines.transformers_worker import TransformersStepEngine
from edgebatch.errors import EngineError, InputError

torch = pytest.importorskip("torch", reason="needs the extra 'transformers'")
transformers = pytest.importorskip("transformers", reason="needs the extra 'transformers'")

PROMPTS = (
    "The class statement",
    "Return a list",
    "If the file does not exist, it is made and then written to at once, whatever happens",
    "A",
    "This function returns true if",
    "See also the section about",
)
EXACT = TransformersSettings(dtype="f32", threads=1)
"""In 32 bits greedy answers do not turn where two tokens are almost equally likely."""


@pytest.fixture(scope="module")
def loop() -> Iterator[EngineLoop]:
    yield from one_loop()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    place = tmp_path_factory.mktemp("models")
    return {family: write_tiny(family, place / family) for family in FAMILIES}


@pytest.fixture(scope="module")
def engines(
    loop: EngineLoop, folders: Mapping[str, Path]
) -> Iterator[Callable[[str], TransformersEngine]]:
    """Starts the engine of a family when it is first asked for."""
    started: dict[str, TransformersEngine] = {}

    def engine(family: str) -> TransformersEngine:
        if family not in started:
            hosted = dict.fromkeys(("f32", "bf16", "w8", "w4"), folders[family])
            started[family] = TransformersEngine(hosted, EXACT)
            loop.run(started[family].start())
        return started[family]

    yield engine
    for each in started.values():
        loop.run(each.stop())


@pytest.fixture
def engine(engines: Callable[[str], TransformersEngine]) -> TransformersEngine:
    return engines("llama")


def ask(
    number: int,
    prompt: str | Prompt | None = None,
    *,
    max_tokens: int = 12,
    precision: str = "f32",
    **sampling: object,
) -> GenerationRequest:
    if prompt is None:
        prompt = PROMPTS[number]
    if isinstance(prompt, str):
        prompt = Prompt(text=prompt)
    how = Sampling(**{"ignore_end": True, **sampling})  # type: ignore[arg-type]
    return GenerationRequest(number, prompt, max_tokens, precision, how)


def members(reports: list[Report]) -> list[set[int]]:
    return [{gain.number for gain in report.progress} for report in reports]


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_answers_of_padded_batches_are_those_of_transformers_alone(
    loop: EngineLoop,
    engines: Callable[[str], TransformersEngine],
    folders: Mapping[str, Path],
    family: str,
) -> None:
    engine = engines(family)
    network = transformers.AutoModelForCausalLM.from_pretrained(folders[family])
    requests = [ask(n, max_tokens=6 + 5 * n) for n in range(6)]
    answers = loop.answers(engine, requests)
    lengths = set()
    for request in requests:
        prompt = loop.run(engine.encode(request.prompt))
        lengths.add(len(prompt))
        whole = network.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            max_new_tokens=request.max_tokens,
            min_new_tokens=request.max_tokens,
            do_sample=False,
            pad_token_id=0,
        )
        assert answers[request.number].tokens == tuple(whole[0, len(prompt) :].tolist())
    assert len(lengths) > 3
    assert len({answer.tokens for answer in answers.values()}) == 6


@pytest.mark.parametrize("precision", ["f32", "w8", "w4"])
@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_answers_are_the_same_alone_and_in_padded_batches(
    loop: EngineLoop,
    engines: Callable[[str], TransformersEngine],
    family: str,
    precision: str,
) -> None:
    engine = engines(family)
    requests = [ask(n, max_tokens=24 - 3 * n, precision=precision) for n in range(6)]
    alone = {n: loop.answers(engine, [requests[n]])[n] for n in range(6)}
    assert loop.answers(engine, requests) == alone
    assert loop.answers(engine, requests[:3]) == {n: alone[n] for n in range(3)}


def test_precisions_really_differ(loop: EngineLoop, engine: TransformersEngine) -> None:
    answers = {
        name: loop.answers(engine, [ask(2, max_tokens=100, precision=name)])[2].tokens
        for name in ("f32", "bf16", "w8", "w4")
    }
    assert len(set(answers.values())) == 4


def test_a_batch_takes_as_many_passes_as_its_longest_member_has_tokens(
    loop: EngineLoop, engine: TransformersEngine
) -> None:
    for number, limit in enumerate((3, 7, 5)):
        engine.submit(ask(number, max_tokens=limit))
    reports = loop.reports_until_idle(engine)
    assert members(reports) == [{0, 1, 2}] * 3 + [{1, 2}] * 2 + [{1}] * 2
    assert all(report.step_seconds is not None for report in reports)
    assert all(gain.num_tokens == 1 for report in reports for gain in report.progress)


def test_whoever_comes_meanwhile_waits_for_the_next_batch(
    loop: EngineLoop, engine: TransformersEngine
) -> None:
    engine.submit(ask(0, max_tokens=40))
    engine.submit(ask(1, max_tokens=2))
    reports = [loop.run(engine.report())]
    engine.submit(ask(2, max_tokens=3))
    engine.submit(ask(3, max_tokens=3))
    reports += loop.reports_until_idle(engine)
    assert members(reports) == [{0, 1}] * 2 + [{0}] * 38 + [{2, 3}] * 3


def test_all_who_are_submitted_at_once_form_one_batch(
    loop: EngineLoop, engine: TransformersEngine
) -> None:
    for _ in range(5):
        for number in range(40):
            engine.submit(ask(number, PROMPTS[number % 6], max_tokens=1))
        (report,) = loop.reports_until_idle(engine)
        assert len(report.progress) == 40


def test_a_batch_is_not_begun_before_all_of_a_group_have_come(folders: Mapping[str, Path]) -> None:
    engine = TransformersStepEngine("tiny", {"f32": str(folders["llama"])}, EXACT)
    engine.load()
    text = Prompt(text="A")
    would_step = []
    engine.add(GroupMember(0, text, 2, "f32", followers=2))
    would_step.append(engine.is_running)
    engine.add(GroupMember(1, text, 1, "f32", followers=1))
    would_step.append(engine.is_running)
    with pytest.raises(EngineError, match="the prompt has no tokens"):
        engine.add(GroupMember(2, Prompt(text=""), 1, "f32"))
    would_step.append(engine.is_running)
    assert would_step == [False, False, True]
    assert {gain.number for gain in engine.step()} == {0, 1}
    # a batch that runs waits for nobody
    engine.add(GroupMember(3, text, 1, "f32", followers=1))
    assert {gain.number for gain in engine.step()} == {0}
    assert not engine.is_running


def test_precisions_run_in_batches_of_their_own(
    loop: EngineLoop, engine: TransformersEngine
) -> None:
    for number, precision in enumerate(("w8", "f32", "w8", "w4")):
        engine.submit(ask(number, max_tokens=2, precision=precision))
    assert members(loop.reports_until_idle(engine)) == [
        {0, 2}, {0, 2}, {1}, {1}, {3}, {3},
    ]  # fmt: skip


def test_a_row_that_is_done_may_go_on_beyond_the_models_last_position(
    loop: EngineLoop, engines: Callable[[str], TransformersEngine]
) -> None:
    engine = engines("opt")
    # 250 + 2 tokens fit; its row is then computed for 58 more, beyond position 255
    full = ask(0, Prompt(tokens=tuple(range(5, 255))), max_tokens=2)
    long = ask(1, Prompt(tokens=(7, 8, 9)), max_tokens=60)
    alone = loop.answers(engine, [full]) | loop.answers(engine, [long])
    assert loop.answers(engine, [full, long]) == alone


def test_a_cancelled_row_says_no_more_and_changes_nothing_for_the_others(
    loop: EngineLoop, engine: TransformersEngine
) -> None:
    # so long that the cancellation comes in time however busy the machine is
    alone = loop.answers(engine, [ask(1, max_tokens=150)])[1]
    engine.submit(ask(0, max_tokens=200))
    engine.submit(ask(1, max_tokens=150))
    engine.submit(ask(2, precision="w8"))
    reports = [loop.run(engine.report())]
    engine.cancel(0)
    engine.cancel(2)
    reports += loop.reports_until_idle(engine)
    gains = [gain for report in reports for gain in report.progress]
    assert [gain.finish for gain in gains if gain.number == 0 and gain.finish] == [Finish.CANCELLED]
    assert [gain.finish for gain in gains if gain.number == 2] == [Finish.CANCELLED]
    assert tuple(gain.tokens[0] for gain in gains if gain.number == 1) == alone.tokens
    # nobody needs the rows of the batch any more, long before the limit of the cancelled one
    assert len([report for report in reports if report.step_seconds is not None]) == 150


def test_sampling_depends_on_the_seed_and_not_on_the_company(
    loop: EngineLoop, engine: TransformersEngine
) -> None:
    def sampled(number: int, seed: int | None, top_p: float = 1.0) -> GenerationRequest:
        return ask(number, PROMPTS[0], temperature=1.0, seed=seed, top_p=top_p)

    alone = loop.answers(engine, [sampled(0, 5)])[0]
    together = loop.answers(
        engine, [ask(4), sampled(0, 5), sampled(1, 6), sampled(2, 5), sampled(3, 5, top_p=1e-6)]
    )
    greedy = loop.answers(engine, [ask(0)])[0]
    assert together[0] == together[2] == alone
    assert together[1] != alone
    assert together[3] == greedy  # the likeliest token alone has more than a millionth
    unseeded = loop.answers(engine, [sampled(8, None), sampled(9, None)])
    assert unseeded[8] != unseeded[9]


def test_text_messages_and_their_tokens_are_answered_alike(
    loop: EngineLoop, engine: TransformersEngine
) -> None:
    tokens = loop.run(engine.encode(Prompt(text=PROMPTS[0])))
    assert loop.run(engine.decode(tokens)) == PROMPTS[0]
    messages = Prompt(messages=({"role": "user", "content": "What is a list?"},))
    chat = loop.run(engine.encode(messages))
    assert len(chat) > len(loop.run(engine.encode(Prompt(text="What is a list?"))))
    answers = loop.answers(
        engine,
        [ask(0), ask(1, Prompt(tokens=tokens)), ask(2, messages), ask(3, Prompt(tokens=chat))],
    )
    assert answers[0] == answers[1]
    assert answers[2] == answers[3]
    assert answers[0].text == loop.run(engine.decode(answers[0].tokens))
    assert (answers[0].finish, len(answers[0].tokens)) == (Finish.LENGTH, 12)


def test_a_stop_text_ends_the_answer_and_is_not_part_of_it(
    loop: EngineLoop, engine: TransformersEngine
) -> None:
    whole = loop.answers(engine, [ask(1, max_tokens=20)])[1]
    stop = whole.text[10:14]
    answers = loop.answers(engine, [ask(1, max_tokens=20, stop=(stop,)), ask(2)])
    assert answers[1].finish is Finish.STOP
    assert answers[1].text == whole.text[: whole.text.index(stop)]
    assert len(answers[1].tokens) < 20
    assert answers[2].finish is Finish.LENGTH


def test_the_models_own_end_ends_the_answer_unless_ignored(
    loop: EngineLoop, engine: TransformersEngine
) -> None:
    # at a temperature so high, about one token in 2048 is the end
    def hot(number: int, ignore_end: bool) -> GenerationRequest:
        return ask(number, "A", max_tokens=200, temperature=1e6, seed=number, ignore_end=ignore_end)

    free = loop.answers(engine, [hot(n, False) for n in range(40)])
    ended = [n for n, answer in free.items() if answer.finish is Finish.STOP]
    assert ended
    assert all(free[n].tokens.index(0) == len(free[n].tokens) - 1 for n in ended)
    held = loop.answers(engine, [hot(n, True) for n in ended])
    assert all(len(answer.tokens) == 200 for answer in held.values())
    assert all(held[n].tokens[: len(free[n].tokens)] == free[n].tokens for n in ended)


@pytest.mark.parametrize(
    ("prompt", "how", "error"),
    [
        (Prompt(tokens=(5,) * 250), {}, "250 tokens of prompt and 12 of answer do not fit the con"),
        (Prompt(text=""), {}, "the prompt has no tokens"),
        (Prompt(tokens=(5, 2048)), {}, "the model has no token 2048"),
        (Prompt(text="a"), {"max_tokens": 0}, "the answer's limit is 0 tokens; expected at least"),
        (Prompt(text="a"), {"temperature": -1.0}, "`temperature` (=-1.0) has to be a strictly pos"),
    ],
)
def test_a_request_that_cannot_be_served_fails_alone(
    loop: EngineLoop, engine: TransformersEngine, prompt: Prompt, how: Any, error: str
) -> None:
    # the last of a group may be the one that fails: the others must not wait for it
    answers = loop.answers(engine, [ask(0), ask(1), ask(2, prompt, **how)])
    assert answers[2].finish is Finish.FAILED
    assert answers[2].error.startswith(error)
    assert answers[0].finish is answers[1].finish is Finish.LENGTH


@pytest.fixture
def pair(loop: EngineLoop, folders: Mapping[str, Path]) -> Iterator[Engine]:
    """An engine, not started, that serves two requests at a time."""
    settings = {"max_batch": "2", "threads": "1"}
    engine = make_engine(EngineSpec("transformers", settings, str(folders["llama"])))
    yield engine
    loop.run(engine.stop())


def test_the_registry_hosts_a_folder_as_it_is_stored(
    loop: EngineLoop, pair: Engine, folders: Mapping[str, Path]
) -> None:
    info = loop.run(pair.start())
    memory_bytes = loop.run(pair.memory_bytes())
    assert (info.engine, info.model, info.precisions) == ("transformers", "llama", ("f32",))
    assert (info.max_context_tokens, info.max_running, info.has_steps) == (CONTEXT, 2, True)
    assert info.settings["batching"] == "padded"
    assert info.settings["threads"] == "1"
    assert info.vocabulary_size == 2048
    assert memory_bytes is not None
    assert memory_bytes > (folders["llama"] / "model.safetensors").stat().st_size
    for number in range(5):
        pair.submit(ask(number, max_tokens=2))
    assert members(loop.reports_until_idle(pair)) == [{0, 1}] * 2 + [{2, 3}] * 2 + [{4}] * 2


def test_a_killed_engine_is_noticed_and_leaves_nothing(loop: EngineLoop, pair: Engine) -> None:
    before = set(psutil.Process().children(recursive=True))
    loop.run(pair.start())
    (child,) = set(psutil.Process().children(recursive=True)) - before
    for number in range(10):  # two at a time; so many that it cannot be done yet
        pair.submit(ask(number, PROMPTS[0], max_tokens=200))
    loop.run(pair.report())
    os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(EngineError, match="transformers was ended by signal 9"):
        loop.reports_until_idle(pair)
    loop.run(pair.stop())
    assert set(psutil.Process().children(recursive=True)) == before


def test_a_broken_model_is_named_and_leaves_no_process(
    loop: EngineLoop, folders: Mapping[str, Path], tmp_path: Path
) -> None:
    before = set(psutil.Process().children(recursive=True))
    with pytest.raises(InputError, match=r"expected a folder with config\.json, found none"):
        loop.run(TransformersEngine(tmp_path).start())
    (tmp_path / "config.json").write_text((folders["llama"] / "config.json").read_text())
    (tmp_path / "model.safetensors").write_bytes(b"cut short")
    with pytest.raises(InputError, match="transformers cannot load it") as raised:
        loop.run(TransformersEngine(tmp_path).start())
    assert str(tmp_path) in str(raised.value)
    assert set(psutil.Process().children(recursive=True)) == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_refused(
    loop: EngineLoop, folders: Mapping[str, Path]
) -> None:
    engine = TransformersEngine(folders["llama"], TransformersSettings(device="cuda"))
    with pytest.raises(EngineError, match="torch finds no device 'cuda' here; it finds cpu"):
        loop.run(engine.start())
