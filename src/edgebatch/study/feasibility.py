"""What no scheduler can change: what fits, and which requests can never be served in time."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple

from edgebatch.cost import BatchCost, hosted_bytes
from edgebatch.scenario import parse_policy
from edgebatch.scenario.schema import ScenarioDocument
from edgebatch.scenario.workload import build_workload
from edgebatch.scheduling import FastestAnswer, Hosting, Reason
from edgebatch.schema import validated
from edgebatch.study.candidates import hosting_of
from edgebatch.units import within_budget
from edgebatch.workload import Arrival

_SAMPLE_REQUESTS = 4000
_MOST_CLASSES = 12
"""Of users by the quality they want; where it is drawn from a range there is nothing to list."""


class UserClass(NamedTuple):
    """Requests that want the same quality.

    Attributes:
        min_quality: what they want.
        share: how many of all requests they are.
        accepts: the precisions that are good enough for them.
    """

    min_quality: float
    share: float
    accepts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Feasibility:
    """What holds at any load.

    Attributes:
        node_bytes: M.
        weights_bytes: weights of all hosted precisions.
        reserved_bytes: memory that the model may not use.
        smallest_bytes: cache of the smallest request of the sample.
        ceiling: share of requests that could be served in time if each had the node to itself.
        hopeless: why the others could not, and how many; shares of all requests.
        fastest_seconds: least answer time of those that miss their deadline even alone, mean; None
            if there are none.
        best_quality: highest quality of a hosted precision.
        classes: users by the quality they want, ascending; empty if there are too many to list.
    """

    node_bytes: float
    weights_bytes: float
    reserved_bytes: float
    smallest_bytes: float
    ceiling: float
    hopeless: dict[str, float]
    fastest_seconds: float | None
    best_quality: float
    classes: tuple[UserClass, ...]

    @property
    def missing_bytes(self) -> float:
        """How much memory is missing for weights, reserve and one request; 0 if it fits."""
        needed = self.weights_bytes + self.reserved_bytes + self.smallest_bytes
        return 0.0 if within_budget(needed, self.node_bytes) else needed - self.node_bytes


@dataclass(frozen=True, slots=True)
class Assessment:
    """Finds out what is feasible; a task for any process.

    Attributes:
        scenario: the document as JSON.
        policy: the policy's label.
    """

    scenario: str
    policy: str

    def __call__(self) -> Feasibility:
        """Carry it out."""
        document = json.loads(self.scenario)
        checked = validated(document, ScenarioDocument).model_dump(exclude_unset=True)
        workload = build_workload(checked["workload"], checked.get("seed", 0))
        sample = list(islice(workload, _SAMPLE_REQUESTS))
        hosting = hosting_of(document)
        node, model = hosting.node, hosting.model
        smallest = min(
            BatchCost(node, model, precision).kv_bytes(
                float(each.prompt_tokens), float(each.output_tokens)
            )
            for precision in hosting.precisions
            for each in sample
        )
        weights = hosted_bytes(node, model, hosting.precisions) - node.reserved_bytes
        found = Feasibility(
            node_bytes=node.memory_bytes,
            weights_bytes=weights,
            reserved_bytes=node.reserved_bytes,
            smallest_bytes=smallest,
            ceiling=0.0,
            hopeless={},
            fastest_seconds=None,
            best_quality=max(precision.quality for precision in hosting.precisions),
            classes=_classes(hosting, sample),
        )
        return found if found.missing_bytes else self._with_ceiling(found, hosting, sample)

    def _with_ceiling(
        self, found: Feasibility, hosting: Hosting, sample: list[Arrival]
    ) -> Feasibility:
        node = hosting.node
        if parse_policy(self.policy).is_continuous:
            node = node.replace(batch_overhead_seconds=0.0)
        fastest = FastestAnswer(node, hosting.model, hosting.precisions)
        reasons: Counter[Reason] = Counter()
        late: list[float] = []
        for each in sample:
            # true lengths instead of limits: what holds at any load must hold for lucky guesses too
            seconds, reason = fastest.look_up(
                each.prompt_tokens, each.actual_output_tokens, each.min_quality
            )
            if reason is Reason.NONE and not within_budget(seconds, each.deadline_seconds):
                reason = Reason.DEADLINE
                late.append(seconds)
            reasons[reason] += 1
        ceiling = reasons.pop(Reason.NONE, 0) / len(sample)
        hopeless = {each.name.lower(): reasons[each] / len(sample) for each in sorted(reasons)}
        return replace(
            found,
            ceiling=ceiling,
            hopeless=hopeless,
            fastest_seconds=sum(late) / len(late) if late else None,
        )


def _classes(hosting: Hosting, sample: list[Arrival]) -> tuple[UserClass, ...]:
    counts = Counter(each.min_quality for each in sample)
    if len(counts) > _MOST_CLASSES:
        return ()
    return tuple(
        UserClass(
            min_quality=wanted,
            share=counts[wanted] / len(sample),
            accepts=tuple(
                each.name for each in hosting.precisions if within_budget(wanted, each.quality)
            ),
        )
        for wanted in sorted(counts)
    )
