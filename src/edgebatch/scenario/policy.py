"""Policies: a solver in epochs, or an order of joining a running batch, with their knobs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from edgebatch.errors import InputError, UnknownNameError
from edgebatch.registry import lookup
from edgebatch.solvers.registry import make_solver, solver_names

CONTINUOUS = {
    "continuous": "fcfs",
    "continuous-edf": "edf",
    "continuous-sjf": "sjf",
}
"""Policies of today's engines by name: the order in which requests join the running batch."""


def policy_names() -> list[str]:
    """Return the names of all policies."""
    return [*solver_names(), *CONTINUOUS]


@dataclass(frozen=True, slots=True)
class Policy:
    """Who decides, and the knobs that were set.

    Attributes:
        name: a solver's name (it then decides in epochs) or one of :data:`CONTINUOUS`.
        batch_cap: most requests in a batch, or running at once.
        longest_batch_seconds: epochs only: most computing time of a batch; outweighs the
            scenario's.
        expire: continuous only: whether hopeless requests are turned away instead of served late.
        precision: continuous only: the one precision that is hosted.

    Raises:
        UnknownNameError: no such policy.
        InputError: a knob that this policy does not have, or not such a value.
    """

    name: str
    batch_cap: int | None = None
    longest_batch_seconds: float | None = None
    expire: bool | None = None
    precision: str | None = None

    def __post_init__(self) -> None:
        known = lookup({name: name for name in policy_names()}, self.name, "policy")
        object.__setattr__(self, "name", known)
        foreign = ("longest_batch_seconds",) if self.is_continuous else ("expire", "precision")
        for knob in foreign:
            if getattr(self, knob) is not None:
                raise InputError("policy", f"{self.name!r} has no knob {knob!r}")
        if not self.is_continuous:
            make_solver(self.name, path="policy", batch_cap=self.batch_cap)

    @property
    def is_continuous(self) -> bool:
        """Whether requests join a running batch instead of forming batches of their own."""
        return self.name in CONTINUOUS

    @property
    def label(self) -> str:
        """The name with the knobs that were set, as :func:`parse_policy` reads it."""
        knobs = [
            f"{field.name}={_written(getattr(self, field.name))}"
            for field in fields(self)
            if field.name != "name" and getattr(self, field.name) is not None
        ]
        return self.name + (":" + ",".join(knobs) if knobs else "")

    def with_knobs(self, **knobs: Any) -> Policy:
        """Return the policy with some knobs changed."""
        return replace(self, **knobs)


def parse_policy(text: str) -> Policy:
    """Return the policy written as ``name`` or ``name:knob=value,knob=value``.

    Raises:
        UnknownNameError: no such policy or knob.
        InputError: a value is not of the knob's type.
    """
    name, _, tail = text.partition(":")
    knobs: dict[str, Any] = {}
    for setting in filter(None, tail.split(",")):
        knob, _, value = setting.partition("=")
        if knob not in _PARSERS:
            raise UnknownNameError(f"policy {text!r}", knob, _PARSERS)
        try:
            knobs[knob] = _PARSERS[knob](value)
        except (ValueError, KeyError):
            raise InputError(f"policy {text!r}", f"{knob} cannot be {value!r}") from None
    return Policy(name.strip(), **knobs)


_PARSERS: dict[str, Callable[[str], Any]] = {
    "batch_cap": int,
    "longest_batch_seconds": float,
    "expire": {"true": True, "false": False}.__getitem__,
    "precision": str,
}


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value}"
