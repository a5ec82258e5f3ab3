"""What a precision of an OpenVINO model expects next: the IR run as it is, without an engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgebatch.calibration.log_softmax import log_softmax
from edgebatch.errors import EngineError, MissingExtraError
from edgebatch.problem.checks import FloatArray

if TYPE_CHECKING:
    import openvino


class OpenVinoScorer:
    """One stateful IR, compiled for a device.

    The text is read in one pass, as a prompt is. Keys and values are then not read back from the
    cache, so what a quantised cache would add to the error is not in the figures.

    Args:
        folder: holds ``openvino_model.xml``.
        device: as OpenVINO names it.
        properties: of the compilation, such as ``INFERENCE_PRECISION_HINT``; those of the engine
            whose quality is asked about.

    Raises:
        EngineError: the model cannot be read or compiled.
        MissingExtraError: OpenVINO is not installed.
    """

    def __init__(
        self, folder: Path, *, device: str = "CPU", properties: Mapping[str, str] | None = None
    ) -> None:
        try:
            import openvino
        except ImportError as error:
            raise MissingExtraError("measuring quality with OpenVINO", "engine") from error
        path = folder / "openvino_model.xml"
        try:
            compiled = openvino.Core().compile_model(path, device, dict(properties or {}))
        except RuntimeError as error:
            raise EngineError(f"{path}: OpenVINO cannot load it: {error}") from error
        self._request: openvino.InferRequest = compiled.create_infer_request()
        self._inputs = {port.get_any_name() for port in compiled.inputs}

    async def log_probabilities(self, tokens: Sequence[int]) -> FloatArray:
        """See :class:`edgebatch.calibration.expectations.Scorer`."""
        length = len(tokens)
        inputs = {
            "input_ids": np.asarray([tokens], dtype=np.int64),
            "attention_mask": np.ones((1, length), dtype=np.int64),
            "position_ids": np.arange(length, dtype=np.int64)[None, :],
            "beam_idx": np.zeros(1, dtype=np.int32),
        }
        self._request.reset_state()
        try:
            self._request.infer({name: inputs[name] for name in inputs if name in self._inputs})
        except RuntimeError as error:
            raise EngineError(f"OpenVINO cannot run the model: {error}") from error
        logits = self._request.get_tensor("logits").data
        return log_softmax(logits[0, : length - 1])
