"""Scorers for a model on disk, whatever its format."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from edgebatch.calibration.expectations import Scorer
from edgebatch.calibration.llama_cpp_scorer import WINDOW_TOKENS, LlamaCppScorer
from edgebatch.calibration.openvino_scorer import OpenVinoScorer
from edgebatch.calibration.torch_scorer import TorchScorer
from edgebatch.engines import EngineInfo
from edgebatch.local_models import LocalModel

_SIXTEEN_BIT = ("f16", "bf16", "f32")
_WINDOW_TOKENS = {"gguf": WINDOW_TOKENS}
_USUAL_WINDOW_TOKENS = 256


def sixteen_bit_variant(local: LocalModel) -> str | None:
    """Return the name of the variant that others are compared with; None if there is none."""
    return next((name for name in _SIXTEEN_BIT if name in local.variants), None)


def window_tokens(local: LocalModel) -> int:
    """Return how long texts to score should be: short where every token is a request."""
    wanted = _WINDOW_TOKENS.get(local.format, _USUAL_WINDOW_TOKENS)
    return min(wanted, local.max_context_tokens or wanted)


@asynccontextmanager
async def open_scorers(
    local: LocalModel, precisions: Sequence[str], info: EngineInfo
) -> AsyncIterator[dict[str, Scorer]]:
    """Give a scorer for each precision, computing as the engine does.

    Args:
        local: the model.
        precisions: names of its variants.
        info: what the engine said of itself; its run-time precision is taken over.

    Raises:
        EngineError: a variant cannot be run.
        MissingExtraError: a library that is needed is not installed.
    """
    async with AsyncExitStack() as stack:
        scorers: dict[str, Scorer] = {}
        for name in precisions:
            path = local.variant(name)
            if local.format == "openvino":
                scorers[name] = OpenVinoScorer(
                    path,
                    device=info.settings.get("device", "CPU"),
                    properties=_openvino_properties(info),
                )
            elif local.format == "gguf":
                server = LlamaCppScorer(path, window_tokens(local))
                stack.push_async_callback(server.stop)
                await server.start()
                scorers[name] = server
            else:
                scorers[name] = TorchScorer(
                    path,
                    name,
                    dtype=info.settings.get("dtype", "bf16"),
                    device=info.settings.get("device", "cpu"),
                )
        yield scorers


def _openvino_properties(info: EngineInfo) -> dict[str, str]:
    names = {
        "inference_precision": "INFERENCE_PRECISION_HINT",
        "dynamic_quantization_group_size": "DYNAMIC_QUANTIZATION_GROUP_SIZE",
    }
    return {
        property_name: info.settings[name]
        for name, property_name in names.items()
        if name in info.settings
    }
