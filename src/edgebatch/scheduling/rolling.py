"""``rolling``: who joins the running batch, such that everyone in it still ends in time.

A request joins only if, by the cost model, it and every member end by their deadlines, and first
tokens that have deadlines come by those. Of those who could join, the one with the least work per
value goes first, and so on until nobody can. Two rules keep room for those who come later; both
vanish when little is asked of the node:

- *Reserve.* A member whose slack is used up bars everyone: no prefill may delay it any more. A
  joiner must therefore bring slack of at least κ times its own duration, with κ = min(1, ρ²), where
  ρ is the work that arrivals bring per second.
- *Price.* When more is asked than can be served, what takes much work for its value takes the place
  of several cheaper requests that are still to come. Nobody joins a running batch whose work per
  value is above the one at which arrivals, cheapest first, have used up the node's time.
"""

from __future__ import annotations

import math

import numpy as np

from edgebatch.cost import Budget
from edgebatch.problem.checks import FloatArray
from edgebatch.scheduling.candidates import Candidates
from edgebatch.scheduling.epoch import Hosting
from edgebatch.scheduling.joining import JoiningScheduler
from edgebatch.scheduling.observed import ObservedDemand, PaceBySize, PaceTrials, PromiseMargin
from edgebatch.scheduling.outcomes import Outcome, RequestRecord
from edgebatch.scheduling.prospects import Prospect
from edgebatch.scheduling.rolling_rules import RollingRules
from edgebatch.scheduling.running_batch import Promises, RunningBatch
from edgebatch.scheduling.tenants import BoolArray, TenantShares
from edgebatch.scheduling.waiting import Waiting, WaitingQueue
from edgebatch.units import RELATIVE_TOLERANCE
from edgebatch.workload import Arrival

_MOST_RESERVE = 1.0
_ROUNDING = 1e-6
"""A member that is late by less of its time left has only lost digits and keeps its claim."""


