"""Those who wait, as columns: what the rolling admission looks at."""

from __future__ import annotations

import numpy as np

from edgebatch.cost import BatchCost
from edgebatch.problem.checks import FloatArray, IntArray
from edgebatch.scheduling.waiting import Waiting


class Candidates:
    """Who waits, as arrays of shape (N,).

    Args:
        waiting: the requests, oldest first.
        cost: cost model of the precision that runs.
        now: the time.
        since: the instant from which the time of passes is counted.
        downlink_seconds: from the last token at the node to the whole answer at its user.
        ageing: how much a request's value has grown by the time that its deadline is used up.

    Attributes:
        waiting: the requests, oldest first.
        prompts, outputs: their lengths.
        allowed_seconds: time in which their last token must come.
        first_allowed_seconds: time in which their first one must; infinite without such a deadline.
        tenants: whose they are.
        price: believed work of each per value.
        open: who might still join at this decision.
        joined: who has joined at this decision.
    """

    def __init__(
        self,
        waiting: list[Waiting],
        cost: BatchCost,
        *,
        now: float,
        since: float,
        downlink_seconds: float,
        ageing: float,
    ) -> None:
        self.waiting = waiting
        arrivals = [each.arrival for each in waiting]
        self.prompts: FloatArray = np.array([float(each.prompt_tokens) for each in arrivals])
        self.outputs: FloatArray = np.array([float(each.output_tokens) for each in arrivals])
        deadlines = np.array([each.deadline_at_seconds for each in waiting])
        self.allowed_seconds: FloatArray = deadlines - downlink_seconds - since
        first = np.array([each.arrival_seconds + each.ttft_seconds for each in arrivals])
        self.first_allowed_seconds: FloatArray = first - since
        self.tenants: IntArray = np.array([each.tenant for each in arrivals], dtype=np.int64)
        value = np.array([each.value for each in arrivals])
        if ageing > 0.0:
            waited = [(now - each.arrival_seconds) / each.deadline_seconds for each in arrivals]
            value = value * (1.0 + ageing * np.array(waited))
        self.price: FloatArray = cost.member_seconds(self.prompts, self.outputs) / value
        self.open = np.ones(len(waiting), dtype=np.bool_)
        self.joined = ~self.open
