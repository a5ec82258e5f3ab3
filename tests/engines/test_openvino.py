"""Real inference with the shipped model through OpenVINO GenAI."""

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from engine_loop import EngineLoop, one_loop

from edgebatch.engines import Finish, GenerationRequest, Progress, Prompt, Sampling
from edgebatch.engines.openvino import OpenVinoEngine, OpenVinoSettings
from edgebatch.engines.openvino_files import read_about
from edgebatch.engines.openvino_worker import OpenVinoStepEngine
from edgebatch.errors import EdgebatchError, EngineError, InputError, UnknownNameError
from edgebatch.serving.openai_requests import LEAST_TEMPERATURE, LEAST_TOP_P

pytest.importorskip("openvino_genai", reason="OpenVINO GenAI is not installed")

DATA = Path(__file__).parents[2] / "src/edgebatch/local_models/data/edgebatch-tiny"
MODEL = DATA / "openvino"
PROMPTS = (
    "The class statement",
    "Return a list of",
    "If the file does not exist",
    "A module is",
    "This function returns true if",
    "See also the section about",
    "Raises an exception when",
    "An iterator over the",
)
EXACT = OpenVinoSettings(inference_precision="f32", dynamic_quantization_group_size=0)
"""Without 16-bit arithmetic, and without activations rounded to 8 bits."""

SHAPE = json.loads((MODEL / "w8/config.json").read_text())
TOKEN_BYTES = 2 * 2 * SHAPE["num_hidden_layers"] * SHAPE["num_key_value_heads"] * SHAPE["head_dim"]
"""Keys and values of a token at two bytes each."""


@pytest.fixture(scope="module")
def loop() -> Iterator[EngineLoop]:
    yield from one_loop()


@pytest.fixture(scope="module")
def engine(loop: EngineLoop) -> Iterator[OpenVinoEngine]:
    engine = OpenVinoEngine(MODEL, EXACT)
    loop.run(engine.start())
    yield engine
    loop.run(engine.stop())


@pytest.fixture
def start(loop: EngineLoop) -> Iterator[Callable[[OpenVinoSettings], OpenVinoEngine]]:
    """Starts engines of one precision, and stops them after the test."""
    engines = []

    def start(settings: OpenVinoSettings) -> OpenVinoEngine:
        engine = OpenVinoEngine({"w8": MODEL / "w8"}, settings)
        engines.append(engine)
        loop.run(engine.start())
        return engine

    yield start
    for engine in engines:
        loop.run(engine.stop())


Start = Callable[[OpenVinoSettings], OpenVinoEngine]


def ask(
    number: int,
    prompt: str | Prompt | None = None,
    *,
    max_tokens: int = 12,
    precision: str = "w8",
    **sampling: object,
) -> GenerationRequest:
    if prompt is None:
        prompt = PROMPTS[number]
    if isinstance(prompt, str):
        prompt = Prompt(text=prompt)
    how = Sampling(**{"ignore_end": True, **sampling})  # type: ignore[arg-type]
    return GenerationRequest(number, prompt, max_tokens, precision, how)


def test_it_says_what_matters_to_whoever_compares_figures(loop: EngineLoop) -> None:
    engine = OpenVinoEngine(
        {"eight": MODEL / "w8"}, OpenVinoSettings(threads=1, max_batch=4), "tiny"
    )
    try:
        info = loop.run(engine.start())
        memory_bytes = loop.run(engine.memory_bytes())
    finally:
        loop.run(engine.stop())
    assert (info.engine, info.model, info.precisions) == ("openvino", "tiny", ("eight",))
    assert info.version.startswith("20")
    assert info.max_running == 4
    assert info.max_context_tokens == SHAPE["max_position_embeddings"]
    assert info.has_steps
    assert info.start_seconds > 0
    assert info.settings["dynamic_quantization_group_size"] == "32"
    assert info.settings["kv_cache_precision"] == "f16"
    assert info.settings["threads"] == "1"
    assert info.settings["inference_precision"] in ("bf16", "f16", "f32")
    assert memory_bytes is not None
    assert memory_bytes > (MODEL / "w8/openvino_model.bin").stat().st_size


