"""One precision of a model, loaded by OpenVINO GenAI."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgebatch.engines.base import GenerationRequest, Message, Prompt
from edgebatch.engines.openvino import CACHE_BYTES, OpenVinoSettings
from edgebatch.engines.openvino_files import CONTEXT_KEYS, cache_values, first, read_about
from edgebatch.engines.stepping import one_line
from edgebatch.errors import EngineError, InputError

if TYPE_CHECKING:
    import openvino
    import openvino_genai

_BLOCK_TOKENS = {"CPU": 32, "GPU": 16}
"""Tokens of a block of the key-value cache."""
_ABILITIES = {"bf16": "BF16", "f16": "FP16", "f32": "FP32"}
"""OpenVINO's names for what a device computes in, the one to prefer first."""
_ANY_CONTEXT_TOKENS = 4096
"""Of a model that does not say how long its context is, when sizing its cache."""
_UNBOUNDED = 2**31
"""Tokens in a step: whole prompts are read in one, however long."""
_CACHE_SHARE = 0.5
"""Of the memory that is available when nobody says how large the caches may be."""


@dataclass(frozen=True, slots=True)
class HostedModel:
    """A loaded model and its limits.

    Attributes:
        pipeline: runs it.
        tokenizer: of the model.
        inference_precision: in what it computes.
        cache_tokens: room of the key-value cache.
        cache_bytes: what that room takes once it is full.
        max_context_tokens: most tokens of prompt and answer; None if unknown.
        vocabulary_size: token ids lie below; None if unknown.
    """

    pipeline: openvino_genai.ContinuousBatchingPipeline
    tokenizer: openvino_genai.Tokenizer
    inference_precision: str
    cache_tokens: int
    cache_bytes: int
    max_context_tokens: int | None
    vocabulary_size: int | None

    def encode(self, prompt: Prompt) -> tuple[int, ...]:
        """Return the prompt's token ids.

        Raises:
            InputError: it has messages, and the model no template for them, or one that fails.
        """
        if prompt.tokens is not None:
            return prompt.tokens
        text, is_template = prompt.text or "", prompt.messages is not None
        if prompt.messages is not None:
            text = self._conversation(prompt.messages)
        # a template writes the special tokens itself
        ids = self.tokenizer.encode(text, add_special_tokens=not is_template).input_ids.data
        return tuple(int(token) for token in ids[0])

    def _conversation(self, messages: Sequence[Message]) -> str:
        if not self.tokenizer.chat_template:
            raise InputError("messages", "the model has no chat template; send text instead")
        try:
            text: str = self.tokenizer.apply_chat_template(
                [dict(message) for message in messages], add_generation_prompt=True
            )
        except RuntimeError as error:
            # before it stands advice for whoever writes templates
            said = one_line(error).rpartition("Minja's error: ")[2]
            raise InputError("messages", f"the model's chat template fails: {said}") from error
        return text

    def check(self, tokens: tuple[int, ...], max_tokens: int) -> None:
        """Refuse what the pipeline would accept and then fail at, or answer with nonsense.

        Raises:
            EngineError: the prompt is empty or too long, or has ids that are no tokens.
        """
        if not tokens:
            raise EngineError("the prompt has no tokens")
        if max_tokens < 1:
            raise EngineError(f"the answer's limit is {max_tokens} tokens; expected at least 1")
        end = self.vocabulary_size
        strange = next((t for t in tokens if t < 0 or (end is not None and t >= end)), None)
        if strange is not None:
            raise EngineError(f"the model has no token {strange}")
        asked = f"{len(tokens)} tokens of prompt and {max_tokens} of answer do not fit"
        if self.max_context_tokens is not None:
            _check_room(asked, len(tokens) + max_tokens, self.max_context_tokens, "context")
        _check_room(asked, len(tokens) + max_tokens, self.cache_tokens, "key-value cache")

    def generation_config(self, request: GenerationRequest) -> openvino_genai.GenerationConfig:
        """Return how the request's tokens are chosen and when it ends."""
        import openvino_genai

        sampling = request.sampling
        # nothing but the end of an answer is taken from the model's own defaults
        of_model = self.pipeline.get_config()
        config = openvino_genai.GenerationConfig()
        config.eos_token_id = of_model.eos_token_id
        config.stop_token_ids = of_model.stop_token_ids
        config.max_new_tokens = request.max_tokens
        config.ignore_eos = sampling.ignore_end
        if sampling.temperature != 0:
            config.do_sample = True
            config.temperature = sampling.temperature
            config.top_p = sampling.top_p
            seed = request.number if sampling.seed is None else sampling.seed
            config.rng_seed = seed % 2**31
        return config


