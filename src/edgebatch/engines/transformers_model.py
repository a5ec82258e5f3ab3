"""One precision of a model, loaded by transformers; used in the child only."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgebatch.engines.base import Prompt
from edgebatch.engines.openvino_files import CONTEXT_KEYS
from edgebatch.engines.transformers import DTYPES, WEIGHT_BITS, TransformersSettings
from edgebatch.errors import EngineError, InputError
from edgebatch.local_models.quiet import first_line, quiet

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class HostedModel:
    """A loaded model and its limits.

    Attributes:
        network: of torch.
        tokenizer: of the model.
        end_tokens: those that end an answer.
        max_context_tokens: most tokens of prompt and answer; None if unknown.
        vocabulary_size: token ids lie below.
        weight_bytes: what the weights take in memory.
    """

    network: Any
    tokenizer: Any
    end_tokens: frozenset[int]
    max_context_tokens: int | None
    vocabulary_size: int
    weight_bytes: int

    def encode(self, prompt: Prompt) -> tuple[int, ...]:
        """Return the prompt's token ids.

        Raises:
            InputError: it has messages, and the model no template for them.
        """
        if prompt.tokens is not None:
            return prompt.tokens
        text, is_template = prompt.text or "", prompt.messages is not None
        if prompt.messages is not None:
            if not self.tokenizer.chat_template:
                raise InputError("messages", "the model has no chat template; send text instead")
            text = self.tokenizer.apply_chat_template(
                [dict(message) for message in prompt.messages],
                add_generation_prompt=True,
                tokenize=False,
            )
        # a template writes the special tokens itself
        return tuple(self.tokenizer(text, add_special_tokens=not is_template)["input_ids"])

    def decode(self, lists: Sequence[Sequence[int]]) -> list[str]:
        """Return the texts of lists of token ids, without special ones."""
        texts: list[str] = self.tokenizer.batch_decode(
            # spaces that it would tidy up are part of what comes later
            [list(tokens) for tokens in lists],
            skip_special_tokens=True,
            clean_up_tokenization_spaces=False,
        )
        return texts

    def check(self, tokens: Sequence[int], max_tokens: int) -> None:
        """Refuse what would make the whole batch fail, or be answered with nonsense.

        Raises:
            EngineError: the prompt is empty or too long, or has ids that are no tokens.
        """
        if not tokens:
            raise EngineError("the prompt has no tokens")
        if max_tokens < 1:
            raise EngineError(f"the answer's limit is {max_tokens} tokens; expected at least 1")
        strange = next((token for token in tokens if not 0 <= token < self.vocabulary_size), None)
        if strange is not None:
            raise EngineError(f"the model has no token {strange}")
        room = self.max_context_tokens
        if room is not None and len(tokens) + max_tokens > room:
            raise EngineError(
                f"{len(tokens)} tokens of prompt and {max_tokens} of answer do not fit the context "
                f"of {room} tokens"
            )

    def forward(
        self, inputs: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: Any
    ) -> tuple[torch.Tensor, Any]:
        """Run one pass; return the logits that follow each row, and keys and values so far.

        Args:
            inputs: token ids, of shape (rows, new tokens).
            mask: 0 for padding, of shape (rows, tokens so far and new ones).
            positions: of the new tokens within their rows, of their shape.
            cache: what the pass before has returned; None for the first.

        Returns:
            Logits in 32 bits, of shape (rows, vocabulary), and the new cache.
        """
        keeps_last = "logits_to_keep" in inspect.signature(self.network.forward).parameters
        run = self.network if keeps_last else self.network.base_model
        arguments = {"attention_mask": mask, "past_key_values": cache, "use_cache": True}
        # BLOOM knows no positions, only distances
        if "position_ids" in inspect.signature(run.forward).parameters:
            arguments["position_ids"] = positions
        if keeps_last:
            found = run(inputs, logits_to_keep=1, **arguments)
            logits = found.logits
        else:
            # else logits of whole prompts would be computed, and need more memory than all the rest
            found = run(inputs, **arguments)
            logits = self.network.get_output_embeddings()(found.last_hidden_state[:, -1:])
        return logits[:, -1].float(), found.past_key_values


def load(folder: Path, precision: str, settings: TransformersSettings) -> HostedModel:
    """Load a model in one precision.

    Raises:
        EngineError: there is no such device.
        InputError: it is not a language model that transformers can read.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if settings.device != "cpu" and not torch.cuda.is_available():
        raise EngineError(f"torch finds no device {settings.device!r} here; it finds cpu")
    dtype = getattr(torch, DTYPES[precision if precision in DTYPES else settings.dtype])
    try:
        with quiet():
            network = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
            tokenizer = AutoTokenizer.from_pretrained(folder)
    except Exception as error:  # safetensors, tokenizers and transformers have errors of their own
        raise InputError(
            str(folder), f"transformers cannot load it: {first_line(error)}"
        ) from error
    if precision in WEIGHT_BITS:
        from edgebatch.engines.transformers_weights import store_in_integers

        store_in_integers(network, WEIGHT_BITS[precision])
    network.eval().to(settings.device)
    about = network.config.get_text_config()
    contexts = (getattr(about, key, None) for key in CONTEXT_KEYS)
    return HostedModel(
        network=network,
        tokenizer=tokenizer,
        end_tokens=_end_tokens(network.generation_config.eos_token_id),
        max_context_tokens=next((context for context in contexts if context is not None), None),
        vocabulary_size=network.get_input_embeddings().num_embeddings,
        weight_bytes=sum(each.nbytes for each in chain(network.parameters(), network.buffers())),
    )


def _end_tokens(of_model: int | list[int] | None) -> frozenset[int]:
    if of_model is None:
        return frozenset()
    return frozenset([of_model] if isinstance(of_model, int) else of_model)