def test_text_and_its_tokens_are_answered_alike(loop: EngineLoop, engine: OpenVinoEngine) -> None:
    tokens = loop.run(engine.encode(Prompt(text=PROMPTS[0])))
    assert loop.run(engine.decode(tokens)) == PROMPTS[0]
    answers = loop.answers(engine, [ask(0), ask(1, Prompt(tokens=tokens))])
    assert answers[0] == answers[1]
    assert answers[0].finish is Finish.LENGTH
    assert len(answers[0].tokens) == 12
    assert answers[0].text == loop.run(engine.decode(answers[0].tokens))


def test_messages_go_through_the_chat_template(loop: EngineLoop, engine: OpenVinoEngine) -> None:
    messages = ({"role": "user", "content": "What is a list?"},)
    chat = loop.run(engine.encode(Prompt(messages=messages)))
    plain = loop.run(engine.encode(Prompt(text="What is a list?")))
    # the template puts marks before and after
    assert len(chat) > len(plain)
    assert any(chat[at : at + len(plain)] == plain for at in range(len(chat)))
    answers = loop.answers(engine, [ask(0, Prompt(messages=messages)), ask(1, Prompt(tokens=chat))])
    assert answers[0] == answers[1]


def test_messages_that_the_chat_template_refuses_are_wrong(
    loop: EngineLoop, tmp_path: Path
) -> None:
    shutil.copytree(MODEL / "w8", tmp_path / "w8")
    for name in ("openvino_tokenizer.xml", "openvino_detokenizer.xml"):
        file = tmp_path / "w8" / name
        whole = file.read_text(encoding="utf-8")
        assert "{% for message in messages %}" in whole
        refusal = "{{ raise_exception(&quot;roles must alternate&quot;) }}"
        file.write_text(whole.replace("{% for", f"{refusal}{{% for"), encoding="utf-8")
    engine = OpenVinoEngine({"w8": tmp_path / "w8"}, EXACT)
    try:
        loop.run(engine.start())
        with pytest.raises(InputError, match=r"^messages: the model's chat template fails: roles"):
            loop.run(engine.encode(Prompt(messages=({"role": "user", "content": "a"},))))
        assert loop.run(engine.encode(Prompt(text="a")))
    finally:
        loop.run(engine.stop())


@pytest.mark.parametrize("precision", ["f16", "w8", "w4"])
@pytest.mark.parametrize("joins", [0, 1, 3])
def test_greedy_answers_of_ragged_batches_are_those_of_each_request_alone(
    loop: EngineLoop, engine: OpenVinoEngine, precision: str, joins: int
) -> None:
    requests = [ask(n, max_tokens=6 + 5 * n % 17, precision=precision) for n in range(8)]
    alone = {n: loop.answers(engine, [requests[n]])[n] for n in range(8)}
    assert loop.answers(engine, requests, joins) == alone
    assert len({answer.tokens for answer in alone.values()}) == 8


def test_a_joiner_is_read_whole_in_the_step_in_which_the_others_decode(
    loop: EngineLoop, engine: OpenVinoEngine
) -> None:
    for _ in range(5):
        engine.submit(ask(0, max_tokens=2000))
        loop.run(engine.report())
        engine.submit(ask(1, Prompt(tokens=tuple(range(10, 1010))), max_tokens=2))
        members = []
        while 1 in engine.running:
            members.append({gain.number for gain in loop.run(engine.report()).progress})
        was_joined = 0 in engine.running  # on a busy machine it may have ended before
        engine.cancel(0)
        loop.reports_until_idle(engine)
        if was_joined:
            break
    # two tokens of the joiner, the first of which ends its prefill; no step without the other
    assert members.count({0, 1}) == 2
    assert members.count({0}) == len(members) - 2