def load(folder: Path, settings: OpenVinoSettings, most_cache_bytes: float) -> HostedModel:
    """Load a model and run it once.

    Args:
        folder: of the model.
        settings: how OpenVINO runs.
        most_cache_bytes: of a cache for which the settings have no size.

    Raises:
        EngineError: the device cannot run it.
        InputError: it is not a language model that OpenVINO can read.
    """
    import openvino
    import openvino_genai

    core = openvino.Core()
    if settings.device.split(".")[0] not in {name.split(".")[0] for name in core.available_devices}:
        found = ", ".join(core.available_devices)
        raise EngineError(f"OpenVINO finds no device {settings.device!r} here; it finds {found}")
    about = read_about(folder)
    context = settings.max_context_tokens or first(about, CONTEXT_KEYS)
    num_blocks = _num_blocks(cache_values(core, folder), settings, context, most_cache_bytes)
    properties = _properties(core, settings)
    scheduler = openvino_genai.SchedulerConfig()
    scheduler.num_kv_blocks = num_blocks
    scheduler.dynamic_split_fuse = True
    scheduler.max_num_batched_tokens = _UNBOUNDED
    scheduler.enable_prefix_caching = settings.prefix_caching
    try:
        pipeline = openvino_genai.ContinuousBatchingPipeline(
            folder, scheduler, settings.device, properties
        )
    except RuntimeError as error:
        raise InputError(str(folder), f"OpenVINO cannot load it: {one_line(error)}") from error
    return HostedModel(
        pipeline=pipeline,
        tokenizer=pipeline.get_tokenizer(),
        inference_precision=str(properties["INFERENCE_PRECISION_HINT"]),
        cache_tokens=num_blocks * _block_tokens(settings),
        cache_bytes=_warm_up(pipeline),
        max_context_tokens=context,
        vocabulary_size=first(about, ("vocab_size",)),
    )


def _check_room(asked: str, num_tokens: int, room: int, name: str) -> None:
    if num_tokens > room:
        raise EngineError(f"{asked} the {name} of {room} tokens")


def cache_bytes_each(num_precisions: int) -> float:
    """Return the most bytes of each precision's cache when nobody has said how many."""
    import psutil

    return _CACHE_SHARE * float(psutil.virtual_memory().available) / num_precisions


def _num_blocks(
    values: int, settings: OpenVinoSettings, context: int | None, most_cache_bytes: float
) -> int:
    block_tokens = _block_tokens(settings)
    bytes_each = values * CACHE_BYTES[settings.kv_cache_precision] * block_tokens
    if settings.cache_bytes is None:
        wanted = settings.max_batch * math.ceil((context or _ANY_CONTEXT_TOKENS) / block_tokens)
        return max(1, min(wanted, int(most_cache_bytes / bytes_each)))
    if settings.cache_bytes < bytes_each:
        raise EngineError(
            f"a key-value cache of {settings.cache_bytes:g} bytes has no room for {block_tokens} "
            f"tokens, which take {bytes_each:g}"
        )
    return int(settings.cache_bytes / bytes_each)


def _block_tokens(settings: OpenVinoSettings) -> int:
    return _BLOCK_TOKENS.get(settings.device.split(".")[0], 32)


def _properties(core: openvino.Core, settings: OpenVinoSettings) -> dict[str, object]:
    able = core.get_property(settings.device, "OPTIMIZATION_CAPABILITIES")
    computes_in = [name for name, ability in _ABILITIES.items() if ability in able]
    wanted = settings.inference_precision or computes_in[0]
    if wanted not in computes_in:
        # OpenVINO would silently take another
        raise EngineError(
            f"{settings.device} does not compute in {wanted!r}; it does in {', '.join(computes_in)}"
        )
    properties: dict[str, object] = {
        "INFERENCE_PRECISION_HINT": wanted,
        "KV_CACHE_PRECISION": settings.kv_cache_precision,
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": settings.dynamic_quantization_group_size,
    }
    if settings.device == "CPU":
        properties["CPU_RUNTIME_CACHE_CAPACITY"] = settings.kept_kernels
    if settings.threads is not None:
        properties["INFERENCE_NUM_THREADS"] = settings.threads
    return properties


def _warm_up(pipeline: openvino_genai.ContinuousBatchingPipeline) -> int:
    """Answer one token after another; return the bytes of the cache, which only now exists."""
    import numpy as np
    import openvino
    import openvino_genai

    config = openvino_genai.GenerationConfig()
    config.max_new_tokens = 2
    config.ignore_eos = True
    pipeline.add_request(0, openvino.Tensor(np.zeros((1, 8), dtype=np.int64)), config)
    while pipeline.has_non_finished_requests():
        pipeline.step()
    return int(pipeline.get_metrics().cache_size_in_bytes)
