"""Models with random weights, and the cache that keeps them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edgebatch.errors import InputError
from edgebatch.local_models import GENERATED_MODELS, cache_folder, open_model
from edgebatch.local_models.generated import write_random_model
from edgebatch.local_models.shipped import shipped_folder

NEEDS_TORCH = "models are made with torch and transformers (extra convert)"
SMALL = "llama-36m"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGEBATCH_CACHE", str(tmp_path))
    return tmp_path


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_the_cache_is_where_the_variable_says(cache: Path) -> None:
    assert cache_folder() == cache


def test_without_the_variable_the_cache_is_that_of_the_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("EDGEBATCH_CACHE", raising=False)
    pytest.importorskip("platformdirs", reason="finds the user's cache")
    assert cache_folder().is_absolute()
    assert "edgebatch" in cache_folder().parts


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in GENERATED_MODELS if name.endswith("36m")])
def test_a_generated_model_is_as_large_as_its_name_says(name: str, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason=NEEDS_TORCH)
    pytest.importorskip("transformers", reason=NEEDS_TORCH)
    write_random_model(name, tmp_path)
    model = open_model(str(tmp_path))
    assert model.model.parameters == pytest.approx(36e6, rel=0.03)
    # bfloat16 has two bytes; the rest is the head of the file
    assert model.bytes_per_parameter("bf16") == pytest.approx(2.0, rel=1e-3)
    assert model.max_context_tokens == 2048


@pytest.mark.slow
def test_a_model_is_generated_once_and_with_the_same_weights(cache: Path) -> None:
    pytest.importorskip("torch", reason=NEEDS_TORCH)
    pytest.importorskip("gguf", reason="writes GGUF files (extra convert)")
    stages: list[str] = []
    first = open_model(SMALL, "gguf", stages.append)
    assert (first.name, list(first.variants)) == (SMALL, ["f16", "q8_0", "q4_0"])
    assert stages == [
        "drawing weights",
        "reading the model",
        *(f"writing {precision}" for precision in first.variants),
    ]
    weights = first.variant("q4_0").read_bytes()
    assert open_model(SMALL, "gguf", stages.append) == first
    assert len(stages) == 5
    for path in files_below(cache):
        path.unlink()
    (cache / "models" / SMALL / "gguf").rmdir()
    assert open_model(SMALL, "gguf").variant("q4_0").read_bytes() == weights


@pytest.mark.slow
def test_a_build_that_is_interrupted_leaves_no_half_model(cache: Path) -> None:
    pytest.importorskip("torch", reason=NEEDS_TORCH)
    pytest.importorskip("gguf", reason="writes GGUF files (extra convert)")

    def interrupt(stage: str) -> None:
        if stage == "writing q8_0":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_model(SMALL, "gguf", interrupt)
    assert files_below(cache) == []


@pytest.mark.slow
def test_a_model_that_another_process_has_made_meanwhile_is_taken(cache: Path) -> None:
    pytest.importorskip("torch", reason=NEEDS_TORCH)
    pytest.importorskip("gguf", reason="writes GGUF files (extra convert)")
    folder = cache / "models" / SMALL / "gguf"

    def other(stage: str) -> None:
        if stage == "writing q8_0":
            shutil.copytree(shipped_folder("edgebatch-tiny", "gguf"), folder)

    model = open_model(SMALL, "gguf", other)
    assert model.variant("f16").parent == folder
    assert [path for path in cache.rglob("*") if path.name.startswith(".")] == []


def test_opt_cannot_be_had_as_gguf(cache: Path) -> None:
    with pytest.raises(InputError, match="is an OPT model"):
        open_model("opt-36m", "gguf")
    assert list(cache.iterdir()) == []
