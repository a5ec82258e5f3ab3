"""Calibration on real engines with the shipped model; how exact it is, is not tested here."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from edgebatch.calibration.calibration import Calibration, Phase, Wish, calibrate
from edgebatch.calibration.expectations import Scorer
from edgebatch.calibration.llama_cpp_scorer import LlamaCppScorer
from edgebatch.calibration.openvino_scorer import OpenVinoScorer
from edgebatch.calibration.profile import Profile
from edgebatch.calibration.quality import measure_quality, windows_of
from edgebatch.calibration.samples import Kind
from edgebatch.engines import Engine, Prompt
from edgebatch.engines.registry import EngineSpec, make_engine
from edgebatch.errors import EngineError, InputError
from edgebatch.local_models import heldout_text, open_model
from edgebatch.problem.checks import FloatArray

MODEL = "edgebatch-tiny"


def calibrated(
    engine: str, model_format: str, precisions: tuple[str, ...], budget_seconds: float, text: str
) -> Calibration:
    local = open_model(MODEL, model_format)
    phases: list[Phase] = []

    def make(names: tuple[str, ...]) -> Engine:
        return make_engine(EngineSpec(engine, {}, MODEL, names))

    calibration = asyncio.run(
        calibrate(
            local,
            precisions,
            make,
            text,
            Wish(budget_seconds, held_out=3, decode_passes=4),
            on_progress=lambda phase, share: phases.append(phase),
        )
    )
    assert list(dict.fromkeys(phases)) == list(Phase)
    return calibration


@pytest.fixture(scope="module")
def openvino() -> Calibration:
    pytest.importorskip("openvino_genai")
    return calibrated("openvino", "openvino", ("f16", "w4"), 6.0, heldout_text())


def test_openvino_gets_a_profile_of_this_machine(openvino: Calibration) -> None:
    profile = openvino.profile
    assert profile.source.engine == "openvino"
    assert profile.source.settings["inference_precision"] in {"bf16", "f16", "f32"}
    assert [precision.name for precision in profile.precisions] == ["f16", "w4"]
    assert profile.node.reserved_bytes > 1e7
    assert {sample.kind for sample in openvino.together.times.fitted} == set(Kind)
    assert profile.fit.held_out is not None
    assert profile.fit.published is not None


def test_the_profile_comes_back_from_its_file_as_it_was(
    openvino: Calibration, tmp_path: Path
) -> None:
    openvino.profile.save(tmp_path / "profile.toml")
    assert Profile.load(tmp_path / "profile.toml") == openvino.profile


def test_memory_grows_with_weights_and_cache(openvino: Calibration) -> None:
    by_state = {(each.precision, each.state): each for each in openvino.profile.memory}
    at_once = next(each for key, each in by_state.items() if key[1].endswith("read at once"))
    assert at_once.measured_bytes > at_once.predicted_bytes > 0.0
    assert by_state["f16", "weights"].predicted_bytes > by_state["w4", "weights"].predicted_bytes


def test_four_bits_lose_more_than_their_errors(openvino: Calibration) -> None:
    reference, four_bits = openvino.qualities
    assert reference.perplexity_ratio.value == 1.0
    assert four_bits.divergence is not None
    assert four_bits.divergence.value > 10.0 * four_bits.divergence.standard_error
    assert 0.5 < four_bits.agreement.value < 0.99
    assert openvino.profile.quality_measure == "perplexity-ratio"
    w4 = openvino.profile.precisions[1]
    assert w4.quality == min(1.0, four_bits.perplexity_ratio.value)


def tokens_of(text: str) -> tuple[int, ...]:
    async def encoded() -> tuple[int, ...]:
        engine = make_engine(EngineSpec("openvino", {}, MODEL, ("w4",)))
        try:
            await engine.start()
            return await engine.encode(Prompt(text=text))
        finally:
            await engine.stop()

    return asyncio.run(encoded())


async def asked(scorer: Scorer, tokens: Sequence[int]) -> FloatArray:
    if not isinstance(scorer, LlamaCppScorer):
        return await scorer.log_probabilities(tokens)
    try:
        await scorer.start()
        return await scorer.log_probabilities(tokens)
    finally:
        await scorer.stop()


def test_openvino_and_llama_cpp_expect_the_same_of_the_same_weights() -> None:
    pytest.importorskip("openvino_genai")
    pytest.importorskip("xllamacpp")
    tokens = tokens_of(heldout_text()[:400])[:24]
    ir = open_model(MODEL, "openvino").variant("f16")
    exact = OpenVinoScorer(ir, properties={"INFERENCE_PRECISION_HINT": "f32"})
    expected = asyncio.run(asked(exact, tokens))
    gguf = LlamaCppScorer(open_model(MODEL, "gguf").variant("f16"), window_tokens=24)
    found = asyncio.run(asked(gguf, tokens))
    assert expected.shape == found.shape == (23, expected.shape[1])
    assert np.exp(found).sum(axis=1) == pytest.approx(np.ones(23))
    assert np.abs(np.exp(expected) - np.exp(found)).max() < 0.01


def test_llama_cpp_tells_what_follows_also_where_half_a_character_is_likeliest() -> None:
    pytest.importorskip("openvino_genai")
    pytest.importorskip("xllamacpp")
    # these quotes are several tokens each, so after a few the model expects the first part of one
    tokens = tokens_of("“a” “a” “a” “a” “a")
    gguf = LlamaCppScorer(open_model(MODEL, "gguf").variant("f16"), window_tokens=len(tokens))
    found = asyncio.run(asked(gguf, tokens))
    assert np.exp(found).sum(axis=1) == pytest.approx(np.ones(len(tokens) - 1))


def test_an_unquantised_model_in_f32_equals_itself_in_16_bits_nearly() -> None:
    pytest.importorskip("openvino")
    folder = open_model(MODEL, "openvino").variant("f16")
    exact = OpenVinoScorer(folder, properties={"INFERENCE_PRECISION_HINT": "f32"})
    again = OpenVinoScorer(folder, properties={"INFERENCE_PRECISION_HINT": "f32"})
    windows = windows_of(range(1, 400), 50, seed=0)
    _, other = asyncio.run(measure_quality({"f16": exact, "again": again}, "f16", windows))
    assert other.divergence is not None
    assert other.divergence.value == pytest.approx(0.0, abs=1e-12)
    assert other.agreement.value == 1.0


def test_a_text_too_short_to_measure_quality_on_is_refused() -> None:
    pytest.importorskip("openvino_genai")
    with pytest.raises(InputError, match=r"--text: has .* expected at least 512"):
        calibrated("openvino", "openvino", ("w4",), 5.0, "Too short to tell anything.")


def test_a_broken_model_is_one_clear_error(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    (tmp_path / "openvino_model.xml").write_text("<net/>")
    with pytest.raises(EngineError, match=r"openvino_model\.xml: OpenVINO cannot load it"):
        OpenVinoScorer(tmp_path)
