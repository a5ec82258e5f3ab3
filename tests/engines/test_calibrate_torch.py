"""Quality of a Hugging Face folder, by transformers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from tiny_transformers import write_tiny

from edgebatch.calibration.calibration import Wish
from edgebatch.calibration.kinds import calibrate_engine
from edgebatch.calibration.profile import Profile
from edgebatch.calibration.remote import Word
from edgebatch.calibration.samples import Kind
from edgebatch.calibration.torch_scorer import TorchScorer
from edgebatch.engines.registry import EngineSpec
from edgebatch.errors import EngineError, UnknownNameError
from edgebatch.local_models import heldout_text
from edgebatch.problem import Batching
from edgebatch.scenario.hosting import build_hosting

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


def test_eight_bits_are_scored_as_the_engine_stores_them(folder: Path) -> None:
    tokens = list(range(40))
    exact = asyncio.run(TorchScorer(folder, "f32").log_probabilities(tokens))
    rounded = asyncio.run(TorchScorer(folder, "w8", dtype="f32").log_probabilities(tokens))
    assert 0.0 < np.abs(exact - rounded).max() < 0.05


@pytest.fixture(scope="module")
def padded(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    source = write_tiny("llama", tmp_path_factory.mktemp("padded"))
    spec = EngineSpec("transformers", {"dtype": "f32", "threads": 1}, str(source))
    calibration = asyncio.run(
        calibrate_engine(
            spec,
            ("w8", "f32"),
            heldout_text(),
            Wish(budget_seconds=8.0, held_out=3, decode_passes=4),
            Word(),
            on_progress=lambda _phase, _share: None,
        )
    )
    assert all(len({*each.members}) == 1 for each in calibration.together.times.fitted)
    assert {each.kind for each in calibration.together.times.fitted} == set(Kind)
    return calibration.profile


def test_a_profile_of_transformers_is_one_of_padded_batches(
    padded: Profile, tmp_path: Path
) -> None:
    padded.save(tmp_path / "profile.toml")
    loaded = Profile.load(tmp_path / "profile.toml")
    assert loaded == padded
    assert loaded.batching is Batching.PADDED
    document = {"profile": str(tmp_path / "profile.toml")}
    assert build_hosting(document).batching is Batching.PADDED
    ragged = document | {"scheduler": {"batching": Batching.RAGGED}}
    assert build_hosting(ragged).batching is Batching.RAGGED


def test_precisions_of_transformers_have_the_bytes_that_they_take(padded: Profile) -> None:
    exact, eight_bits = padded.precisions
    assert (exact.name, eight_bits.name) == ("f32", "w8")
    # the embedding, 2048 · 64 of some 250,000 parameters, stays in 32 bits
    assert exact.weight_bytes == pytest.approx(4.0, rel=0.01)
    assert 1.0 < eight_bits.weight_bytes < 4.0
    # keys and values are kept in the type in which the layers compute
    assert (exact.kv_bytes, eight_bits.kv_bytes) == (4.0, 4.0)
    assert padded.quality_measure == "perplexity-ratio"
    assert padded.quality[1].agreement is not None
    assert 0.5 < padded.quality[1].agreement < 1.0
    assert all(each.state.endswith(("weights", "at once")) for each in padded.memory)


def test_a_precision_that_cannot_be_made_of_a_folder_is_refused(folder: Path) -> None:
    spec = EngineSpec("transformers", {}, str(folder))
    calibration = calibrate_engine(
        spec, ("w2",), "", Wish(), Word(), on_progress=lambda _phase, _share: None
    )
    with pytest.raises(UnknownNameError, match=r"--precision: unknown name 'w2'.*'w8'"):
        asyncio.run(calibration)