def test_precisions_take_turns(loop: EngineLoop, engine: OpenVinoEngine) -> None:
    requests = [ask(0, precision="w8"), ask(1, precision="w4"), ask(2, precision="w8")]
    alone = [loop.answers(engine, [request])[request.number] for request in requests]
    for request in requests:
        engine.submit(request)
    reports = loop.reports_until_idle(engine)
    members = [frozenset(gain.number for gain in report.progress) for report in reports]
    assert set(members) <= {frozenset({0}), frozenset({1}), frozenset({2}), frozenset({0, 2})}
    texts = ["", "", ""]
    for gain in (gain for report in reports for gain in report.progress):
        texts[gain.number] += gain.text
    assert texts == [answer.text for answer in alone]


def test_sampling_depends_on_the_seed_and_not_on_the_company(
    loop: EngineLoop, engine: OpenVinoEngine
) -> None:
    def sampled(number: int, seed: int | None, top_p: float = 1.0) -> GenerationRequest:
        return ask(number, PROMPTS[0], temperature=1.0, seed=seed, top_p=top_p)

    alone = loop.answers(engine, [sampled(0, 5)])[0]
    together = loop.answers(
        engine, [sampled(0, 5), sampled(1, 6), sampled(2, 5), sampled(3, 5, top_p=0.01), ask(4)]
    )
    greedy = loop.answers(engine, [ask(0)])[0]
    assert together[0] == together[2] == alone
    assert together[1] != alone
    assert together[3] == greedy  # the likeliest token alone has more than a hundredth
    assert loop.answers(engine, [sampled(8, None), sampled(9, None)])[8] != greedy
    least = ask(0, temperature=LEAST_TEMPERATURE, top_p=LEAST_TOP_P)
    assert loop.answers(engine, [least])[0] == greedy


def test_a_stop_text_ends_the_answer_and_is_not_part_of_it(
    loop: EngineLoop, engine: OpenVinoEngine
) -> None:
    whole = loop.answers(engine, [ask(1, max_tokens=20)])[1]
    stop = whole.text[10:14]
    answers = loop.answers(engine, [ask(1, max_tokens=20, stop=(stop,)), ask(2)])
    assert answers[1].finish is Finish.STOP
    assert answers[1].text == whole.text[: whole.text.index(stop)]
    assert len(answers[1].tokens) < 20
    assert answers[2].finish is Finish.LENGTH


def test_the_models_own_end_ends_the_answer_unless_ignored(
    loop: EngineLoop, engine: OpenVinoEngine
) -> None:
    # sampled at a high temperature, the end comes sooner or later
    for number in range(16):
        engine.submit(ask(number, PROMPTS[0], max_tokens=2000, temperature=3.0, ignore_end=False))
    ends: list[Finish | None] = []
    while not ends:
        ends = [gain.finish for gain in loop.run(engine.report()).progress if gain.finish]
    for number in engine.running:
        engine.cancel(number)
    loop.reports_until_idle(engine)
    assert set(ends) == {Finish.STOP}


def test_more_requests_than_fit_a_batch_wait_inside_the_engine(
    loop: EngineLoop, start: Start
) -> None:
    engine = start(OpenVinoSettings(max_batch=2))
    for number in range(5):
        engine.submit(ask(number))
    reports = loop.reports_until_idle(engine)
    assert max(len(report.progress) for report in reports) == 2
    ends = [gain.number for report in reports for gain in report.progress if gain.finish]
    assert sorted(ends) == [0, 1, 2, 3, 4]


def test_a_cancelled_request_ends_and_others_go_on(loop: EngineLoop, start: Start) -> None:
    engine = start(OpenVinoSettings())
    engine.submit(ask(0, max_tokens=2000))
    engine.submit(ask(1, max_tokens=40))
    loop.run(engine.report())
    engine.cancel(0)
    ends = {
        gain.number: gain.finish
        for report in loop.reports_until_idle(engine)
        for gain in report.progress
        if gain.finish
    }
    assert ends == {0: Finish.CANCELLED, 1: Finish.LENGTH}


