"""``edgebatch convert``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli_process import refusal
from edgebatch.cli.main import app
from edgebatch.local_models import shipped_tokenizer

NEEDS_TORCH = "models are made with torch and transformers (extra convert)"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    torch = pytest.importorskip("torch", reason=NEEDS_TORCH)
    transformers = pytest.importorskip("transformers", reason=NEEDS_TORCH)
    pytest.importorskip("gguf", reason="writes GGUF files (extra convert)")
    torch.manual_seed(1)
    config = transformers.LlamaConfig(
        vocab_size=2048,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=1,
        bos_token_id=0,
        eos_token_id=0,
    )
    folder = tmp_path / "mine"
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    for file in shipped_tokenizer().iterdir():
        shutil.copy(file, folder)
    return folder


def output(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["convert", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_json_has_what_was_written(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "made"
    written = json.loads(
        output(
            str(source), "--format", "gguf", "--precision", "q8_0", "--to", str(target), "--json"
        )
    )
    # 2 · 2048·32 embeddings, 7 matrices of 32·32, 3 norms of 32
    assert (written["name"], written["format"]) == ("mine", "gguf")
    assert written["parameters"] == 131_072 + 7 * 1024 + 96
    [precision] = written["precisions"]
    assert (precision["name"], precision["path"]) == ("q8_0", str(target / "q8_0.gguf"))
    # 34 bytes for 32 values, norms in 32 bits, and no more than 31 bytes of padding a tensor
    expected = (131_072 + 7 * 1024) / 32 * 34 + 96 * 4
    assert expected <= precision["weight_bytes"] < expected + 12 * 32


def test_the_table_has_a_line_a_precision_and_the_default_place_is_here(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(source.parent)
    table = output("mine", "--format", "gguf").splitlines()
    assert [line.split()[0] for line in table if ".gguf" in line] == ["f16", "q8_0", "q4_0"]
    assert table[-1] == f"in {source.parent / 'mine-gguf'}"
    assert sorted(path.name for path in (source.parent / "mine-gguf").iterdir()) == [
        "f16.gguf",
        "q4_0.gguf",
        "q8_0.gguf",
    ]
    again = CliRunner().invoke(app, ["convert", "mine", "--format", "gguf"])
    assert again.exit_code != 0
    assert "exists already" in str(again.exception)


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    there = str(tmp_path)
    assert "there is no such file or folder" in refusal("convert", there + "/none")
    assert "expected config.json with *.safetensors" in refusal("convert", there)
    assert "--format: unknown name 'onnx'" in refusal("convert", "llama-36m", "--format", "onnx")
    assert "--precision: unknown name 'w3'" in refusal("convert", "llama-36m", "--precision", "w3")
    assert "OPT" in refusal("convert", "opt-36m", "--format", "gguf")
    assert "needs --to" in refusal("convert", "llama-36m", "--precision", "w8")
    assert "exists already" in refusal("convert", "llama-36m", "--to", there)
