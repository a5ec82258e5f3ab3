"""A model on this machine's disk, as inference engines load it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from edgebatch.local_models.gguf_file import read_gguf
from edgebatch.problem import Model
from edgebatch.registry import lookup

HUGGING_FACE_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model in one format, in one or several precisions.

    Attributes:
        name: what people call it.
        model: its shape; ``parameters`` counts all there are.
        variants: where each precision lies, most bytes first: a folder, or for GGUF a file.
        format: ``openvino``, ``gguf`` or ``huggingface``.
        max_context_tokens: most tokens of prompt and answer; None if the model sets no limit.
    """

    name: str
    model: Model
    variants: Mapping[str, Path]
    format: str
    max_context_tokens: int | None = None

    def renamed(self, name: str) -> LocalModel:
        """Return the same under another name."""
        return replace(self, name=name, model=self.model.replace(name=name))

    def variant(self, precision: str) -> Path:
        """Return where a precision lies.

        Raises:
            UnknownNameError: the model is not there in it.
        """
        return lookup(self.variants, precision, "precision")

    def weight_bytes(self, precision: str) -> int:
        """Return the bytes that the weights of a precision take on disk.

        Raises:
            UnknownNameError: the model is not there in it.
        """
        return bytes_on_disk(self.variant(precision), self.format)

    def bytes_per_parameter(self, precision: str) -> float:
        """Return weight bytes over parameters: what a cost model calls the weights' width.

        Raises:
            UnknownNameError: the model is not there in it.
        """
        return self.weight_bytes(precision) / self.model.parameters


def bytes_on_disk(path: Path, format_name: str) -> int:
    """Return the bytes of weights at ``path``, without tokenizers and descriptions."""
    if format_name == "gguf":
        return read_gguf(path).weight_bytes
    if format_name == "openvino":
        return (path / "openvino_model.bin").stat().st_size
    for pattern in HUGGING_FACE_WEIGHTS:
        files = list(path.glob(pattern))
        if files:
            return sum(file.stat().st_size for file in files)
    return 0
