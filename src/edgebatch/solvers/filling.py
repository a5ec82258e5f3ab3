"""Filling a batch one request at a time, with running sums instead of a fresh evaluation."""

from __future__ import annotations

import math

from edgebatch.cost import BatchCost, Budget, hosted_bytes
from edgebatch.problem import Problem
from edgebatch.units import RELATIVE_TOLERANCE

SLACK = 1.0 + RELATIVE_TOLERANCE


class Filling:
    """A batch that grows.

    Attributes:
        members: indices into ``problem.requests`` in the order in which they were added.
        uplink_use, downlink_use: sums of least shares; 0 where the phase does not exist.
    """

    def __init__(self, problem: Problem, cost: BatchCost) -> None:
        requests, node = problem.requests, problem.node
        self.members: list[int] = []
        self.uplink_use = self.downlink_use = 0.0
        self._cost, self._batching = cost, problem.batching
        self._prompts = requests.prompt_tokens.tolist()
        self._outputs = requests.output_tokens.tolist()
        self._allowed = (requests.deadline_seconds * SLACK - node.radio_seconds).tolist()
        self._qualities = requests.min_quality.tolist()
        self._uplink = requests.uplink_share.tolist() if node.uplink_seconds else None
        self._downlink = requests.downlink_share.tolist() if node.downlink_seconds else None
        taken = hosted_bytes(node, problem.model, problem.precisions)
        self._token_budget = (node.memory_bytes * SLACK - taken) / cost.kv_bytes_per_token
        self._most = math.inf if problem.max_batch is None else problem.max_batch
        self._longest_prompt = self._longest_output = 0
        self._seconds = self._tokens = 0.0
        self._tightest = math.inf

    @property
    def latency_seconds(self) -> float:
        """T(S, q) of the members so far; 0 for none."""
        if not self.members:
            return 0.0
        return self._seconds + self._cost.fixed_seconds(float(self._longest_output))

    @property
    def kv_bytes(self) -> float:
        """Cache that the members need."""
        return self._tokens * self._cost.kv_bytes_per_token

    @property
    def is_full(self) -> bool:
        """Whether there are as many members as a batch may have."""
        return len(self.members) >= self._most

    def refusal(self, index: int) -> Budget | None:
        """Return a budget that keeps a request from joining; None if the batch stays feasible."""
        if self._qualities[index] > self._cost.precision.quality * SLACK:
            return Budget.QUALITY
        if self.is_full:
            return Budget.SIZE
        if self._uplink and self.uplink_use + self._uplink[index] > SLACK:
            return Budget.UPLINK
        if self._downlink and self.downlink_use + self._downlink[index] > SLACK:
            return Budget.DOWNLINK
        prompt, output = self._longest_with(index)
        seconds, tokens = self._sums_with(index, prompt, output)
        if tokens > self._token_budget:
            return Budget.MEMORY
        tightest = min(self._tightest, self._allowed[index])
        if seconds + self._cost.fixed_seconds(float(output)) > tightest:
            return Budget.LATENCY
        return None

    def add(self, index: int) -> None:
        """Let a request join, whether the batch stays feasible or not."""
        prompt, output = self._longest_with(index)
        self._seconds, self._tokens = self._sums_with(index, prompt, output)
        self._longest_prompt, self._longest_output = prompt, output
        self._tightest = min(self._tightest, self._allowed[index])
        if self._uplink:
            self.uplink_use += self._uplink[index]
        if self._downlink:
            self.downlink_use += self._downlink[index]
        self.members.append(index)

    def _longest_with(self, index: int) -> tuple[int, int]:
        return (
            max(self._longest_prompt, self._prompts[index]),
            max(self._longest_output, self._outputs[index]),
        )

    def _sums_with(self, index: int, prompt: int, output: int) -> tuple[float, float]:
        """Return the members' seconds and tokens if ``index`` joined them."""
        if self._batching.pads_outputs:
            count = len(self.members) + 1
            each = self._cost.member_seconds(float(prompt), float(output))
            return count * each, float(count * (prompt + output))
        if self._batching.pads_prompts and prompt > self._longest_prompt:
            outputs = [self._outputs[member] for member in (*self.members, index)]
            seconds = math.fsum(
                self._cost.member_seconds(float(prompt), float(each)) for each in outputs
            )
            return seconds, float(len(outputs) * prompt + sum(outputs))
        charged = prompt if self._batching.pads_prompts else self._prompts[index]
        own_output = self._outputs[index]
        own_seconds = self._cost.member_seconds(float(charged), float(own_output))
        return self._seconds + own_seconds, self._tokens + charged + own_output
