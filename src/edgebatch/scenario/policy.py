"""Policies: a solver in epochs, or an order of joining a running batch, with their knobs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from edgebatch.errors import InputError, UnknownNameError
from edgebatch.problem.checks import require_count, require_number
from edgebatch.registry import lookup
from edgebatch.solvers.registry import make_solver, solver_names

CONTINUOUS = {
    "continuous": "fcfs",
    "continuous-edf": "edf",
    "continuous-sjf": "sjf",
}
"""Policies of today's engines by name: the order in which requests join the running batch."""

ROLLING = "rolling"
"""Our own: joins the running batch only if everyone in it still ends in time."""

_EPOCH_KNOBS = ("batch_cap", "longest_batch_seconds")
_CONTINUOUS_KNOBS = ("batch_cap", "expire", "precision")
_ROLLING_KNOBS = ("batch_cap", "precision", "reserve", "safety", "ageing")


def policy_names() -> list[str]:
    """Return the names of all policies."""
    return [*solver_names(), *CONTINUOUS, ROLLING]


@dataclass(frozen=True, slots=True)
class Policy:
    """Who decides, and the knobs that were set.

    Attributes:
        name: a solver's name (it then decides in epochs), one of :data:`CONTINUOUS`, or
            :data:`ROLLING`.
        batch_cap: most requests in a batch, or running at once.
        longest_batch_seconds: epochs only: most computing time of a batch; outweighs the
            scenario's.
        expire: continuous only: whether hopeless requests are turned away instead of served late.
        precision: continuous and rolling only: the one precision that is hosted.
        reserve: rolling only: slack that a joiner must bring as a multiple of its duration.
        safety: rolling only: margin on believed times, in mean deviations of what was observed.
        ageing: rolling only: how much a request gains in rank while it waits.

    Raises:
        UnknownNameError: no such policy.
        InputError: a knob that this policy does not have, or not such a value.
    """

    name: str
    batch_cap: int | None = None
    longest_batch_seconds: float | None = None
    expire: bool | None = None
    precision: str | None = None
    reserve: float | None = None
    safety: float | None = None
    ageing: float | None = None

    def __post_init__(self) -> None:
        known = lookup({name: name for name in policy_names()}, self.name, "policy")
        object.__setattr__(self, "name", known)
        for field in fields(self)[1:]:
            if getattr(self, field.name) is not None and field.name not in self._knobs:
                raise InputError("policy", f"{self.name!r} has no knob {field.name!r}")
        if self.batch_cap is not None:
            require_count("policy.batch_cap", self.batch_cap)
        if self.longest_batch_seconds is not None:
            require_number(
                "policy.longest_batch_seconds", self.longest_batch_seconds, exclusive=True
            )
        for knob in ("reserve", "safety", "ageing"):
            if getattr(self, knob) is not None:
                require_number(f"policy.{knob}", getattr(self, knob))
        if not self.is_continuous:
            make_solver(self.name, path="policy", batch_cap=self.batch_cap)

    @property
    def is_continuous(self) -> bool:
        """Whether requests join a running batch instead of forming batches of their own."""
        return self.name in CONTINUOUS or self.name == ROLLING

    @property
    def _knobs(self) -> tuple[str, ...]:
        if self.name == ROLLING:
            return _ROLLING_KNOBS
        return _CONTINUOUS_KNOBS if self.is_continuous else _EPOCH_KNOBS

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
        knob, _, value = (part.strip() for part in setting.partition("="))
        if knob not in _PARSERS:
            raise UnknownNameError(f"policy {text!r}", knob, _PARSERS)
        if knob in knobs:
            raise InputError(f"policy {text!r}", f"{knob} is given twice")
        parse, wanted = _PARSERS[knob]
        try:
            knobs[knob] = parse(value)
        except (ValueError, KeyError):
            raise InputError(
                f"policy {text!r}", f"{knob} must be {wanted}, got {value!r}"
            ) from None
    return Policy(name.strip(), **knobs)


_PARSERS: dict[str, tuple[Callable[[str], Any], str]] = {
    "batch_cap": (int, "a whole number of at least 1"),
    "longest_batch_seconds": (float, "a number above 0"),
    "expire": ({"true": True, "false": False}.__getitem__, "true or false"),
    "precision": (str, "the name of a hosted precision"),
    "reserve": (float, "a number of at least 0"),
    "safety": (float, "a number of at least 0"),
    "ageing": (float, "a number of at least 0"),
}


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value}"
