"""A study: one scenario, the settings that are varied, and under which policies and seeds."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgebatch.errors import InputError
from edgebatch.scenario import parse_policy
from edgebatch.study.axes import Axis, placed
from edgebatch.study.digests import canonical_hash, file_digests, with_digests

MOST_RUNS = 1_000_000
"""Far above what anyone waits for; a mistyped count is told at once instead of filling memory."""


@dataclass(frozen=True, slots=True)
class StudyRun:
    """One simulation of a study.

    Attributes:
        number: its place in the study's order, from 0; the key of its row.
        values: the axes' values, one for each axis.
        policy: the policy with its knobs, as :func:`edgebatch.scenario.parse_policy` reads it.
        seed: seed of everything random.
    """

    number: int
    values: tuple[Any, ...]
    policy: str
    seed: int


@dataclass(frozen=True, slots=True)
class Study:
    """Everything that the runs of a study depend on.

    Attributes:
        scenario: the scenario document that all runs start from.
        axes: what is varied; every combination of their values is run.
        policies: who decides; written as :func:`edgebatch.scenario.parse_policy` reads them.
        seeds: seeds of everything random; policies meet the same requests at the same seed.
        title, question: for readers; no part of the identity.
        files: SHA-256 of every trace and table that a run reads, by path; found by itself. In
            results, by name.

    Raises:
        InputError: nothing to run, something is given twice, or a file cannot be read.
    """

    scenario: dict[str, Any]
    axes: tuple[Axis, ...]
    policies: tuple[str, ...]
    seeds: tuple[int, ...]
    title: str = ""
    question: str = ""
    files: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        labels = tuple(parse_policy(policy).label for policy in self.policies)
        object.__setattr__(self, "policies", labels)
        keys = tuple(axis.key for axis in self.axes)
        for name, entries in (("axes", keys), ("policies", labels), ("seeds", self.seeds)):
            if name != "axes" and not entries:
                raise InputError(name, "must have at least one entry")
            _require_distinct(name, entries)
        if "load" in keys and "rate" in keys:
            raise InputError("axes", "load and rate must not stand beside each other")
        if self.num_runs > MOST_RUNS:
            raise InputError("axes", f"make {self.num_runs} runs; at most {MOST_RUNS} are possible")
        if not self.files:
            object.__setattr__(self, "files", file_digests(self._documents()))

    @property
    def num_runs(self) -> int:
        """How many runs there are."""
        count = len(self.policies) * len(self.seeds)
        for axis in self.axes:
            count *= len(axis.values)
        return count

    @property
    def hash(self) -> str:
        """SHA-256 of what the runs depend on, paths of files replaced by what is in them."""
        return canonical_hash(
            {
                "scenario": with_digests(self.scenario, self.files),
                "axes": [
                    [axis.key, [self._digested_value(axis.key, value) for value in axis.values]]
                    for axis in self.axes
                ],
                "policies": list(self.policies),
                "seeds": list(self.seeds),
            }
        )

    def points(self) -> Iterator[tuple[Any, ...]]:
        """Yield every combination of the axes' values, the last axis fastest."""
        return itertools.product(*(axis.values for axis in self.axes))

    def runs(self) -> Iterator[StudyRun]:
        """Yield all runs in order: by axes, then policy, then seed."""
        every = itertools.product(self.points(), self.policies, self.seeds)
        for number, (values, policy, seed) in enumerate(every):
            yield StudyRun(number, values, policy, seed)

    def document_at(self, values: Sequence[Any], seed: int | None = None) -> dict[str, Any]:
        """Return the scenario document at one combination of the axes' values.

        Axes that are no keys of a scenario, ``load`` and ``rate``, leave it as it is.

        Raises:
            InputError: a key goes through something that is not a table.
        """
        document = self.scenario
        for axis, value in zip(self.axes, values, strict=True):
            if axis.is_setting:
                document = placed(document, axis.key, value)
        return document if seed is None else {**document, "seed": seed}

    def load_of(self, values: Sequence[Any]) -> float | None:
        """Return the multiple of the estimated capacity; None unless ``load`` is an axis."""
        return self._special("load", values)

    def rate_of(self, values: Sequence[Any]) -> float | None:
        """Return the arrival rate per second; None unless ``rate`` is an axis."""
        return self._special("rate", values)

    def scenario_hash(self, run: StudyRun) -> str:
        """Return the SHA-256 of a run's scenario document as canonical JSON.

        Paths of files stand for what is in them; ``load`` or ``rate`` is added as a key.
        """
        document = with_digests(self.document_at(run.values, run.seed), self.files)
        special = {
            axis.key: value
            for axis, value in zip(self.axes, run.values, strict=True)
            if not axis.is_setting
        }
        return canonical_hash({**document, **special})

    def _special(self, key: str, values: Sequence[Any]) -> float | None:
        for axis, value in zip(self.axes, values, strict=True):
            if axis.key == key:
                return float(value)
        return None

    def _documents(self) -> Iterator[dict[str, Any]]:
        """Yield documents that between them name every file of the study."""
        yield self.scenario
        for axis in self.axes:
            if axis.is_setting:
                yield from (placed({}, axis.key, value) for value in axis.values)

    def _digested_value(self, key: str, value: Any) -> Any:
        return with_digests(placed({}, key, value), self.files)


def _require_distinct(name: str, entries: Sequence[object]) -> None:
    seen: set[object] = set()
    for entry in entries:
        if entry in seen:
            raise InputError(name, f"{entry!r} is given twice")
        seen.add(entry)
