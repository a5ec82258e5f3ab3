"""What a plan finds out about one candidate."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean
from typing import Any

from edgebatch.scenario import parse_policy
from edgebatch.study.budgets import budgets_of
from edgebatch.study.candidates import Candidate
from edgebatch.study.feasibility import Assessment, Feasibility
from edgebatch.study.operation import Operation, operation
from edgebatch.study.replications import (
    Replication,
    RunFigures,
    RunLength,
    scenario_of,
    scenario_text,
)
from edgebatch.study.rounds import Search, Task
from edgebatch.study.saturation import (
    Counts,
    Probe,
    Saturation,
    decided_point,
    sustainable_rate,
)
from edgebatch.study.scouting import Scouting, Start

_RUNS_IN_DETAIL = 4
_RUNS_A_BUDGET = 2
_OVERLOAD = 1.25
"""What binds is looked for where requests fail for want of it, above the sustainable rate."""


class Status(StrEnum):
    """How a candidate fares."""

    SUSTAINS = "sustains"
    """There is a rate at which the target is met."""
    BELOW_TARGET = "below-target"
    """No rate was found at which it is, though single requests could all be served."""
    OUT_OF_REACH = "out-of-reach"
    """Too many requests can never be served in time, whatever the load."""
    DOES_NOT_FIT = "does-not-fit"
    """The memory does not hold the weights and one request."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of every candidate.

    Attributes:
        target: share of requests to be served in time, above 0 and below 1.
        policy: who decides, as :func:`edgebatch.scenario.parse_policy` reads it.
        rate_per_second: a rate of interest; None without.
        most_runs: how many runs an undecided rate may take: 4, 8, 16 or 32.
    """

    target: float
    policy: str
    rate_per_second: float | None
    most_runs: int


@dataclass(frozen=True, slots=True)
class Binding:
    """What binds first.

    Attributes:
        rate_per_second: a quarter above the sustainable rate.
        in_time_share: served in time there.
        gains: by how much that share grows with a quarter more of each budget, largest first.
    """

    rate_per_second: float
    in_time_share: float
    gains: dict[str, float]

    @property
    def budget(self) -> str | None:
        """The budget of which more helps most; None if none helps."""
        name = next(iter(self.gains))
        return name if self.gains[name] > 0.0 else None


@dataclass(frozen=True, slots=True)
class Finding:
    """Everything about one candidate.

    Attributes:
        candidate: which.
        status: how it fares.
        feasibility: what holds at any load.
        length: how long each run was; None without runs.
        saturation: what the search found; None without one.
        at_sustainable: how it fares at the sustainable rate.
        at_rate: how it fares at the rate of interest.
        binding: what binds first.
    """

    candidate: Candidate
    status: Status
    feasibility: Feasibility
    length: RunLength | None = None
    saturation: Saturation | None = None
    at_sustainable: Operation | None = None
    at_rate: Operation | None = None
    binding: Binding | None = None


def investigation(candidate: Candidate, question: Question) -> Search[Finding]:
    """Find out all about a candidate; see :mod:`edgebatch.study.rounds` for how it is run."""
    text = scenario_text(candidate.document)
    [feasibility] = yield [Assessment(text, question.policy)]
    if feasibility.missing_bytes:
        return Finding(candidate, Status.DOES_NOT_FIT, feasibility)
    [start] = yield [Scouting(text, question.target, question.most_runs)]
    inquiry = _Inquiry(candidate, question, text, feasibility, start)
    at_rate = yield from inquiry.at_rate()
    if feasibility.ceiling < question.target:
        return Finding(
            candidate, Status.OUT_OF_REACH, feasibility, start.length, None, None, at_rate
        )
    saturation = yield from inquiry.saturation()
    rate = saturation.rate_per_second
    if rate is None:
        return Finding(
            candidate, Status.BELOW_TARGET, feasibility, start.length, saturation, None, at_rate
        )
    at_sustainable = yield from inquiry.in_detail(rate)
    binding = yield from inquiry.binding(_OVERLOAD * rate)
    return Finding(
        candidate=candidate,
        status=Status.SUSTAINS,
        feasibility=feasibility,
        length=start.length,
        saturation=saturation,
        at_sustainable=at_sustainable,
        at_rate=at_rate,
        binding=binding,
    )


@dataclass(frozen=True, slots=True)
class _Inquiry:
    """The runs of one candidate."""

    candidate: Candidate
    question: Question
    text: str
    feasibility: Feasibility
    start: Start

    def saturation(self) -> Search[Saturation]:
        """Search for the sustainable rate."""
        most = self._most_runs()
        search = sustainable_rate(self.start.rate_per_second, self.question.target, most)
        found: Saturation = yield from self._probed(search)
        return found

    def in_detail(self, rate: float) -> Search[Operation]:
        runs = yield self._tasks(rate, range(_RUNS_IN_DETAIL))
        return operation(rate, runs, self.feasibility, self.candidate.power_watts)

    def at_rate(self) -> Search[Operation | None]:
        """Look at the rate of interest, if there is one, until it is decided."""
        rate = self.question.rate_per_second
        if rate is None:
            return None
        kept: list[RunFigures] = []
        search = decided_point(rate, self.question.target, self._most_runs())
        yield from self._probed(search, kept)
        return operation(rate, kept, self.feasibility, self.candidate.power_watts)

    def binding(self, rate: float) -> Search[Binding]:
        """Give the candidate more of each budget in turn and see what it helps."""
        policy = parse_policy(self.question.policy)
        budgets = budgets_of(scenario_of(self.text), policy)
        numbers = range(_RUNS_A_BUDGET)
        runs = yield [
            task for budget in (None, *budgets) for task in self._tasks(rate, numbers, budget)
        ]
        shares = [
            fmean(run.in_time / run.requests for run in runs[first : first + len(numbers)])
            for first in range(0, len(runs), len(numbers))
        ]
        gains = {name: share - shares[0] for name, share in zip(budgets, shares[1:], strict=True)}
        largest_first = sorted(gains.items(), key=lambda gain: -gain[1])
        return Binding(rate, shares[0], dict(largest_first))

    def _most_runs(self) -> int:
        return min(self.question.most_runs, self.start.length.most_runs)

    def _tasks(self, rate: float, numbers: range, budget: str | None = None) -> list[Task]:
        policy, length = self.question.policy, self.start.length
        return [Replication(self.text, policy, rate, number, length, budget) for number in numbers]

    def _probed(
        self, search: Generator[Probe, Counts, Any], kept: list[RunFigures] | None = None
    ) -> Generator[Sequence[Task], list[Any], Any]:
        """Carry out the probes that a search asks for; keep the runs in ``kept``."""
        try:
            probe = next(search)
            while True:
                numbers = range(probe.first, probe.first + probe.runs)
                runs: list[RunFigures] = yield self._tasks(probe.rate_per_second, numbers)
                if kept is not None:
                    kept += runs
                probe = search.send([(run.in_time, run.requests) for run in runs])
        except StopIteration as end:
            return end.value
