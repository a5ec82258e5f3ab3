"""The model that ships, as the engines read it."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest

from edgebatch.local_models import heldout_text, open_model, shipped_tokenizer

CONVERSATION = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Explain os.walk."},
]
WRITTEN = "<|system|>Be brief.<|end|><|user|>Explain os.walk.<|end|><|assistant|>"


@pytest.fixture(scope="module")
def openvino_tokenizer() -> Any:
    genai = pytest.importorskip("openvino_genai", reason="runs OpenVINO models (extra engine)")
    return genai.Tokenizer(str(open_model("edgebatch-tiny").variant("w4")))


@pytest.fixture(scope="module")
def llama_cpp() -> Any:
    xllamacpp = pytest.importorskip("xllamacpp", reason="runs GGUF files (extra llama-cpp)")
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(open_model("edgebatch-tiny", "gguf").variant("q4_0"))
    parameters.n_ctx = 512
    parameters.port = 0
    parameters.verbosity = 0
    server = xllamacpp.Server(parameters)

    def ask(place: str, body: dict[str, object]) -> Any:
        request = urllib.request.Request(
            f"{server.listening_address}/{place}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    return ask


def test_both_engines_cut_text_into_the_same_tokens(
    openvino_tokenizer: Any, llama_cpp: Any
) -> None:
    text = heldout_text()[:20_000] + " naïve 日本 \t\n\n  x"
    by_openvino = openvino_tokenizer.encode(text).input_ids.data[0].tolist()
    assert llama_cpp("tokenize", {"content": text, "add_special": True})["tokens"] == by_openvino
    assert openvino_tokenizer.decode(by_openvino) == text
    # byte-level tokens of this text have 2.6 bytes on average; bytes alone would have 1
    assert len(text.encode()) / len(by_openvino) > 2.0


def test_both_engines_write_a_conversation_alike(openvino_tokenizer: Any, llama_cpp: Any) -> None:
    assert openvino_tokenizer.apply_chat_template(CONVERSATION, True) == WRITTEN
    assert llama_cpp("apply-template", {"messages": CONVERSATION})["prompt"] == WRITTEN
    tokens = openvino_tokenizer.encode(WRITTEN).input_ids.data[0].tolist()
    # the markers are the first four of the vocabulary: end, system, user, assistant
    assert [token for token in tokens if token < 4] == [1, 0, 2, 0, 3]
    assert openvino_tokenizer.get_eos_token_id() == 0


def test_transformers_cuts_text_alike(openvino_tokenizer: Any) -> None:
    pytest.importorskip("tokenizers", reason="the tokenizer's original form")
    from tokenizers import Tokenizer

    original = Tokenizer.from_file(str(shipped_tokenizer() / "tokenizer.json"))
    text = heldout_text()[20_000:40_000]
    by_openvino = openvino_tokenizer.encode(text).input_ids.data[0].tolist()
    assert original.encode(text).ids == by_openvino
