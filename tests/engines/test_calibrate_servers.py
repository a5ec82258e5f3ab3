"""Calibrating somebody's servers: what is asked of them, and of whoever has them."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli_process import edgebatch, refusal
from edgebatch.calibration.calibration import Calibration, Wish, calibrate_subject
from edgebatch.calibration.described import description
from edgebatch.calibration.llama_cpp_scorer import LlamaCppQuestions
from edgebatch.calibration.profile import Profile
from edgebatch.calibration.remote import Found, Word, found_servers
from edgebatch.engines.http_client import open_client
from edgebatch.engines.http_probe import cache_tokens
from edgebatch.engines.http_server import ServerAddress
from edgebatch.engines.openai_http import OpenAIEngine
from edgebatch.errors import EngineError, InputError
from edgebatch.local_models import open_model
from edgebatch.reporting.calibration import quality_table
from misbehaving_server import Json, MisbehavingServer
from plain_server import PlainServer, VllmImitation

pytest.importorskip("aiohttp")
TEXT = "Some words that nobody has read before, and a few more of them. " * 40
TINY = description("edgebatch-tiny")


def found(server: MisbehavingServer, word: Word, *names: str) -> Found:
    with server.serving() as url:

        def make(wanted: tuple[str, ...]) -> OpenAIEngine:
            return OpenAIEngine({name: ServerAddress(url) for name in wanted})

        return asyncio.run(found_servers(make, names or ("w8",), TEXT, word))


def calibrated(server: MisbehavingServer, word: Word, budget_seconds: float = 3.0) -> Calibration:
    with server.serving() as url:

        def make(wanted: tuple[str, ...]) -> OpenAIEngine:
            return OpenAIEngine({name: ServerAddress(url) for name in wanted})

        async def measure() -> Calibration:
            subject, _, declared = await found_servers(make, ("w8",), TEXT, word)
            wish = Wish(budget_seconds, held_out=2, decode_passes=4)
            return await calibrate_subject(
                subject, None, wish, declared=declared, on_progress=lambda _phase, _share: None
            )

        return asyncio.run(measure())


def test_a_server_without_a_tokenizer_is_sent_text_and_counts_it() -> None:
    server = PlainServer()
    calibration = calibrated(server, Word(TINY, cache_tokens=4096))
    assert all(isinstance(asked["prompt"], str) for asked in server.asked)
    assert all(asked["ignore_eos"] for asked in server.asked)
    profile = calibration.profile
    (precision,) = profile.precisions
    # 1,353,024 parameters of a byte, and 4096 tokens of 2 · 3 layers · 64 values of 2 bytes
    assert profile.node.memory_bytes == 1_353_024 + 4096 * 768
    assert precision.quality == 1.0
    assert profile.quality_measure == "assumed"
    assert profile.verdict.endswith(
        "Not measured: memory (its cache declared) and quality (taken to be 1)."
    )
    assert "w8 1 (by its name)" in profile.source.notes


def test_a_server_that_does_not_know_how_to_ignore_the_end_is_not_asked_to() -> None:
    server = PlainServer(takes_ignore_end=False)
    subject, _, _ = found(server, Word(TINY, cache_tokens=99))
    assert not subject.manner.ignores_end
    # 13 words and 13 blanks of 64 characters
    assert subject.manner.characters_per_token == pytest.approx(64 / 13, rel=0.05)
    assert ["ignore_eos" in asked for asked in server.asked] == [True, False]


def test_how_many_answers_ended_early_is_on_record() -> None:
    calibration = calibrated(PlainServer(ends_after=9), Word(TINY, cache_tokens=4096))
    assert calibration.together.num_cut_short > 0
    said = f"in {calibration.together.num_cut_short} trials an answer ended before its limit"
    assert said in calibration.profile.source.notes


def test_a_server_whose_answers_all_end_at_once_cannot_be_measured() -> None:
    with pytest.raises(EngineError, match="ended the answers of every batch in w8 before their"):
        calibrated(PlainServer(ends_after=1), Word(TINY, cache_tokens=4096))


def test_time_that_does_not_suffice_for_a_batch_is_not_blamed_on_the_server() -> None:
    with pytest.raises(InputError, match="--budget: was used up before a whole batch in w8"):
        calibrated(PlainServer(), Word(TINY, cache_tokens=4096), budget_seconds=1e-9)


def test_a_server_that_counts_nothing_cannot_be_measured() -> None:
    with pytest.raises(EngineError, match="neither has a tokenizer to ask nor counts"):
        found(PlainServer(counts=False), Word(TINY, cache_tokens=99))


@pytest.mark.parametrize(
    ("word", "names", "said"),
    [
        (Word(), ("w8",), "--describe: is needed: nothing is known of 'plain'"),
        (Word(TINY), ("w8",), "--cache-tokens: is needed"),
        (Word(TINY, 99), ("odd",), "does not tell the bytes of its weights.*'odd'"),
        (Word(TINY, 99), ("f16", "w8"), "--assume-quality: is needed for 'f16'"),
        (Word(TINY, 99, {"f16": 1.0}), ("f16", "w8"), "--assume-quality: is needed for 'w8'"),
    ],
)
def test_what_is_not_known_has_to_be_said(word: Word, names: tuple[str, ...], said: str) -> None:
    with pytest.raises(InputError, match=said):
        found(PlainServer(), word, *names)


def test_qualities_are_those_that_were_said() -> None:
    word = Word(TINY, 99, {"f16": 1.0, "w8": 0.97})
    subject, scoring, declared = found(PlainServer(), word, "f16", "w8")
    assert scoring is None
    assert [each.quality for each in subject.precisions] == [1.0, 0.97]
    assert "quality (declared)" in declared.caveat


def test_vllm_tells_its_cache_in_its_metrics() -> None:
    config = 'vllm:cache_config_info{block_size="16",engine="0",num_gpu_blocks="661"} 1.0\n'
    assert cache_tokens(f"# TYPE vllm:cache_config_info gauge\n{config}") == 16 * 661
    assert cache_tokens(config.replace('"661"', '"None"')) is None
    assert cache_tokens("vllm:num_requests_running 0\n") is None
    assert cache_tokens("<html>") is None


def vllm_found(server: VllmImitation, word: Word) -> tuple[Found, Calibration | None]:
    """Return what was found, and the calibration if quality can be measured."""
    with server.serving() as url:

        def make(wanted: tuple[str, ...]) -> OpenAIEngine:
            return OpenAIEngine({name: ServerAddress(url, f"m-{name}") for name in wanted})

        async def measure() -> tuple[Found, Calibration | None]:
            servers = await found_servers(make, ("f16", "w8"), TEXT, word)
            if servers.scoring is None:
                return servers, None
            wish = Wish(budget_seconds=4.0, held_out=2, decode_passes=4)
            return servers, await calibrate_subject(
                *(servers.subject, servers.scoring, wish),
                declared=servers.declared,
                on_progress=lambda _phase, _share: None,
            )

        return asyncio.run(measure())


def test_vllms_probabilities_of_prompts_make_quality() -> None:
    server = VllmImitation()
    servers, calibration = vllm_found(server, Word(TINY))
    assert calibration is not None
    # 100 blocks of 16 tokens
    assert calibration.together.capacity_tokens == 1600
    assert "quality" not in servers.declared.caveat
    assert all(isinstance(asked["prompt"][0], int) for asked in server.asked[-50:])
    reference, eight_bits = calibration.qualities
    # of the 255 tokens after the first of a window every second one, 128, costs a nat more
    assert reference.perplexity.value == pytest.approx(math.e)
    assert eight_bits.perplexity_ratio.value == pytest.approx(math.exp(-128 / 255))
    assert eight_bits.agreement.value == pytest.approx(127 / 255)
    assert eight_bits.divergence is None
    assert calibration.profile.quality[1].divergence is None
    assert calibration.profile.quality_measure == "perplexity-ratio"
    assert quality_table(calibration.qualities, "perplexity-ratio") is not None


def test_where_probabilities_are_refused_the_operator_has_the_word() -> None:
    with pytest.raises(InputError, match="--assume-quality: is needed for 'f16'"):
        vllm_found(VllmImitation(tells=False), Word(TINY))
    servers, _ = vllm_found(VllmImitation(), Word(TINY, qualities={"f16": 1.0, "w8": 0.9}))
    assert servers.scoring is None


@pytest.mark.parametrize(
    "answer",
    [
        {"completion_probabilities": [{"content": "a", "probs": []}]},
        {"completion_probabilities": []},
        {"completion_probabilities": [{"top_logprobs": [{"id": 9, "logprob": -1.0}]}]},
        {"content": "a"},
    ],
    ids=["of an older server", "of nothing", "of a token that there is not", "without any"],
)
def test_probabilities_that_are_told_otherwise_are_no_probabilities(answer: dict[str, Any]) -> None:
    server = MisbehavingServer(
        posts={"/tokenize": lambda _: {"tokens": [1]}, "/completion": lambda _: answer}
    )

    async def ask(url: str) -> None:
        async with open_client(10.0, 10.0) as client:
            questions = LlamaCppQuestions(client, ServerAddress(url), "q8_0", 5)
            await questions.log_probabilities([1, 2, 3])

    with (
        server.serving() as url,
        pytest.raises(EngineError, match="server of q8_0 tells no probabilities of tokens"),
    ):
        asyncio.run(ask(url))


class Reticent(VllmImitation):
    """Leaves out the probability of a token."""

    def _logprobs(self, body: Json) -> Json:
        told = super()._logprobs(body)
        told["token_logprobs"][2] = None
        return told


def test_a_probability_that_is_left_out_is_none_of_1() -> None:
    with pytest.raises(InputError, match="--assume-quality: is needed for 'f16'"):
        vllm_found(Reticent(), Word(TINY))


def llama_cpp_server(file: str) -> Any:
    """Return llama.cpp's server, as somebody might run it."""
    xllamacpp = pytest.importorskip("xllamacpp")
    wanted = xllamacpp.CommonParams()
    wanted.model.path = str(open_model("edgebatch-tiny", "gguf").variant(file))
    wanted.port, wanted.n_parallel, wanted.n_ctx = 0, 4, 4 * 256
    wanted.cpuparams.n_threads = wanted.cpuparams_batch.n_threads = 1
    wanted.verbosity = 1
    return xllamacpp.Server(wanted)


