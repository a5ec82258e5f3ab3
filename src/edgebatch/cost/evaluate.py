"""The one definition of feasibility and objective (formulation §5).

Written request by request from the formulation, without the shortcuts that solvers take, so that
it can serve as their judge.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from edgebatch.cost.batch_cost import BatchCost, hosted_bytes
from edgebatch.errors import InputError
from edgebatch.problem import Batching, Committed, InFlight, Problem, Request
from edgebatch.units import within_budget


class Budget(StrEnum):
    """What a selection can run out of."""

    QUALITY = "quality"
    MEMORY = "memory"
    UPLINK = "uplink"
    DOWNLINK = "downlink"
    LATENCY = "latency"
    SIZE = "size"


@dataclass(frozen=True, slots=True)
class Violation:
    """One constraint that a selection breaks.

    Attributes:
        budget: which kind of constraint.
        use: what the selection needs (quality: what the request asks).
        limit: what there is (quality: what the precision offers).
        request: index of the request concerned; None where it is the batch as a whole or a
            committed request.
    """

    budget: Budget
    use: float
    limit: float
    request: int | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a selection is worth and what it uses.

    Attributes:
        objective: Σ v_i over the selection, whether feasible or not.
        latency_seconds: T(S, q), radio phases not included; 0 for nothing selected.
        memory_bytes: Mem(S), hosted weights and reserve included.
        uplink_use, downlink_use: Σ ρ_i; 0 where the phase does not exist.
        violations: every broken constraint, empty if feasible.
    """

    objective: float
    latency_seconds: float
    memory_bytes: float
    uplink_use: float
    downlink_use: float
    violations: tuple[Violation, ...]

    @property
    def feasible(self) -> bool:
        """Whether no constraint is broken."""
        return not self.violations


def evaluate(problem: Problem, selected: Sequence[int], precision: str) -> Evaluation:
    """Return objective, resource use and broken constraints of serving ``selected`` together.

    Args:
        problem: the instance.
        selected: indices into ``problem.requests``, each at most once; may be empty.
        precision: name of the hosted precision in which the batch runs.

    Raises:
        InputError: an index is out of range or repeated, or the precision is not hosted.
    """
    _check_indices(selected, len(problem.requests))
    chosen_precision = problem.precision(precision)
    members = [problem.requests[index] for index in selected]
    cost = BatchCost(problem.node, problem.model, chosen_precision)
    violations = [
        Violation(Budget.QUALITY, member.min_quality, chosen_precision.quality, index)
        for index, member in zip(selected, members, strict=True)
        if not within_budget(member.min_quality, chosen_precision.quality)
    ]
    memory = _memory_bytes(problem, members, cost)
    if not within_budget(memory, problem.node.memory_bytes):
        violations.append(Violation(Budget.MEMORY, memory, problem.node.memory_bytes))
    uplink = math.fsum(member.uplink_share for member in members)
    if problem.node.uplink_seconds == 0.0:
        uplink = 0.0
    downlink = math.fsum(member.downlink_share for member in members)
    if problem.node.downlink_seconds == 0.0:
        downlink = 0.0
    for budget, use in ((Budget.UPLINK, uplink), (Budget.DOWNLINK, downlink)):
        if not within_budget(use, 1.0):
            violations.append(Violation(budget, use, 1.0))
    size = len(members) + _num_in_flight(problem)
    if problem.max_batch is not None and size > problem.max_batch:
        violations.append(Violation(Budget.SIZE, size, problem.max_batch))
    latency, late = _latency(problem, selected, members, cost)
    return Evaluation(
        objective=math.fsum(member.value for member in members),
        latency_seconds=latency,
        memory_bytes=memory,
        uplink_use=uplink,
        downlink_use=downlink,
        violations=(*violations, *late),
    )


def _num_in_flight(problem: Problem) -> int:
    return 0 if problem.in_flight is None else len(problem.in_flight.committed)


def _check_indices(selected: Sequence[int], num_requests: int) -> None:
    for position, index in enumerate(selected):
        if not 0 <= index < num_requests:
            raise InputError(
                f"selected[{position}]",
                f"must be an index into {num_requests} requests, got {index}",
            )
    if len(set(selected)) != len(selected):
        raise InputError("selected", "must not name a request twice")


def effective_lengths(members: Sequence[Request], batching: Batching) -> list[tuple[int, int]]:
    """Return (P_i, G_i) of every member under a batching mode, tokens."""
    if not members:
        return []
    longest_prompt = max(member.prompt_tokens for member in members)
    longest_output = max(member.output_tokens for member in members)
    return [
        (
            longest_prompt if batching.pads_prompts else member.prompt_tokens,
            longest_output if batching.pads_outputs else member.output_tokens,
        )
        for member in members
    ]


