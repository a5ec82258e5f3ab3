"""Models of servers, by what their operators call them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgebatch.calibration.described import description, known_description, nominal_bytes
from edgebatch.errors import InputError, UnknownNameError
from edgebatch.local_models import open_model
from edgebatch.presets import models

CONFIG = {
    "model_type": "opt",
    "hidden_size": 64,
    "ffn_dim": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 100,
    "max_position_embeddings": 77,
}


def test_a_preset_is_meant_by_its_name() -> None:
    assert description("BLOOM-3b").model == models()["BLOOM-3b"].model


def test_the_shipped_model_and_its_gguf_file_are_of_one_shape() -> None:
    shipped = description("edgebatch-tiny")
    file = open_model("edgebatch-tiny", "gguf").variant("q4_0")
    from_file = description(str(file))
    assert from_file.model.replace(name="") == shipped.model.replace(name="")
    assert shipped.max_context_tokens == from_file.max_context_tokens == 2048


@pytest.mark.parametrize("whole_folder", [True, False])
def test_a_configuration_needs_no_weights_beside_it(tmp_path: Path, whole_folder: bool) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(CONFIG))
    found = description(str(tmp_path if whole_folder else config))
    assert (found.model.layers, found.model.hidden_size) == (2, 64)
    assert found.max_context_tokens == 77


def test_what_is_neither_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"--describe: unknown name 'Bloom-3'.*'BLOOM-3b'"):
        description("Bloom-3")
    with pytest.raises(InputError, match=r"config\.json: cannot be read"):
        description(str(tmp_path))


def test_a_served_name_may_be_that_of_a_preset_or_of_its_repository() -> None:
    assert known_description(["bigscience/bloom-3b"]).model.name == "BLOOM-3b"
    assert known_description(["other", "bloom-3B"]).model.name == "BLOOM-3b"
    with pytest.raises(InputError, match="--describe: is needed: nothing is known of 'other'"):
        known_description(["other"])


def test_names_of_precisions_tell_their_bytes() -> None:
    assert (nominal_bytes("BF16"), nominal_bytes("fp8"), nominal_bytes("int4")) == (2.0, 1.0, 0.5)
    # the preset has 4.8944 bits a parameter
    assert nominal_bytes("Q4_K_M") == pytest.approx(4.8944 / 8)
    with pytest.raises(UnknownNameError, match="the server does not tell the bytes"):
        nominal_bytes("default")


def test_a_home_folder_of_nobody_is_the_name_of_nothing() -> None:
    with pytest.raises(UnknownNameError, match="--describe: unknown name '~no-such-user/model'"):
        description("~no-such-user/model")
