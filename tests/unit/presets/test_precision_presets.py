from __future__ import annotations

from itertools import pairwise

import pytest

from edgebatch.errors import UnknownNameError
from edgebatch.presets import CostForm, models, precision_preset, precisions
from edgebatch.presets.precision_presets import REFERENCE_MODEL


def test_sixteen_bits_are_the_reference() -> None:
    precision = precision_preset("w16a16").precision()
    assert (precision.weight_bytes, precision.kv_bytes) == (2.0, 2.0)
    assert (precision.prefill_factor, precision.decode_factor, precision.quality) == (1.0, 1.0, 1.0)


def test_gguf_weights_take_their_scales_along() -> None:
    # 8.5008 bits / 8
    assert precision_preset("q8_0").weight_bytes == pytest.approx(1.0626)
    # 4.8944 bits / 8 × 8,030,261,248 parameters = 4.9 GB, as llama.cpp says of the file
    weights = precision_preset("Q4_K_M").weight_bytes * models()["Llama-3.1-8B"].model.parameters
    assert weights == pytest.approx(4.9e9, rel=0.01)


def test_the_published_form_takes_whole_times() -> None:
    precision = precision_preset("w8a16").precision(form="published")
    assert precision.prefill_factor == 1.0  # not measured
    assert precision.decode_factor == pytest.approx((0.569 + 0.602) / 2)


def test_the_roofline_form_takes_the_cost_of_unpacking_for_both_phases() -> None:
    precision = precision_preset("q4_k_m").precision(form=CostForm.ROOFLINE)
    assert (precision.prefill_factor, precision.decode_factor) == (1.124, 1.124)
    published = precision_preset("q4_k_m").precision(form=CostForm.PUBLISHED)
    assert (published.prefill_factor, published.decode_factor) == (1.124, 0.406)


def test_traffic_saved_is_not_saved_twice_in_the_roofline_form() -> None:
    for preset in precisions().values():
        assert preset.precision(form="roofline").decode_factor >= 1.0, preset.name
        assert preset.precision(form="published").decode_factor <= 1.0, preset.name


@pytest.mark.parametrize(
    ("precision", "model", "quality"),
    [
        ("w4a16", "BLOOM-3b", 13.48 / 14.2),
        ("w4a16", "BLOOM-7b1", 11.37 / 11.73),
        ("w4a16", "OPT-13b", 10.13 / 10.31),
        ("w4a16-rtn", "OPT-13b", 10.13 / 11.32),
        ("w3a16", "OPT-13b", 10.13 / 11.61),
        ("q4_k_m", "Llama-3.1-8B", 6.231636 / 6.407115),
    ],
)
def test_quality_is_the_ratio_of_perplexities(precision: str, model: str, quality: float) -> None:
    assert precision_preset(precision).quality(model).value == pytest.approx(quality)
    assert precision_preset(precision).precision(model).quality == pytest.approx(quality)


@pytest.mark.parametrize(
    ("precision", "model", "reference"),
    [
        ("w4a16", "OPT-125m", "OPT-125M, GPTQ at 4 bits"),
        ("w4a16", "Llama-3.1-8B", "LLaMA-7B, GPTQ at 4 bits"),  # the family's nearest size
        ("w4a16", "Qwen2.5-1.5B", "BLOOM-1.7B, GPTQ at 4 bits"),  # no such family: nearest size
        ("w8a16", "OPT-13b", "Llama-3-8B, GGUF q8_0 at 8.5 bits"),  # no plain 8-bit figures
        ("q6_k", "Gemma-2-2b", "Salamandra-2B-instruct, GGUF Q6_K at 6.56 bits"),
    ],
)
def test_quality_says_on_which_model_it_was_measured(
    precision: str, model: str, reference: str
) -> None:
    assert precision_preset(precision).quality(model).source.startswith(reference)


def test_rounding_to_nearest_is_worse_than_gptq_at_the_same_size() -> None:
    gptq, rounding = precision_preset("w4a16"), precision_preset("w4a16-rtn")
    assert rounding.weight_bytes == gptq.weight_bytes
    assert rounding.quality("BLOOM-3b").value < gptq.quality("BLOOM-3b").value


def test_without_a_model_the_reference_model_is_meant() -> None:
    preset = precision_preset("q5_k_m")
    assert preset.quality() == preset.quality(REFERENCE_MODEL)


def test_fewer_bits_of_one_kind_are_never_better_on_one_model() -> None:
    kind = ("w16a16", "q8_0", "q6_k", "q5_k_m", "q4_k_m", "q3_k_s", "q2_k")
    presets = [precision_preset(name) for name in kind]
    qualities = [preset.quality("Llama-3.1-8B").value for preset in presets]
    assert qualities == sorted(qualities, reverse=True)
    assert all(a.weight_bytes > b.weight_bytes for a, b in pairwise(presets))


def test_every_precision_has_a_quality_with_a_source_on_every_model() -> None:
    for preset in precisions().values():
        for name in models():
            quality = preset.quality(name)
            assert 0.0 < quality.value <= 1.0, (preset.name, name)
            assert quality.source, (preset.name, name)


def test_every_precision_says_where_its_numbers_come_from() -> None:
    for preset in precisions().values():
        assert preset.weight_source, preset.name
        assert preset.speed_source, preset.name
        if preset.prefill_time_factor is None:
            assert "not measured" in preset.notes, preset.name


def test_unknown_names_are_told_the_nearest_one() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'q4_k_m'"):
        precision_preset("q4_km")
    with pytest.raises(UnknownNameError, match="did you mean 'roofline'"):
        precision_preset("q8_0").precision(form="rooflin")