class RollingScheduler(JoiningScheduler):
    """Admission into a running batch that keeps every commitment.

    Args:
        hosting: node, model and hosted precisions, of which one runs.
        rules: the knobs.
        queue: who waits; None for one of its own.

    Attributes:
        pace: how fast the node was seen to be.
        demand: how much is asked of it.
        promises: how often what was promised did not come true.

    Raises:
        UnknownNameError: the precision is not hosted.
        CannotHostError: the weights do not fit.
    """

    def __init__(
        self, hosting: Hosting, rules: RollingRules, queue: WaitingQueue | None = None
    ) -> None:
        super().__init__(
            hosting,
            queue,
            precision=rules.precision,
            batch_cap=rules.batch_cap,
            expire=True,
        )
        self.rules = rules
        self.pace = PaceBySize()
        self.demand = ObservedDemand()
        self.promises = PromiseMargin()
        self._trials = PaceTrials()
        self._shares = TenantShares(rules.shares) if rules.shares else None
        self._members: dict[int, tuple[Waiting, int]] = {}
        self._joined_during: dict[int, float] = {}
        self._least_slack = math.inf

    def prospect(self, arrival: Arrival) -> Prospect:
        """Return what can become of a request here.

        Raises:
            InputError: there are shares, but none for its tenant.
        """
        if self._shares is not None:
            self._shares.check(arrival.tenant)
        pace = self.pace.at(1)
        # a slow node may recover while the request waits
        return self._prospects.of(arrival, 1.0 if pace > 1.0 - _ROUNDING else pace)

    def note_demand(self, arrival: Arrival, part: float) -> None:
        """Take note of the work that falls to this node."""
        work = self.cost.member_seconds(float(arrival.prompt_tokens), float(arrival.output_tokens))
        self.demand.observe(arrival.arrival_seconds, work, arrival.value, part)

    def might_join(self, waiting: Waiting) -> bool:
        """Return whether a request could join now, as far as its prompt is concerned."""
        if self.num_running >= self._cap:
            return False
        prompt = float(waiting.arrival.prompt_tokens)
        pace = self.pace.at(self.num_running + 1)
        return pace * self.cost.prefill_seconds(prompt) <= self._least_slack

    def observe(self, believed_seconds: float, actual_seconds: float, size: float) -> None:
        """Learn how fast the node is and how much that scatters."""
        self.pace.observe(believed_seconds, actual_seconds, size)

    def pace_at(self, size: int) -> float:
        """Return true seconds per second of the cost model while so many run, as it was seen."""
        return self.pace.at(size)

    @property
    def believed_pace(self) -> float:
        """True seconds per second of the cost model, as it was seen."""
        return self.pace.pace

    @property
    def cautious_pace(self) -> float:
        """Seconds that a request must be given for each that it is believed to take alone."""
        return self.pace.at(1) * (1.0 + self._margin())

    def binding(self) -> Budget | None:
        """Return what keeps candidates from joining; None if nobody is kept waiting."""
        if not self._good_enough():
            return None
        return Budget.SIZE if self.num_running >= self._cap else Budget.LATENCY

    def progressed(self, number: int, num_tokens: int, step: int) -> None:
        """Take note of how many tokens a member has produced by the end of so many steps."""
        waiting, _ = self._members[number]
        self._members[number] = (waiting, step - num_tokens)

    def join(self, now: float, step: int, pass_began_at: float | None = None) -> list[Waiting]:
        """Return who joins the running batch now, and count them as running."""
        self.queue.expire(now)
        joining = self._let_in(now, step, pass_began_at)
        if joining:
            self._trials.note_served(now)
        elif self.num_running:
            self._trials.note_busy(now)
        elif self._trials.is_due(now, self.cautious_pace) and self._could_serve_someone(now):
            self._trials.note_trial(now)
            self.pace, self.promises = PaceBySize(), PromiseMargin()
            joining = self._let_in(now, step, pass_began_at)
        return joining

    def next_trial_seconds(self) -> float:
        """Return when an idle node is to be asked again although nothing happens."""
        if self.num_running or not len(self.queue):
            return math.inf
        return self._trials.due_at_seconds(self.cautious_pace)

    def _let_in(self, now: float, step: int, pass_began_at: float | None) -> list[Waiting]:
        waiting = self._good_enough()
        if not self._members and not waiting:
            return []
        # a pass that runs is counted from its beginning, and who joins waits for its end
        since = now if pass_began_at is None else pass_began_at
        pass_runs = self.num_running > 0 and since < now
        wait_passes = float(pass_runs)
        # what the pass that runs brings nobody can delay
        batch = self._running_batch(since, step, wait_passes)
        candidates = Candidates(
            waiting,
            self.cost,
            now=now,
            since=since,
            downlink_seconds=self.hosting.node.downlink_seconds,
            ageing=self.rules.ageing,
        )
        price = self.demand.price(self.pace.pace)
        joining: list[Waiting] = []
        while True:
            slack = self._slack(batch)
            self._least_slack = float(slack.min(initial=math.inf))
            chosen = self._choose(candidates, batch, slack, price, wait_passes)
            if chosen is None:
                return joining
            candidates.open[chosen] = False
            candidates.joined[chosen] = True
            joiner = candidates.waiting[chosen]
            self._start(joiner)
            self._members[joiner.arrival.number] = (joiner, step)
            if pass_runs:
                self._joined_during[joiner.arrival.number] = since
            joining.append(joiner)
            output = candidates.outputs[chosen]
            promises = _promises(
                np.array([output + wait_passes]),
                candidates.allowed_seconds[[chosen]],
                np.array([1.0 + wait_passes]),
                candidates.first_allowed_seconds[[chosen]],
            )
            batch = batch.joined_by(candidates.prompts[chosen], output, promises, wait_passes)

    def _could_serve_someone(self, now: float) -> bool:
        """Return whether someone waits whom a node as fast as it was believed to be could serve."""
        prospects = (self._prospects.of(each.arrival) for each in self.queue)
        return any(not each.reason and each.latest_decision_seconds >= now for each in prospects)

    def _good_enough(self) -> list[Waiting]:
        """Return who waits that this node's precision is good enough for."""
        best = self.cost.precision.quality * (1.0 + RELATIVE_TOLERANCE)
        return [each for each in self.queue if each.arrival.min_quality <= best]

    def retry_after_seconds(self, now: float, step: int) -> float:
        """Return when a request that cannot join now should be tried again.

        If a promise has no slack left, that is when it is believed to be kept: until then no
        prefill of any length may come between. Else, and where no more may run at once, it is when
        the first member ends.
        """
        batch = self._running_batch(now, step)
        if len(batch) == 0:
            return 0.0
        slack = self._slack(batch)
        until = first_end = batch.remaining[0]
        if float(slack.min()) < self.pace.at(len(batch) + 1) * self.cost.prefill_seconds(1.0):
            until = batch.promises.passes[np.argmin(slack)]
        if self.num_running >= self._cap:
            until = max(until, first_end)
        return self.pace.at(len(batch)) * float(batch.seconds_until(np.array([until]))[0])

    def _note_answer(self, record: RequestRecord) -> None:
        joined_at, ended_at = record.decided_at_seconds, record.last_token_at_seconds
        self.promises.note(joined_at, ended_at, in_time=record.outcome == Outcome.IN_TIME)

    def release(self, waiting: Waiting) -> None:
        """Free the place of a member that does not run any more, and forget its promise."""
        del self._members[waiting.arrival.number]
        self._joined_during.pop(waiting.arrival.number, None)
        if not self._members:
            self._least_slack = math.inf
        super().release(waiting)

    def _running_batch(self, since: float, step: int, wait_passes: float = 0.0) -> RunningBatch:
        """Return who runs, and what was promised them that so many passes do not bring yet."""
        members = list(self._members.values())
        done = np.array([float(step - joined) for _, joined in members])
        outputs = np.array([float(each.arrival.output_tokens) for each, _ in members])
        prompts = np.array([float(each.arrival.prompt_tokens) for each, _ in members])
        deadlines = np.array([each.deadline_at_seconds for each, _ in members])
        allowed = deadlines - self.hosting.node.downlink_seconds - since
        first_allowed = np.array(
            [each.arrival.arrival_seconds + each.arrival.ttft_seconds for each, _ in members]
        )
        joined_during = [self._joined_during.get(number) == since for number in self._members]
        waits = np.array(joined_during, dtype=float)
        # whoever runs longer than it was said to may end with the next token
        left = np.maximum(outputs - done, 1.0)
        unread = done == 0.0
        promises = _promises(
            left + waits, allowed, 1.0 + waits[unread], first_allowed[unread] - since
        )
        later = promises.after(wait_passes)
        return RunningBatch.of(self.cost, prompts, done, left, waits, later)

    def _slack(self, batch: RunningBatch) -> FloatArray:
        """Return by how much each promise may still be delayed, the safety margin kept.

        Slack is what is left at the pace of one more member. What is late for certain bars nobody:
        no admission can break that commitment any more.
        """
        passes, allowed = batch.promises
        believed = batch.seconds_until(passes)
        now_comes = self.pace.at(len(batch)) * believed
        comes = self.pace.at(len(batch) + 1) * believed
        margin = self._margin()
        tolerance = RELATIVE_TOLERANCE * np.abs(allowed)
        # whose time is over is late for certain, however wide the margin
        lost = now_comes * max(0.0, 1.0 - margin - _ROUNDING) > allowed
        return np.where(lost, math.inf, allowed + tolerance - comes * (1.0 + margin))

    def _choose(
        self,
        candidates: Candidates,
        batch: RunningBatch,
        slack: FloatArray,
        price: float,
        wait_passes: float,
    ) -> int | None:
        """Return who joins next; None if nobody can. Who cannot now cannot after others joined."""
        pace = self.pace.at(len(batch) + 1) * (1.0 + self._margin())
        open_indices = np.flatnonzero(candidates.open)
        if len(open_indices) == 0 or self.num_running >= self._cap:
            return None
        entitled, exempt = self._claims(candidates)
        prompts, outputs = candidates.prompts[open_indices], candidates.outputs[open_indices]
        ends = pace * batch.ends(prompts, outputs, wait_passes)
        reserve = self._reserve() if len(batch) else 0.0
        allowed = candidates.allowed_seconds[open_indices]
        fits = ends * (1.0 + reserve) <= allowed * (1.0 + RELATIVE_TOLERANCE)
        fits &= self.reserved_tokens + prompts + outputs <= self.token_budget
        first_allowed = candidates.first_allowed_seconds[open_indices]
        if np.isfinite(first_allowed).any():
            # an answer of one token ends with its first
            first = pace * batch.ends(prompts, np.ones_like(outputs), wait_passes)
            fits &= first <= first_allowed * (1.0 + RELATIVE_TOLERANCE)
        if len(batch):
            fits &= (candidates.price[open_indices] <= price) | exempt[open_indices]
            maybe = np.flatnonzero(fits)
            delays = pace * batch.delays(prompts[maybe], outputs[maybe], wait_passes)
            fits[maybe] = (delays <= slack).all(axis=1)
        candidates.open[open_indices[~fits]] = False
        able = open_indices[fits & entitled[open_indices]]
        if len(able) == 0:
            return None
        return int(able[np.argmin(candidates.price[able])])

    def _claims(self, candidates: Candidates) -> tuple[BoolArray, BoolArray]:
        """Return which candidates their tenants' shares let in, and which may be of any price."""
        if self._shares is None:
            nobody = np.zeros(len(candidates.waiting), dtype=np.bool_)
            return ~nobody, nobody
        members = [member.arrival for member, _ in self._members.values()]
        work = [
            self.cost.member_seconds(float(each.prompt_tokens), float(each.output_tokens))
            for each in members
        ]
        tenants = np.array([each.tenant for each in members], dtype=np.int64)
        running = self._shares.running_work(tenants, np.array(work))
        waiting = candidates.tenants[~candidates.joined]
        may_add = self._shares.may_add(running, waiting)
        return may_add[candidates.tenants], self._shares.within_share(running)[candidates.tenants]

    def _margin(self) -> float:
        return self.rules.safety * (self.pace.scatter + self.promises.margin)

    def _reserve(self) -> float:
        if self.rules.reserve is not None:
            return self.rules.reserve
        load = self.pace.pace * self.demand.work_per_second()
        return min(_MOST_RESERVE, load * load)


def _promises(
    last_passes: FloatArray,
    allowed_seconds: FloatArray,
    first_passes: FloatArray,
    first_allowed_seconds: FloatArray,
) -> Promises:
    """Return the promise of each last token, and of those first tokens that have a deadline."""
    limited = np.isfinite(first_allowed_seconds)
    ends = Promises(last_passes, allowed_seconds)
    return ends.and_also(first_passes[limited], first_allowed_seconds[limited])
