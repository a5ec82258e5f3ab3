"""A batch in one padded tensor; used in the child only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from edgebatch.engines.base import Sampling
from edgebatch.engines.transformers_model import HostedModel

if TYPE_CHECKING:
    import torch

_SEEDS = 2**63


class SeededChoice:
    """Draws the tokens of one answer; they depend on the seed and on the logits alone.

    Args:
        sampling: with a temperature.
        seed: if the sampling has none.

    Raises:
        ValueError: the sampling is impossible.
    """

    def __init__(self, sampling: Sampling, seed: int) -> None:
        import torch
        from transformers import TemperatureLogitsWarper, TopPLogitsWarper

        self._warpers = (
            TemperatureLogitsWarper(float(sampling.temperature)),
            TopPLogitsWarper(sampling.top_p),
        )
        # on the CPU, whatever the device: the same seed gives the same answer on all of them
        self._random = torch.Generator().manual_seed(
            (seed if sampling.seed is None else sampling.seed) % _SEEDS
        )

    def __call__(self, logits: torch.Tensor) -> int:
        """Return the next token, given logits of shape (vocabulary,)."""
        import torch

        row = logits.cpu()[None]
        for warper in self._warpers:
            row = warper(None, row)
        return int(torch.multinomial(row.softmax(dim=-1), 1, generator=self._random))


class PaddedBatch:
    """Rows of one tensor that advance together, whoever of them is done.

    Args:
        model: runs it.
        prompts: token ids of each row, none empty.
        choices: how each row's tokens are chosen; None for the likeliest.
    """

    def __init__(
        self,
        model: HostedModel,
        prompts: Sequence[Sequence[int]],
        choices: Sequence[SeededChoice | None],
    ) -> None:
        import torch

        self._model = model
        self._choices = choices
        self._cache: Any = None
        width = max(len(prompt) for prompt in prompts)
        missing = [width - len(prompt) for prompt in prompts]
        device = model.network.device
        self._inputs = torch.tensor(
            [[0] * gap + list(prompt) for gap, prompt in zip(missing, prompts, strict=True)],
            device=device,
        )
        gaps = torch.tensor(missing, device=device)[:, None]
        places = torch.arange(width, device=device)[None]
        self._mask = (places >= gaps).long()
        self._positions = (places - gaps).clamp(min=0)

    def step(self) -> list[int]:
        """Do one pass over all rows; return the token that each gains."""
        import torch

        with torch.inference_mode():
            logits, self._cache = self._model.forward(
                self._inputs, self._mask, self._positions, self._cache
            )
            tokens = logits.argmax(dim=-1)
            for row, choice in enumerate(self._choices):
                if choice is not None:
                    tokens[row] = choice(logits[row])
            self._inputs = tokens[:, None]
            self._mask = torch.cat((self._mask, torch.ones_like(self._inputs)), dim=1)
            self._positions = self._positions[:, -1:] + 1
            if self._model.max_context_tokens is not None:
                # rows that are done go on, perhaps beyond the last position that there is
                self._positions.clamp_(max=self._model.max_context_tokens - 1)
            gained: list[int] = tokens.tolist()
        return gained