@pytest.fixture(scope="module")
def somebodys_server() -> Iterator[str]:
    """Give the URL of a server with eight bits."""
    server = llama_cpp_server("q8_0")
    yield server.listening_address
    del server


@pytest.fixture
def sixteen_bits() -> Iterator[str]:
    """Give the URL of one with sixteen."""
    server = llama_cpp_server("f16")
    yield server.listening_address
    del server


def test_a_profile_of_somebodys_server_can_be_simulated_with(
    somebodys_server: str, tmp_path: Path
) -> None:
    path = tmp_path / "profile.toml"
    arguments = ("--url", f"q8_0={somebodys_server}/v1", "--describe", "edgebatch-tiny")
    result = edgebatch(
        "calibrate", "--engine", "openai", *arguments, "--budget", "5", "--output", path
    )
    assert result.returncode == 0, result.stderr
    assert "Not measured: memory" in " ".join(result.stdout.decode().split())
    profile = Profile.load(path)
    (precision,) = profile.precisions
    # as models-on-disk.md has it: 1,441,536 bytes of 1,353,024 parameters
    assert precision.weight_bytes == 1_441_536 / 1_353_024
    assert profile.node.memory_bytes == pytest.approx(1_441_536 + 4 * 256 * 768)
    assert profile.max_running == 4
    simulated = edgebatch(
        *("simulate", "tiny-chat", "--policy", "rolling", "--json"),
        *("-s", f"profile={path}", "-s", "workload.num_requests=50"),
        *("-s", "workload.min_quality=0"),
    )
    assert simulated.returncode == 0, simulated.stderr
    assert json.loads(simulated.stdout)


