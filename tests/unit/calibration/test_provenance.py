"""What runs, beside what a profile was measured on."""

import pytest

from edgebatch.calibration.provenance import mismatch
from edgebatch.engines import EngineInfo
from toy_profile import SOURCE


def said(measured: tuple[str, str], runs: tuple[str, str]) -> str:
    engine, model = measured
    source = SOURCE.model_copy(update={"engine": engine, "model": model})
    return mismatch(source, EngineInfo(runs[0], "1", runs[1], ("w8",)))


@pytest.mark.parametrize(
    ("measured", "runs"),
    [
        (("openvino", "llama-36m"), ("openvino", "llama-36m")),
        (("openvino", "llama-36m"), ("simulated", "llama-222m")),
        # what stands behind a server, and what its model really is, nobody knows
        (("llama-cpp", "llama-36m"), ("openai", "/models/q8_0.gguf")),
        (("openai", "Llama-3.1-8B"), ("openai", "meta-llama/Llama-3.1-8B-Instruct")),
        (("openai", "Llama-3.1-8B"), ("llama-cpp", "q8_0")),
        # a profile of operator tables
        (("unknown", "unknown"), ("transformers", "opt-125m")),
    ],
)
def test_what_may_be_the_same_is_no_mismatch(
    measured: tuple[str, str], runs: tuple[str, str]
) -> None:
    assert said(measured, runs) == ""


@pytest.mark.parametrize(
    ("measured", "runs"),
    [
        (("openvino", "llama-36m"), ("openvino", "edgebatch-tiny")),
        (("openvino", "llama-36m"), ("llama-cpp", "llama-36m")),
        (("vllm", "unknown"), ("transformers", "opt-125m")),
    ],
)
def test_a_mismatch_is_told_with_both_sides(
    measured: tuple[str, str], runs: tuple[str, str]
) -> None:
    told = said(measured, runs)
    assert told.startswith(f"the profile was measured on {measured[1]} in {measured[0]}, but ")
    assert f"but {runs[1]} in {runs[0]} runs" in told
