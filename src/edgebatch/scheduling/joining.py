"""What all schedulers of continuous batching share: one precision, a queue, places in the cache."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

from edgebatch.cost import BatchCost, Budget, hosted_bytes
from edgebatch.problem import Precision
from edgebatch.registry import lookup
from edgebatch.scheduling.epoch import Hosting
from edgebatch.scheduling.fastest import FastestAnswer
from edgebatch.scheduling.outcomes import Ledger, Outcome, Reason, RequestRecord
from edgebatch.scheduling.prospects import Prospect, Prospects
from edgebatch.scheduling.waiting import Waiting, WaitingQueue, not_served, served
from edgebatch.units import RELATIVE_TOLERANCE
from edgebatch.workload import Arrival


def precision_that_runs(hosting: Hosting, name: str | None) -> Precision:
    """Return the one precision that schedulers of continuous batching use.

    Args:
        hosting: what could be used.
        name: of the precision; None for the one of the highest quality.

    Raises:
        UnknownNameError: it is not hosted.
    """
    if name is None:
        return max(hosting.precisions, key=lambda each: each.quality)
    return lookup({each.name: each for each in hosting.precisions}, name, "precision")


class JoiningScheduler(ABC):
    """Decides between two steps who joins the running batch of one node.

    Only one precision is hosted, so the cache has the memory that others' weights would take. A
    request's whole cache, prompt and output limit, is reserved when it joins, so nothing ever has
    to be preempted. It reads no clock; whoever drives it says what time it is. Requests come in
    through a :class:`~edgebatch.scheduling.NodePool`, also where there is only one node.

    Args:
        hosting: node, model and hosted precisions; the batching mode plays no part, since
            requests that come and go one by one are never padded.
        queue: who waits; None for one of its own.
        precision: name of the precision that runs; None for the one of the highest quality.
        batch_cap: most requests that run at once; None leaves it to hosting and memory.
        expire: whether requests whose deadline can no longer be met are turned away.

    Attributes:
        ledger: what became of every request.
        queue: who waits.
        cost: cost model of the precision that runs.
        precision: its position among those that are on record.
        token_budget: tokens that the cache can hold.
        reserved_tokens: tokens of the requests that run.
        num_running: how many requests run.

    Raises:
        UnknownNameError: the precision is not hosted.
        CannotHostError: the weights do not fit.
    """

    def __init__(
        self,
        hosting: Hosting,
        queue: WaitingQueue | None,
        *,
        precision: str | None,
        batch_cap: int | None,
        expire: bool,
    ) -> None:
        runs = precision_that_runs(hosting, precision)
        self.hosting = hosting
        self.precision = hosting.precisions.index(runs)
        self.cost = BatchCost(hosting.node, hosting.model, runs)
        self.queue = WaitingQueue(Ledger()) if queue is None else queue
        self.ledger = self.queue.ledger
        # a joiner's prompt is at the node already, and the batch that it joins has begun
        joined = hosting.node.replace(uplink_seconds=0.0, batch_overhead_seconds=0.0)
        self._prospects = Prospects(
            FastestAnswer(joined, hosting.model, (runs,)),
            heeds_deadlines=expire,
            uplink_seconds=hosting.node.uplink_seconds,
        )
        hosted = hosted_bytes(hosting.node, hosting.model, (runs,))
        free_bytes = hosting.node.memory_bytes * (1.0 + RELATIVE_TOLERANCE) - hosted
        self.token_budget = free_bytes / self.cost.kv_bytes_per_token
        self.reserved_tokens = 0
        self.num_running = 0
        self._batch_cap = batch_cap
        self.limit_running(None)

    def prospect(self, arrival: Arrival) -> Prospect:
        """Return what can become of a request here."""
        return self._prospects.of(arrival)

    def note_demand(self, arrival: Arrival, part: float) -> None:  # noqa: B027
        """Take note that someone has come who could be served here.

        Args:
            arrival: the request.
            part: of it that falls to this node, as there are others that could serve it too.
        """

    def note_waiting(self, waiting: Waiting) -> None:  # noqa: B027
        """Take note that someone waits who could be served here."""

    @abstractmethod
    def might_join(self, waiting: Waiting) -> bool:
        """Return whether someone could join now that this request waits, so that a step must end.

        Args:
            waiting: a request of which note was taken just now.
        """

    def someone_can_join(self) -> bool:
        """Return whether others who have expired were all that kept someone out."""
        return False

    @abstractmethod
    def join(self, now: float, step: int, pass_began_at: float | None = None) -> list[Waiting]:
        """Return who joins the running batch now, and count them as running.

        Args:
            now: the time.
            step: how many steps the engine has done in all.
            pass_began_at: when the pass began that runs at ``now``; whoever joins takes part from
                the next one on. None between two passes.
        """

    def work_seconds(self, arrival: Arrival) -> float:
        """Return by how much a request lengthens what the node has to do."""
        prompt, output = float(arrival.prompt_tokens), float(arrival.output_tokens)
        return float(self.believed_pace * self.cost.member_seconds(prompt, output))

    def believed_seconds(self, arrival: Arrival) -> float:
        """Return about how long an answer takes here, beside as many as run now."""
        prompt, output = float(arrival.prompt_tokens), float(arrival.output_tokens)
        per_step, per_token = self.cost.step_coefficients()
        size = self.num_running + 1
        context = self.reserved_tokens + prompt + output
        step_seconds = self.cost.step_seconds + size * per_step + per_token * context
        seconds = self.cost.prefill_seconds(prompt) + output * step_seconds
        return float(self.pace_at(size) * seconds)

    def next_trial_seconds(self) -> float:
        """Return when an idle node is to be asked again although nothing happens."""
        return math.inf

    def limit_running(self, most: int | None) -> None:
        """Let no more run at once than this, if it is less than cap and hosting allow.

        Args:
            most: in place of any such limit before; None for none.
        """
        limit = self.hosting.most_running(self._batch_cap, most)
        self._cap = math.inf if limit is None else limit

    @abstractmethod
    def binding(self) -> Budget | None:
        """Return what keeps the next candidate from joining; None if nobody is kept waiting."""

    def observe(  # noqa: B027
        self, believed_seconds: float, actual_seconds: float, size: float
    ) -> None:
        """Take note of how long steps took that were believed to take so long.

        Args:
            believed_seconds: by the cost model.
            actual_seconds: on the engine.
            size: how many requests took part, on the average.
        """

    @property
    def believed_pace(self) -> float:
        """True seconds per second of the cost model, as far as is known."""
        return 1.0

    @property
    def cautious_pace(self) -> float:
        """Seconds that a request must be given for each that it is believed to take alone."""
        return self.believed_pace

    def pace_at(self, size: int) -> float:  # noqa: ARG002
        """Return true seconds per second of the cost model while so many run."""
        return self.believed_pace

    def progressed(self, number: int, num_tokens: int, step: int) -> None:  # noqa: B027
        """Take note of how many tokens a member has produced by the end of so many steps.

        Only needed where that is not one a step: an engine may let a joiner wait for a step.
        """

    def abandon(self, waiting: Waiting, outcome: Outcome, reason: Reason, now: float) -> None:
        """Record that a member will produce no more tokens, and free its place."""
        self.release(waiting)
        self.ledger.close(not_served(waiting.arrival, outcome, reason, now))

    def complete(
        self,
        waiting: Waiting,
        *,
        joined_at: float,
        first_token_at: float,
        last_token_at: float,
        join: int,
    ) -> RequestRecord:
        """Record that a member has produced its last token, free its place and learn from it."""
        self.release(waiting)
        record = served(
            waiting,
            decided_at=joined_at,
            first_token_at=first_token_at,
            last_token_at=last_token_at,
            finished_at=last_token_at + self.hosting.node.downlink_seconds,
            batch=join,
            precision=self.precision,
        )
        self.ledger.close(record)
        self._note_answer(record)
        return record

    def _note_answer(self, record: RequestRecord) -> None:  # noqa: B027
        """Learn from how a member that was answered has ended."""

    def release(self, waiting: Waiting) -> None:
        """Free the place of a member that does not run any more."""
        self.num_running -= 1
        self.reserved_tokens -= waiting.arrival.prompt_tokens + waiting.arrival.output_tokens

    def _start(self, waiting: Waiting) -> None:
        """Move a request from the queue into the running batch."""
        self.queue.remove([waiting])
        self.num_running += 1
        self.reserved_tokens += waiting.arrival.prompt_tokens + waiting.arrival.output_tokens
