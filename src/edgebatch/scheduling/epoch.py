"""The epoch protocol's scheduler: queue → problem → solver → batch → records.

It does no waiting and reads no clock: whoever drives it, a simulation or a gateway, says what time
it is and carries out what it decides.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from edgebatch.cost import BatchCost, Budget, hosted_bytes, paced
from edgebatch.problem import Batching, Model, Node, Precision, Problem, Requests
from edgebatch.problem.checks import FloatArray, require_count
from edgebatch.radio import Channel
from edgebatch.scheduling.fastest import FastestAnswer
from edgebatch.scheduling.observed import ObservedPace, PaceTrials
from edgebatch.scheduling.outcomes import Ledger, Outcome, Reason
from edgebatch.scheduling.prospects import Prospect, Prospects
from edgebatch.scheduling.waiting import Waiting, WaitingQueue, not_served, served
from edgebatch.solvers import Fcfs, Filling, Result, Solver, Status, Stop
from edgebatch.workload import Arrival


@dataclass(frozen=True, slots=True)
class Hosting:
    """What is hosted where.

    Attributes:
        node, model, precisions, batching: as in :class:`edgebatch.problem.Problem`.
        max_running: most requests that the engine runs at once; None for as many as memory allows.

    Raises:
        InputError: fewer than one may run.
    """

    node: Node
    model: Model
    precisions: tuple[Precision, ...]
    batching: Batching = Batching.RAGGED
    max_running: int | None = None

    def __post_init__(self) -> None:
        if self.max_running is not None:
            require_count("max_running", self.max_running)

    def most_running(self, *limits: int | None) -> int | None:
        """Return the least of the engine's own limit and others; None if there is none."""
        return min((each for each in (self.max_running, *limits) if each is not None), default=None)


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch that has been decided on.

    Attributes:
        number: counted from 0.
        members: who is in it.
        precision: position in the hosted list.
        decided_at_seconds: when.
        compute_seconds: T(S, q) as believed.
        memory_bytes: Mem(S).
        uplink_use, downlink_use: Σ ρ_i.
        num_waiting: how many waited when it was decided, members included.
        binding: budget that kept out the cheapest of those left; None if nobody was left out.
        result: the solver's answer.
    """

    number: int
    members: tuple[Waiting, ...]
    precision: int
    decided_at_seconds: float
    compute_seconds: float
    memory_bytes: float
    uplink_use: float
    downlink_use: float
    num_waiting: int
    binding: Budget | None
    result: Result


class EpochScheduler:
    """Holds requests until the next epoch and lets a solver choose the batch.

    Args:
        hosting: node, model, precisions and batching mode.
        solver: who decides.
        stop: limits of each decision.
        channel: where radio shares come from; None if the radio is no bottleneck.
        queue_limit: most requests that may wait.

    Attributes:
        ledger: what became of every request.
        queue: who waits.
        channel: as given.
        pace: how fast the node was seen to be; made anew when it has kept everyone out for long.
    """

    def __init__(
        self,
        hosting: Hosting,
        solver: Solver,
        *,
        stop: Stop = Stop(),
        channel: Channel | None = None,
        queue_limit: int | None = None,
    ) -> None:
        self.hosting = hosting
        self.ledger = Ledger()
        self._fastest = FastestAnswer(hosting.node, hosting.model, hosting.precisions)
        self._prospects = Prospects(self._fastest)
        self.queue = WaitingQueue(self.ledger, queue_limit=queue_limit)
        self.channel = channel
        self._solver, self._stop = solver, stop
        self.pace = ObservedPace()
        self._max_batch = hosting.most_running()
        self._num_batches = 0
        self._trials = PaceTrials()

    def observe(self, believed_seconds: float, actual_seconds: float) -> None:
        """Take note of how long a batch took that should have taken so long at its lengths."""
        self.pace.observe(believed_seconds, actual_seconds)

    def limit_running(self, most: int | None) -> None:
        """Put no more into a batch than this, if it is less than what may run by the hosting.

        Args:
            most: in place of any such limit before; None for none.
        """
        self._max_batch = self.hosting.most_running(most)

    def submit(self, arrival: Arrival, now: float) -> Waiting | None:
        """Take a request in; None if it was turned away at once."""
        if self._can_never_be_sent(arrival):
            return self.queue.submit(arrival, now, Prospect(math.inf, Reason.RADIO))
        return self.queue.submit(arrival, now, self._prospects.of(arrival))

    def _can_never_be_sent(self, arrival: Arrival) -> bool:
        """Return whether a request would wait forever for a channel good enough to carry it.

        Only asked of those without a deadline: everyone else's ends the waiting.
        """
        if self.channel is None or arrival.deadline_seconds < math.inf:
            return False
        prompt_bits, output_bits = _bits([arrival], self.channel.scenario.bits_per_token)
        shares = self.channel.luckiest_shares(
            np.array([arrival.number]),
            prompt_bits,
            output_bits,
            self.hosting.node.uplink_seconds,
            self.hosting.node.downlink_seconds,
        )
        return any(float(share[0]) > 1.0 for share in shares)

    def decide(
        self,
        now: float,
        compute_free_at: float = 0.0,
        downlink_free_at: float = 0.0,
        longest_batch_seconds: float | None = None,
    ) -> Batch | None:
        """Choose the next batch among those waiting; None if nobody can be served now.

        Args:
            now: the decision instant.
            compute_free_at: when the running batch is believed to end.
            downlink_free_at: when its answers are believed to have been sent.
            longest_batch_seconds: most computing time that the batch may take, unless a request
                would take longer even alone; None for no limit but deadlines.
        """
        self.queue.expire(now)
        node = self.hosting.node
        wait = max(0.0, compute_free_at - (now + node.uplink_seconds))
        earliest_answer = downlink_free_at + node.downlink_seconds
        candidates = [
            waiting for waiting in self.queue if waiting.deadline_at_seconds >= earliest_answer
        ]
        if not candidates:
            return None
        problem, result = self._solve(candidates, now, wait, longest_batch_seconds)
        if result.precision is not None:
            self._trials.note_served(now)
        elif compute_free_at <= now and self._trials.is_due(now, self.pace.pace):
            self._trials.note_trial(now)
            self.pace = ObservedPace()
            problem, result = self._solve(candidates, now, wait, longest_batch_seconds)
        if result.precision is None:
            return None
        batch = self._batch(problem, candidates, result, now)
        self.queue.remove(batch.members)
        self._num_batches += 1
        return batch

    def _solve(
        self,
        candidates: list[Waiting],
        now: float,
        wait: float,
        longest_batch_seconds: float | None,
    ) -> tuple[Problem, Result]:
        """Return what the solver was asked, and its answer."""
        problem = self._problem(candidates, now, wait)
        if longest_batch_seconds is not None:
            problem = self._limited(problem, longest_batch_seconds)
        result = self._solver.solve(problem, self._stop)
        if result.precision is None and result.status is Status.FEASIBLE:
            result = Fcfs().solve(problem)  # cut short with empty hands: better anyone than nobody
        return problem, result

    def complete(
        self, batch: Batch, *, first_token_at: float, last_token_at: float, finished_at: float
    ) -> None:
        """Record that all answers of a batch reached their users at ``finished_at``."""
        for member in batch.members:
            self.ledger.close(
                served(
                    member,
                    decided_at=batch.decided_at_seconds,
                    first_token_at=first_token_at,
                    last_token_at=last_token_at,
                    finished_at=finished_at,
                    batch=batch.number,
                    precision=batch.precision,
                )
            )

    def put_back(self, member: Waiting) -> None:
        """Let a member of a batch wait again that the engine has lost before its first token."""
        self.queue.put_back(member)

    def abandon(self, member: Waiting, outcome: Outcome, reason: Reason, now: float) -> None:
        """Record that a member of a batch got no whole answer."""
        self.ledger.close(not_served(member.arrival, outcome, reason, now))

    def _problem(self, candidates: list[Waiting], now: float, wait: float) -> Problem:
        hosting = self.hosting
        arrivals = [waiting.arrival for waiting in candidates]
        uplink, downlink = self._shares(arrivals, now)
        deadlines = _column(waiting.deadline_at_seconds for waiting in candidates) - (now + wait)
        requests = Requests(
            ids=tuple(str(arrival.number) for arrival in arrivals),
            prompt_tokens=np.array([arrival.prompt_tokens for arrival in arrivals]),
            output_tokens=np.array([arrival.output_tokens for arrival in arrivals]),
            deadline_seconds=deadlines,
            min_quality=_column(arrival.min_quality for arrival in arrivals),
            value=_column(arrival.value for arrival in arrivals),
            uplink_share=uplink,
            downlink_share=downlink,
        )
        node, precisions = hosting.node, hosting.precisions
        if self.pace.pace != 1.0:
            node, precisions = paced(node, precisions, self.pace.pace)
        return Problem(
            node,
            hosting.model,
            precisions,
            requests,
            hosting.batching,
            max_batch=self._max_batch,
        )

    def _limited(self, problem: Problem, longest_batch_seconds: float) -> Problem:
        """Return the problem with deadlines drawn in so that batches keep to the limit."""
        requests = problem.requests
        alone_seconds = _column(
            self._fastest.look_up(*lengths)[0]
            for lengths in zip(
                requests.prompt_tokens.tolist(),
                requests.output_tokens.tolist(),
                requests.min_quality.tolist(),
                strict=True,
            )
        )
        if self.pace.pace != 1.0:
            radio_seconds = problem.node.radio_seconds
            alone_seconds = radio_seconds + self.pace.pace * (alone_seconds - radio_seconds)
        allowed = np.maximum(alone_seconds, longest_batch_seconds + problem.node.radio_seconds)
        deadlines = np.minimum(requests.deadline_seconds, allowed)
        return problem.replace(requests=replace(requests, deadline_seconds=deadlines))

    def _shares(self, arrivals: list[Arrival], now: float) -> tuple[FloatArray, FloatArray]:
        if self.channel is None:
            return np.zeros(len(arrivals)), np.zeros(len(arrivals))
        node, scenario = self.hosting.node, self.channel.scenario
        prompt_bits, output_bits = _bits(arrivals, scenario.bits_per_token)
        return self.channel.least_shares(
            np.array([arrival.number for arrival in arrivals]),
            prompt_bits,
            output_bits,
            node.uplink_seconds,
            node.downlink_seconds,
            scenario.block(now),
        )

    def _batch(
        self, problem: Problem, candidates: list[Waiting], result: Result, now: float
    ) -> Batch:
        names = [precision.name for precision in problem.precisions]
        position = names.index(result.precision or "")
        cost = BatchCost(problem.node, problem.model, problem.precisions[position])
        filling = Filling(problem, cost)
        for index in result.selected:
            filling.add(index)
        return Batch(
            number=self._num_batches,
            members=tuple(candidates[index] for index in result.selected),
            precision=position,
            decided_at_seconds=now,
            compute_seconds=filling.latency_seconds,
            memory_bytes=hosted_bytes(problem.node, problem.model, problem.precisions)
            + filling.kv_bytes,
            uplink_use=filling.uplink_use,
            downlink_use=filling.downlink_use,
            num_waiting=len(self.queue),
            binding=_binding_budget(problem, filling, result),
            result=result,
        )


def _column(values: Iterable[float]) -> FloatArray:
    return np.fromiter(values, dtype=np.float64)


def _bits(arrivals: list[Arrival], bits_per_token: float) -> tuple[FloatArray, FloatArray]:
    """Return what has to be sent up and down for each request."""
    prompt_bits = _column(
        arrival.prompt_tokens * bits_per_token
        if arrival.prompt_bits is None
        else arrival.prompt_bits
        for arrival in arrivals
    )
    return prompt_bits, _column(arrival.output_tokens * bits_per_token for arrival in arrivals)


def _binding_budget(problem: Problem, filling: Filling, result: Result) -> Budget | None:
    """Return what keeps the cheapest request that was left out from joining; None if nothing."""
    requests = problem.requests
    is_left_out = np.ones(len(requests), dtype=np.bool_)
    is_left_out[list(result.selected)] = False
    left_out = np.flatnonzero(is_left_out)
    if len(left_out) == 0:
        return None
    tokens = requests.prompt_tokens[left_out] + requests.output_tokens[left_out]
    return filling.refusal(int(left_out[np.argmin(tokens)]))