def test_several_llama_cpp_servers_are_compared(
    somebodys_server: str, sixteen_bits: str, tmp_path: Path
) -> None:
    result = edgebatch(
        *("calibrate", "--engine", "openai", "--describe", "edgebatch-tiny", "--budget", "8"),
        *("--url", f"q8_0={somebodys_server}", "--url", f"f16={sixteen_bits}"),
        *("--quality", "agreement", "--json", "--output", tmp_path / "profile.toml"),
    )
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["quality_measure"] == "agreement"
    eight_bits, exact = document["quality"]
    assert exact["agreement"] == 1.0
    assert 0.5 < eight_bits["agreement"] <= 1.0
    assert eight_bits["divergence"] > 0.0
    assert "quality" not in document["verdict"].partition("Not measured")[2]


def test_a_server_says_how_many_tokens_there_are(somebodys_server: str) -> None:
    async def vocabulary() -> int | None:
        engine = OpenAIEngine({"q8_0": ServerAddress(somebodys_server)})
        try:
            return (await engine.start()).vocabulary_size
        finally:
            await engine.stop()

    assert asyncio.run(vocabulary()) == 2048


OPENAI = ("calibrate", "--engine", "openai", "--budget", "5")


def test_what_is_wrong_with_the_options_is_one_line(somebodys_server: str) -> None:
    url = ("--url", f"q8_0={somebodys_server}")
    assert "--url: is needed with --engine openai" in refusal(*OPENAI)
    assert "--describe: is needed" in refusal(*OPENAI, *url)
    assert "did you mean 'Llama-3.1-8B'" in refusal(*OPENAI, *url, "--describe", "Llama-3.1-8")
    assert "unknown name 'other'" in refusal(*OPENAI, *url, "--model", "other")
    assert "did you mean 'q8_0'" in refusal(*OPENAI, *url, "--assume-quality", "q8=1")
    assert "must lie from 0 to 1" in refusal(*OPENAI, *url, "--assume-quality", "q8_0=2")
    assert "must be PRECISION=SHARE" in refusal(*OPENAI, *url, "--assume-quality", "q8_0=good")
    assert "only goes with --engine openai" in refusal("calibrate", "--cache-tokens", "9")


def test_a_server_that_is_not_there_is_an_engine_that_failed() -> None:
    result = edgebatch(*OPENAI, "--url", "q8_0=http://127.0.0.1:1", "--describe", "BLOOM-3b")
    assert result.returncode == 3
    (line,) = result.stderr.decode().splitlines()
    assert "no answer from http://127.0.0.1:1" in line
