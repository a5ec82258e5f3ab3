"""One decision problem: node, model, hosted precisions, batching mode, waiting requests."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from edgebatch.errors import InputError
from edgebatch.problem.checks import require_count
from edgebatch.problem.model import Model
from edgebatch.problem.node import Node
from edgebatch.problem.precision import Precision
from edgebatch.problem.requests import InFlight, Requests
from edgebatch.registry import lookup


class Batching(StrEnum):
    """Which lengths a member of a batch is charged with (formulation §3)."""

    PADDED = "padded"
    """Everyone at the longest prompt and the longest output: one tensor."""
    PROMPT_PADDED = "prompt-padded"
    """Everyone at the longest prompt, each at its own output."""
    RAGGED = "ragged"
    """Everyone at its own lengths: engines without padding."""

    @property
    def pads_prompts(self) -> bool:
        """Whether a member's prompt counts as long as the longest one."""
        return self is not Batching.RAGGED

    @property
    def pads_outputs(self) -> bool:
        """Whether a member's output counts as long as the longest one."""
        return self is Batching.PADDED


@dataclass(frozen=True, eq=False)
class Problem:
    """What a solver decides on; immutable, variants come from :meth:`replace`.

    Attributes:
        node: the edge node.
        model: the hosted model.
        precisions: the precisions hosted side by side, at least one; the weights of all count.
        batching: padded, prompt-padded or ragged.
        requests: the waiting requests, oldest first.
        in_flight: the running batch that the chosen join; None starts a batch of its own.
        max_batch: most members of a batch, those in flight among them; None for any number.

    Raises:
        InputError: no precision, two of one name, an in-flight precision that is not hosted, or a
            batch of none.
    """

    node: Node
    model: Model
    precisions: tuple[Precision, ...]
    requests: Requests
    batching: Batching = Batching.RAGGED
    in_flight: InFlight | None = None
    max_batch: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "precisions", tuple(self.precisions))
        if not self.precisions:
            raise InputError("precisions", "must list at least one precision")
        seen: set[str] = set()
        for index, precision in enumerate(self.precisions):
            if precision.name in seen:
                raise InputError(
                    f"precisions[{index}].name",
                    f"must be unique, but {precision.name!r} is listed twice",
                )
            seen.add(precision.name)
        if self.max_batch is not None:
            require_count("max_batch", self.max_batch)
            object.__setattr__(self, "max_batch", int(self.max_batch))
        if self.in_flight is not None:
            if self.batching is not Batching.RAGGED:
                raise InputError("batching", "must be ragged where requests join work in flight")
            self.precision(self.in_flight.precision, "in_flight.precision")

    def precision(self, name: str, path: str = "precision") -> Precision:
        """Return the hosted precision called ``name``.

        Raises:
            UnknownNameError: none is called so.
        """
        return lookup({precision.name: precision for precision in self.precisions}, name, path)

    def replace(self, **changes: object) -> Problem:
        """Return a copy with some fields changed."""
        return replace(self, **changes)  # type: ignore[arg-type]
