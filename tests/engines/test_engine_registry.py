"""Engines by name, as they are asked for on the command line."""

import json
import shutil
from pathlib import Path

import pytest

from edgebatch.engines.child import ChildEngine
from edgebatch.engines.llama_cpp import LlamaCppEngine
from edgebatch.engines.registry import EngineSpec, make_engine, parse_engine
from edgebatch.errors import InputError
from edgebatch.local_models import open_model

CONFIG = {
    "model_type": "llama",
    "hidden_size": 8,
    "intermediate_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 10,
    "torch_dtype": "bfloat16",
}


def test_the_name_of_a_folder_is_shown_whole(tmp_path: Path) -> None:
    folder = tmp_path / "Llama-3.1-8B"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    (folder / "model.safetensors").write_bytes(b"w")
    engine = make_engine(EngineSpec("transformers", model=str(folder)))
    assert isinstance(engine, ChildEngine)
    assert engine._setup.settings["model_name"] == "Llama-3.1-8B"


def test_the_name_of_a_file_is_shown_without_its_ending(tmp_path: Path) -> None:
    file = tmp_path / "Llama-3.1-8B.gguf"
    shutil.copy(open_model("edgebatch-tiny", "gguf").variant("q4_0"), file)
    engine = make_engine(EngineSpec("llama-cpp", model=str(file)))
    assert isinstance(engine, LlamaCppEngine)
    assert engine._name == "Llama-3.1-8B"


def test_a_model_behind_a_link_is_known_by_the_name_of_the_link(tmp_path: Path) -> None:
    link = tmp_path / "latest"
    link.symlink_to(open_model("edgebatch-tiny").variant("w8").parent)
    engine = make_engine(EngineSpec("openvino", model=str(link)))
    assert isinstance(engine, ChildEngine)
    assert engine._setup.settings["model_name"] == open_model(str(link)).model.name == "latest"


@pytest.mark.parametrize("name", ["openvino", "transformers"])
def test_a_time_limit_that_makes_no_sense_is_refused_before_anything_starts(name: str) -> None:
    with pytest.raises(InputError, match="step_timeout_seconds: must be a finite number above 0"):
        make_engine(EngineSpec(name, {"step_timeout_seconds": "nan"}, "edgebatch-tiny"))


def test_the_case_of_a_name_does_not_matter() -> None:
    assert parse_engine("OpenAI") == ("openai", {})
    assert parse_engine(" OpenVINO : threads = 2") == ("openvino", {"threads": "2"})
