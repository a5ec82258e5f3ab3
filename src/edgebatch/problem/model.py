"""The shape of a decoder-only transformer, as far as cost depends on it (formulation §2, §3)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgebatch.errors import InputError
from edgebatch.problem.checks import require_count


@dataclass(frozen=True, slots=True)
class Model:
    """A decoder-only transformer.

    Attributes:
        layers: number of layers, L.
        hidden_size: width of the residual stream, d.
        ffn_size: width of the feed-forward network, f.
        heads: query heads, h.
        kv_heads: key/value heads, h_kv; 0 means as many as ``heads``.
        head_size: size of one head, e; 0 means ``hidden_size / heads``.
        gated_ffn: whether the feed-forward network has three matrices (g = 3) instead of two.
        parameters: all parameters, embeddings and biases included; 0 means L·A.
        name: what people call it; only shown.

    Raises:
        InputError: a size is not a positive whole number.
    """

    layers: int
    hidden_size: int
    ffn_size: int
    heads: int
    kv_heads: int = 0
    head_size: int = 0
    gated_ffn: bool = False
    parameters: int = 0
    name: str = ""

    def __post_init__(self) -> None:
        for field in ("layers", "hidden_size", "ffn_size", "heads"):
            require_count(f"model.{field}", getattr(self, field))
        if self.kv_heads == 0:
            object.__setattr__(self, "kv_heads", self.heads)
        if self.head_size == 0:
            if self.hidden_size % self.heads:
                raise InputError(
                    "model.head_size",
                    f"must be given: {self.heads} heads do not divide a hidden size of "
                    f"{self.hidden_size}",
                )
            object.__setattr__(self, "head_size", self.hidden_size // self.heads)
        if self.parameters == 0:
            object.__setattr__(self, "parameters", self.layers * self.linear_parameters_per_layer)
        for field in ("kv_heads", "head_size", "parameters"):
            require_count(f"model.{field}", getattr(self, field))

    @property
    def linear_parameters_per_layer(self) -> int:
        """A = 2·d·h·e + 2·d·h_kv·e + g·d·f, the weights that every token meets in one layer."""
        attention = 2 * self.hidden_size * (self.heads + self.kv_heads) * self.head_size
        matrices = 3 if self.gated_ffn else 2
        return attention + matrices * self.hidden_size * self.ffn_size

    @property
    def published_parameters(self) -> int:
        """L·(4d² + 2df), the published count: no embeddings, no gate, no shared heads."""
        return self.layers * (4 * self.hidden_size**2 + 2 * self.hidden_size * self.ffn_size)

    @property
    def attention_width(self) -> int:
        """h·e, the width over which attention scores are taken."""
        return self.heads * self.head_size

    @property
    def kv_values_per_token(self) -> int:
        """2·L·h_kv·e, keys and values that one token leaves in the cache."""
        return 2 * self.layers * self.kv_heads * self.head_size

    def replace(self, **changes: object) -> Model:
        """Return a copy with some fields changed."""
        return replace(self, **changes)  # type: ignore[arg-type]