def test_a_joiner_gets_the_room_of_a_cancelled_request() -> None:
    # in this process, since the child goes on stepping until a cancellation arrives
    engine = OpenVinoStepEngine(
        "tiny", {"w8": str(MODEL / "w8")}, OpenVinoSettings(cache_bytes=64 * TOKEN_BYTES)
    )
    engine.load()
    engine.add(ask(0, max_tokens=50))
    for _ in range(40):  # more than 32 tokens, so it has both blocks of the cache
        engine.step()
    end = engine.cancel(0)
    assert end is not None
    assert end.finish is Finish.CANCELLED
    engine.add(ask(1, max_tokens=50))
    gains: list[Progress] = []
    while engine.is_running:
        gains += engine.step()
    assert (gains[-1].finish, sum(gain.num_tokens for gain in gains)) == (Finish.LENGTH, 50)


def test_a_request_too_long_for_the_cache_fails_alone(loop: EngineLoop, start: Start) -> None:
    engine = start(OpenVinoSettings(cache_bytes=64 * TOKEN_BYTES))
    answers = loop.answers(engine, [ask(0, max_tokens=100), ask(1, max_tokens=20)])
    assert answers[0].finish is Finish.FAILED
    assert answers[0].error.endswith("do not fit the key-value cache of 64 tokens")
    assert answers[1].finish is Finish.LENGTH


def test_requests_that_outgrow_the_cache_together_are_all_answered(
    loop: EngineLoop, start: Start
) -> None:
    engine = start(replace(EXACT, cache_bytes=96 * TOKEN_BYTES))
    requests = [ask(n, max_tokens=50) for n in range(3)]  # two blocks of 32 tokens each, of three
    alone = {n: loop.answers(engine, [requests[n]])[n] for n in range(3)}
    assert loop.answers(engine, requests) == alone


@pytest.mark.parametrize(
    ("prompt", "max_tokens", "error"),
    [
        (Prompt(tokens=(5,) * 2040), 9, "2040 tokens of prompt and 9 of answer do not fit the con"),
        (Prompt(tokens=()), 9, "the prompt has no tokens"),
        (Prompt(text=""), 9, "the prompt has no tokens"),
        (Prompt(tokens=(5, 2048)), 9, "the model has no token 2048"),
        (Prompt(tokens=(-1,)), 9, "the model has no token -1"),
        (Prompt(text="a"), 0, "the answer's limit is 0 tokens; expected at least 1"),
    ],
)
def test_a_request_that_cannot_be_served_fails_alone(
    loop: EngineLoop, engine: OpenVinoEngine, prompt: Prompt, max_tokens: int, error: str
) -> None:
    answers = loop.answers(engine, [ask(0), ask(1, prompt, max_tokens=max_tokens), ask(2)])
    assert answers[1].finish is Finish.FAILED
    assert answers[1].error.startswith(error)
    assert answers[0].finish is answers[2].finish is Finish.LENGTH


def test_impossible_sampling_fails_with_what_the_library_says(
    loop: EngineLoop, engine: OpenVinoEngine
) -> None:
    answer = loop.answers(engine, [ask(0, temperature=-1.0)])[0]
    assert answer.finish is Finish.FAILED
    assert "temperature must be a strictly positive" in answer.error


def test_a_precision_that_is_not_hosted_is_refused(engine: OpenVinoEngine) -> None:
    with pytest.raises(UnknownNameError, match="precision: unknown name 'w16'; did you mean 'f16'"):
        engine.submit(ask(0, precision="w16"))


