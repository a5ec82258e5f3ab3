"""What a Hugging Face model expects next, run by transformers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgebatch.calibration.log_softmax import log_softmax
from edgebatch.engines.transformers import DTYPES, WEIGHT_BITS
from edgebatch.errors import EngineError, MissingExtraError
from edgebatch.problem.checks import FloatArray


class TorchScorer:
    """A model in the precision in which its weights are computed with.

    Args:
        folder: as ``transformers`` saves it.
        precision: one of :data:`~edgebatch.engines.transformers.DTYPES` or of
            :data:`~edgebatch.engines.transformers.WEIGHT_BITS`.
        dtype: in which weights of eight and four bits compute.
        device: as torch calls it.

    Raises:
        EngineError: the model cannot be loaded.
        MissingExtraError: torch or transformers is not installed.
    """

    def __init__(
        self, folder: Path, precision: str, *, dtype: str = "bf16", device: str = "cpu"
    ) -> None:
        try:
            import torch
            import transformers
        except ImportError as error:
            raise MissingExtraError(
                "measuring quality with transformers", "transformers"
            ) from error
        try:
            self._model = transformers.AutoModelForCausalLM.from_pretrained(
                folder, dtype=getattr(torch, DTYPES.get(precision, DTYPES[dtype]))
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise EngineError(f"{folder}: transformers cannot load it: {error}") from error
        if precision in WEIGHT_BITS:
            from edgebatch.engines.transformers_weights import store_in_integers

            store_in_integers(self._model, WEIGHT_BITS[precision])
        self._model.eval().to(device)
        self._device = device

    async def log_probabilities(self, tokens: Sequence[int]) -> FloatArray:
        """See :class:`edgebatch.calibration.expectations.Scorer`."""
        import torch

        with torch.inference_mode():
            logits = self._model(torch.tensor([list(tokens)], device=self._device)).logits
        return log_softmax(logits[0, :-1].float().cpu().numpy())
