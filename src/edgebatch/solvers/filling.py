"""Filling a batch one request at a time, with running sums instead of a fresh evaluation."""

from __future__ import annotations

import math

from edgebatch.cost import BatchCost, hosted_bytes
from edgebatch.problem import Problem
from edgebatch.units import RELATIVE_TOLERANCE

SLACK = 1.0 + RELATIVE_TOLERANCE


class Filling:
    """A feasible batch that grows.

    Attributes:
        members: indices into ``problem.requests`` in the order in which they were added.
    """

    def __init__(self, problem: Problem, cost: BatchCost) -> None:
        requests, node = problem.requests, problem.node
        self.members: list[int] = []
        self._cost, self._batching = cost, problem.batching
        self._prompts = requests.prompt_tokens.tolist()
        self._outputs = requests.output_tokens.tolist()
        self._allowed = (requests.deadline_seconds * SLACK - node.radio_seconds).tolist()
        self._uplink = requests.uplink_share.tolist() if node.uplink_seconds else None
        self._downlink = requests.downlink_share.tolist() if node.downlink_seconds else None
        taken = hosted_bytes(node, problem.model, problem.precisions)
        self._token_budget = (node.memory_bytes * SLACK - taken) / cost.kv_bytes_per_token
        self._longest_prompt = self._longest_output = 0
        self._seconds = self._tokens = self._uplink_use = self._downlink_use = 0.0
        self._tightest = math.inf

    @property
    def latency_seconds(self) -> float:
        """T(S, q) of the members so far; 0 for none."""
        if not self.members:
            return 0.0
        return self._seconds + self._cost.fixed_seconds(float(self._longest_output))

    def try_add(self, index: int) -> bool:
        """Add a request if the batch stays feasible; return whether it was added."""
        prompt = max(self._longest_prompt, self._prompts[index])
        output = max(self._longest_output, self._outputs[index])
        tightest = min(self._tightest, self._allowed[index])
        uplink = self._uplink_use + (self._uplink[index] if self._uplink else 0.0)
        downlink = self._downlink_use + (self._downlink[index] if self._downlink else 0.0)
        if uplink > SLACK or downlink > SLACK:
            return False
        seconds, tokens = self._sums_with(index, prompt, output)
        if tokens > self._token_budget:
            return False
        if seconds + self._cost.fixed_seconds(float(output)) > tightest:
            return False
        self.members.append(index)
        self._longest_prompt, self._longest_output, self._tightest = prompt, output, tightest
        self._seconds, self._tokens = seconds, tokens
        self._uplink_use, self._downlink_use = uplink, downlink
        return True

    def _sums_with(self, index: int, prompt: int, output: int) -> tuple[float, float]:
        """Return the members' seconds and tokens if ``index`` joined them."""
        if self._batching.pads_outputs:
            count = len(self.members) + 1
            each = self._cost.member_seconds(float(prompt), float(output))
            return count * each, float(count * (prompt + output))
        if self._batching.pads_prompts:
            outputs = [self._outputs[member] for member in (*self.members, index)]
            seconds = math.fsum(
                self._cost.member_seconds(float(prompt), float(each)) for each in outputs
            )
            return seconds, float(len(outputs) * prompt + sum(outputs))
        own_prompt, own_output = self._prompts[index], self._outputs[index]
        own_seconds = self._cost.member_seconds(float(own_prompt), float(own_output))
        return self._seconds + own_seconds, self._tokens + own_prompt + own_output