def _memory_bytes(problem: Problem, members: Sequence[Request], cost: BatchCost) -> float:
    cached = [
        cost.kv_bytes(float(prompt), float(output))
        for prompt, output in effective_lengths(members, problem.batching)
    ]
    if problem.in_flight is not None:
        cached += [
            cost.kv_bytes(float(running.context_tokens), float(running.remaining_tokens))
            for running in problem.in_flight.committed
        ]
    return hosted_bytes(problem.node, problem.model, problem.precisions) + math.fsum(cached)


def _latency(
    problem: Problem, selected: Sequence[int], members: Sequence[Request], cost: BatchCost
) -> tuple[float, list[Violation]]:
    if problem.in_flight is not None:
        return _latency_in_flight(problem, problem.in_flight, selected, members, cost)
    if not members:
        return 0.0, []
    latency = batch_seconds(members, problem.batching, cost)
    until_answered = problem.node.uplink_seconds + latency + problem.node.downlink_seconds
    late = [
        Violation(Budget.LATENCY, until_answered, member.deadline_seconds, index)
        for index, member in zip(selected, members, strict=True)
        if not within_budget(until_answered, member.deadline_seconds)
    ]
    return latency, late


def batch_seconds(members: Sequence[Request], batching: Batching, cost: BatchCost) -> float:
    """T(S, q) of a batch of its own, seconds; 0 for no members."""
    if not members:
        return 0.0
    longest_output = max(member.output_tokens for member in members)
    return cost.fixed_seconds(float(longest_output)) + math.fsum(
        cost.member_seconds(float(prompt), float(output))
        for prompt, output in effective_lengths(members, batching)
    )


def end_seconds(
    passes: int, joining: Sequence[Request], running: Sequence[Committed], cost: BatchCost
) -> float:
    """T_j: when a member with ``passes`` tokens to come ends, if ``joining`` join ``running`` now.

    A joiner's first pass is its prefill; every other pass of anyone is a decode step.
    """
    prefill = math.fsum(cost.prefill_seconds(float(new.prompt_tokens)) for new in joining)
    new_steps = math.fsum(
        cost.decode_steps_seconds(
            float(new.prompt_tokens + 1), float(min(new.output_tokens, passes) - 1)
        )
        for new in joining
    )
    running_steps = math.fsum(
        cost.decode_steps_seconds(
            float(member.context_tokens), float(min(member.remaining_tokens, passes))
        )
        for member in running
    )
    return prefill + passes * cost.step_seconds + new_steps + running_steps


def _latency_in_flight(
    problem: Problem,
    in_flight: InFlight,
    selected: Sequence[int],
    members: Sequence[Request],
    cost: BatchCost,
) -> tuple[float, list[Violation]]:
    if members and cost.precision.name != problem.precision(in_flight.precision).name:
        raise InputError("precision", f"must be {in_flight.precision!r}, that of the running batch")
    violations: list[Violation] = []
    last_end = 0.0
    for running in in_flight.committed:
        end = end_seconds(running.remaining_tokens, members, in_flight.committed, cost)
        last_end = max(last_end, end)
        until_answered = end + problem.node.downlink_seconds
        if not within_budget(until_answered, running.deadline_seconds):
            violations.append(Violation(Budget.LATENCY, until_answered, running.deadline_seconds))
    for index, member in zip(selected, members, strict=True):
        end = end_seconds(member.output_tokens, members, in_flight.committed, cost)
        last_end = max(last_end, end)
        until_answered = problem.node.uplink_seconds + end + problem.node.downlink_seconds
        if not within_budget(until_answered, member.deadline_seconds):
            violations.append(
                Violation(Budget.LATENCY, until_answered, member.deadline_seconds, index)
            )
    return last_end, violations


def spectrum_shares(problem: Problem, selected: Sequence[int]) -> tuple[list[float], list[float]]:
    """Return the uplink and the downlink share of each selected request; each list sums to 1.

    The whole band is dealt out in proportion to the least shares, which makes all transmissions
    of a phase end together and as early as possible (formulation §5). A phase that does not exist
    has no shares; one in which nobody needs anything is dealt out evenly.
    """
    requests = problem.requests
    columns = (
        (requests.uplink_share, problem.node.uplink_seconds),
        (requests.downlink_share, problem.node.downlink_seconds),
    )
    uplink, downlink = (
        _in_proportion([float(column[index]) for index in selected]) if seconds > 0.0 else []
        for column, seconds in columns
    )
    return uplink, downlink


def _in_proportion(least: list[float]) -> list[float]:
    total = math.fsum(least)
    if total == 0.0:
        return [1.0 / len(least)] * len(least) if least else []
    return [share / total for share in least]
