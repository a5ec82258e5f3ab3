from __future__ import annotations

import pytest

from edgebatch.errors import UnknownNameError
from edgebatch.presets import model_preset, models
from edgebatch.presets.tables import read_table

GIBIBYTE = 2**30


def test_every_model_has_the_sizes_that_its_table_works_out_for_it() -> None:
    for row in read_table("models.csv"):
        preset = model_preset(row["model"])
        linear = preset.model.layers * preset.model.linear_parameters_per_layer
        assert linear == int(row["params_linear_in_layers"]), preset.name
        published = int(row["params_paper_formula_4d2_2dff"])
        assert preset.model.published_parameters == published, preset.name
        assert preset.fp16_kv_bytes_per_token == float(row["kv_bytes_per_token_fp16"]), preset.name
        # the column is rounded to 0.001 GiB
        weights = preset.fp16_weight_bytes / GIBIBYTE
        assert weights == pytest.approx(float(row["fp16_weights_GiB"]), abs=6e-4), preset.name


def test_the_models_of_the_evaluation_are_there() -> None:
    sizes = {name: model_preset(name).model.parameters for name in ("BLOOM-3b", "BLOOM-7b1")}
    assert sizes == {"BLOOM-3b": 3_002_557_440, "BLOOM-7b1": 7_069_016_064}
    assert model_preset("opt-13b").model.parameters == 12_853_473_280


def test_weights_are_counted_in_decimal_bytes_not_in_gibibytes() -> None:
    # 3,002,557,440 parameters × 2 bytes
    assert models()["BLOOM-3b"].fp16_weight_bytes == 6_005_114_880.0


def test_shared_heads_and_gates_are_taken_over() -> None:
    model = models()["Llama-3.1-8B"].model
    assert (model.kv_heads, model.heads, model.gated_ffn) == (8, 32, True)


def test_heads_wider_than_the_hidden_size_are_taken_over() -> None:
    # 16 heads of 128 make 2048, twice the hidden size
    assert models()["Qwen3-0.6B"].model.attention_width == 2048


def test_every_model_names_its_source() -> None:
    assert all(preset.source and preset.family for preset in models().values())


def test_a_misspelt_model_is_told_the_nearest_one() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'BLOOM-7b1'") as caught:
        model_preset("BLOOM-7.1b")
    assert caught.value.path == "model.name"
