"""Quality of a Hugging Face folder, by transformers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from edgebatch.calibration.torch_scorer import TorchScorer
from edgebatch.errors import EngineError

torch = pytest.importorskip("torch", reason="needs the extra 'convert'")
transformers = pytest.importorskip("transformers", reason="needs the extra 'convert'")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = transformers.LlamaConfig(
        vocab_size=50,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
    )
    torch.manual_seed(0)
    place: Path = tmp_path_factory.mktemp("llama")
    transformers.LlamaForCausalLM(config).save_pretrained(place)
    return place


def test_log_probabilities_are_those_that_the_model_is_trained_with(folder: Path) -> None:
    tokens = [3, 14, 15, 9, 26, 5]
    rows = asyncio.run(TorchScorer(folder, "f32").log_probabilities(tokens))
    assert rows.shape == (5, 50)
    loss = -rows[np.arange(5), tokens[1:]].mean()
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    batch = torch.tensor([tokens])
    with torch.inference_mode():
        trained_with = float(model(batch, labels=batch).loss)
    assert loss == pytest.approx(trained_with, rel=1e-5)


def test_sixteen_bits_are_close_to_thirty_two_but_not_equal(folder: Path) -> None:
    tokens = list(range(40))
    exact = asyncio.run(TorchScorer(folder, "f32").log_probabilities(tokens))
    rounded = asyncio.run(TorchScorer(folder, "bf16").log_probabilities(tokens))
    assert 0.0 < np.abs(exact - rounded).max() < 0.05


def test_an_empty_folder_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="transformers cannot load it"):
        TorchScorer(tmp_path, "f32")
