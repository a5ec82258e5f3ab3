"""From a Hugging Face folder to GGUF, the files that llama.cpp reads, one file a precision.

Llama, Mistral, Qwen2 and BLOOM with byte-level BPE tokenizers, in the types that the package
``gguf`` can write. For other models and for K-quants there are llama.cpp's own tools.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgebatch.errors import InputError, MissingExtraError
from edgebatch.local_models.gguf_layout import add_sizes, tensors
from edgebatch.local_models.gguf_vocabulary import add_vocabulary
from edgebatch.local_models.quiet import first_line, quiet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Tensor = NDArray[np.float32]

GGUF_PRECISIONS = ("f16", "q8_0", "q4_0")
WRITABLE_GGUF_PRECISIONS = ("f32", "f16", "bf16", "q8_0", "q5_0", "q5_1", "q4_0", "q4_1")

# llama.cpp reads Mistral's sizes under the name of Llama
_ARCHITECTURES = {"llama": "LLAMA", "mistral": "LLAMA", "qwen2": "QWEN2", "bloom": "BLOOM"}


def convert_gguf(
    source: Path,
    target: Path,
    precisions: Sequence[str] = GGUF_PRECISIONS,
    report: Callable[[str], None] = lambda _stage: None,
    name: str = "",
) -> dict[str, Path]:
    """Write ``target/<precision>.gguf`` with the model, its tokenizer and chat template.

    Vectors stay in 32 bits; below 8 bits, embeddings and output are Q8_0.

    Args:
        source: folder as ``transformers`` saves it, tokenizer included.
        target: folder, made if need be.
        precisions: which to write, of :data:`WRITABLE_GGUF_PRECISIONS`.
        report: is told what is being done.
        name: of the model, written into the files; that of the folder if empty.

    Returns:
        The file of each precision.

    Raises:
        InputError: the model or its tokenizer is of a kind that cannot be written.
        MissingExtraError: ``gguf``, ``torch`` or ``transformers`` is not installed.
    """
    family = _require_family(source)
    try:
        import gguf  # noqa: F401
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("converting to GGUF", "convert") from error
    name = name or source.name
    report("reading the model")
    model, tokenizer = _load(source)
    target.mkdir(parents=True, exist_ok=True)
    files = {}
    for precision in precisions:
        report(f"writing {precision}")
        files[precision] = target / f"{precision}.gguf"
        _write(files[precision], name, family, precision, model, tokenizer)
    return files


@quiet()
def _load(source: Path) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        # as stored: in 32 bits, models of 7B parameters would not fit most machines
        model = AutoModelForCausalLM.from_pretrained(
            source, local_files_only=True, torch_dtype="auto"
        )
        tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=True)
    except Exception as error:
        raise InputError(
            str(source), f"cannot be loaded by transformers: {first_line(error)}"
        ) from error
    return model, tokenizer


def _require_family(source: Path) -> str:
    path = source / "config.json"
    try:
        family = json.loads(path.read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(str(path), f"cannot be read: {error}") from error
    if family == "opt":
        raise InputError(str(source), "is an OPT model, which llama.cpp cannot run; use OpenVINO")
    if family not in _ARCHITECTURES:
        raise InputError(
            str(source),
            f"is of the family {family!r}, for which no GGUF is written here "
            f"(only {', '.join(_ARCHITECTURES)}); llama.cpp's convert_hf_to_gguf.py knows more",
        )
    return str(family)


def _write(path: Path, name: str, family: str, precision: str, model: Any, tokenizer: Any) -> None:
    import gguf

    kind = gguf.GGMLQuantizationType[precision.upper()]
    architecture = gguf.MODEL_ARCH[_ARCHITECTURES[family]]
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[architecture])
    writer.add_name(name)
    file_type = "ALL_F32" if precision == "f32" else f"MOSTLY_{precision.upper()}"
    writer.add_file_type(gguf.LlamaFileType[file_type])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    add_sizes(writer, family, model.config)
    add_vocabulary(writer, tokenizer, model.config.vocab_size)
    names = gguf.get_tensor_name_map(architecture, model.config.num_hidden_layers)
    for key, tensor in tensors(family, model):
        inner = names.get_name(key, try_suffixes=(".weight", ".bias"))
        if inner is None:
            raise InputError(name, f"has a tensor {key!r} that llama.cpp does not know")
        wanted = _kind_of(inner, tensor, kind)
        writer.add_tensor(inner, gguf.quantize(tensor, wanted), raw_dtype=wanted)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _kind_of(name: str, tensor: Tensor, kind: Any) -> Any:
    import gguf

    kinds = gguf.GGMLQuantizationType
    if tensor.ndim == 1:
        return kinds.F32
    if name.startswith(("token_embd.", "output.")) and kind in (
        kinds.Q4_0,
        kinds.Q4_1,
        kinds.Q5_0,
        kinds.Q5_1,
    ):
        kind = kinds.Q8_0
    block, _ = gguf.GGML_QUANT_SIZES[kind]
    return kinds.F16 if tensor.shape[-1] % block else kind
