"""What a Hugging Face model expects next, run by transformers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgebatch.calibration.log_softmax import log_softmax
from edgebatch.errors import EngineError, MissingExtraError
from edgebatch.problem.checks import FloatArray

DTYPES = {"bf16": "bfloat16", "f16": "float16", "f32": "float32"}


class TorchScorer:
    """A model in the precision in which its weights are computed with.

    Args:
        folder: as ``transformers`` saves it.
        precision: one of :data:`DTYPES`.

    Raises:
        EngineError: the model cannot be loaded.
        MissingExtraError: torch or transformers is not installed.
    """

    def __init__(self, folder: Path, precision: str) -> None:
        try:
            import torch
            import transformers
        except ImportError as error:
            raise MissingExtraError("measuring quality with transformers", "convert") from error
        try:
            self._model = transformers.AutoModelForCausalLM.from_pretrained(
                folder, dtype=getattr(torch, DTYPES[precision])
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise EngineError(f"{folder}: transformers cannot load it: {error}") from error
        self._model.eval()

    async def log_probabilities(self, tokens: Sequence[int]) -> FloatArray:
        """See :class:`edgebatch.calibration.quality.Scorer`."""
        import torch

        with torch.inference_mode():
            logits = self._model(torch.tensor([list(tokens)])).logits
        return log_softmax(logits[0, :-1].float().numpy())