def test_a_killed_engine_is_noticed_and_leaves_nothing(loop: EngineLoop, start: Start) -> None:
    before = set(psutil.Process().children(recursive=True))
    engine = start(OpenVinoSettings())
    (child,) = set(psutil.Process().children(recursive=True)) - before
    engine.submit(ask(0, max_tokens=2000))
    loop.run(engine.report())
    os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(EngineError, match="OpenVINO was ended by signal 9"):
        loop.reports_until_idle(engine)
    loop.run(engine.stop())
    assert set(psutil.Process().children(recursive=True)) == before


@pytest.mark.parametrize(
    ("name", "size", "kind", "message"),
    [
        ("openvino_model.bin", None, InputError, r"openvino_model\.bin: no such file"),
        ("openvino_tokenizer.xml", None, InputError, r"openvino_tokenizer\.xml: no such file"),
        ("openvino_model.bin", 1000, InputError, r"model\.xml: cannot be read: Incorrect weights"),
        ("openvino_model.xml", 1000, InputError, r"model\.xml: cannot be read: Start-end tags"),
        ("openvino_tokenizer.bin", 10, EdgebatchError, r"w8: OpenVINO cannot load it: "),
        ("config.json", 10, InputError, r"config\.json: not JSON"),
    ],
)
def test_a_broken_model_is_named_and_leaves_no_process(
    loop: EngineLoop,
    tmp_path: Path,
    name: str,
    size: int | None,
    kind: type[EdgebatchError],
    message: str,
) -> None:
    shutil.copytree(MODEL / "w8", tmp_path / "w8")
    if size is None:
        (tmp_path / "w8" / name).unlink()
    else:
        os.truncate(tmp_path / "w8" / name, size)
    before = set(psutil.Process().children(recursive=True))
    with pytest.raises(kind, match=message) as raised:
        loop.run(OpenVinoEngine({"w8": tmp_path / "w8"}).start())
    assert str(tmp_path) in str(raised.value)
    assert set(psutil.Process().children(recursive=True)) == before


def test_a_folder_without_models_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found none"):
        OpenVinoEngine(tmp_path)


def test_one_folder_of_a_model_is_a_precision_called_after_it() -> None:
    assert OpenVinoEngine(MODEL / "w4").folders == {"w4": MODEL / "w4"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (OpenVinoSettings(device="TPU"), "finds no device 'TPU' here; it finds CPU"),
        (OpenVinoSettings(cache_bytes=1000), "1000 bytes has no room for 32 tokens"),
        (OpenVinoSettings(inference_precision="f8"), "CPU does not compute in 'f8'; it does in"),
    ],
)
def test_settings_that_this_machine_cannot_have_are_refused(
    loop: EngineLoop, settings: OpenVinoSettings, message: str
) -> None:
    with pytest.raises(EngineError, match=message):
        loop.run(OpenVinoEngine(MODEL / "w8", settings).start())


def test_settings_that_make_no_sense_are_refused_at_once() -> None:
    with pytest.raises(InputError, match="threads: expected at least 1, got 0"):
        OpenVinoSettings(threads=0)
    with pytest.raises(UnknownNameError, match="did you mean 'f16'"):
        OpenVinoSettings(kv_cache_precision="fp16")
    with pytest.raises(InputError, match="kept_kernels: expected at least 0, got -1"):
        OpenVinoSettings(kept_kernels=-1)
    with pytest.raises(InputError, match="max_context_tokens: expected at least 1, got 0"):
        OpenVinoSettings(max_context_tokens=0)
    with pytest.raises(InputError, match="step_timeout_seconds: must be a finite number above 0"):
        OpenVinoSettings(step_timeout_seconds=0.0)
    with pytest.raises(InputError, match="cache_bytes: must be a finite number above 0, got nan"):
        OpenVinoSettings(cache_bytes=float("nan"))


def test_a_configuration_without_a_language_model_of_its_own_is_read(tmp_path: Path) -> None:
    config = {"vocab_size": 7, "text_config": None}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert read_about(tmp_path)["vocab_size"] == 7
