"""The problem as a user would first write it: one integer programme for each precision.

Binary x_i says who is taken. One-hot variables name the tightest deadline, the longest output and
the longest prompt; whoever is taken must fit them. Time and memory are linear once the padded
lengths are fixed, so each padded length has rows of its own that only bind if it is the one.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from itertools import pairwise

import highspy
import numpy as np
from ortools.sat.python import cp_model

from edgebatch.cost import BatchCost, batch_costs, hosted_bytes
from edgebatch.problem import Problem
from edgebatch.problem.checks import FloatArray
from edgebatch.solvers.base import servable_alone

_SCALE = 2**30


@dataclass(frozen=True)
class Programme:
    """Maximise value·x over binary x with rows·x ≤ limits; groups of x are one-hot."""

    value: FloatArray
    rows: FloatArray
    limits: FloatArray
    one_hot: tuple[range, ...]


@dataclass(frozen=True)
class Answer:
    """The best worth of any precision, and whether every precision was proven."""

    worth: float
    proven: bool
    seconds: float


def solve(problem: Problem, library: str, limit_seconds: float) -> Answer:
    """Solve one programme for each precision with ``highs`` or ``cp-sat``, one thread."""
    started, worth, proven = time.perf_counter(), 0.0, True
    maximise = {"highs": _highs, "cp-sat": _cp_sat}[library]
    for cost in batch_costs(problem):
        programme = formulate(problem, cost)
        if programme is None:
            continue
        left = limit_seconds - (time.perf_counter() - started)
        if left <= 0.0:
            return Answer(worth, False, time.perf_counter() - started)
        reached, optimal = maximise(programme, left)
        worth, proven = max(worth, reached), proven and optimal
    return Answer(worth, proven, time.perf_counter() - started)


def formulate(problem: Problem, cost: BatchCost) -> Programme | None:
    """Return the programme of a precision; None if it can serve nobody."""
    requests, node = problem.requests, problem.node
    members = np.flatnonzero(servable_alone(problem, cost))
    if not len(members):
        return None
    prompt = requests.prompt_tokens[members].astype(float)
    output = requests.output_tokens[members].astype(float)
    deadline = requests.deadline_seconds[members]
    deadlines, outputs, prompts = np.unique(deadline), np.unique(output), np.unique(prompt)
    starts = np.cumsum([len(members), len(deadlines), len(outputs), len(prompts)])
    of_deadline, of_output, of_prompt = (
        slice(int(first), int(last)) for first, last in pairwise(starts)
    )
    width = int(starts[-1])
    fits = np.zeros((3 * len(members), width))
    for part, (place, levels, wanted) in enumerate(
        (
            (of_deadline, -deadlines, -deadline),
            (of_output, outputs, output),
            (of_prompt, prompts, prompt),
        )
    ):
        block = fits[part * len(members) : (part + 1) * len(members)]
        block[:, : len(members)] = np.eye(len(members))
        block[:, place] = -(levels[None, :] >= wanted[:, None]).astype(float)
    rows, limits = [*fits], [0.0] * len(fits)
    cache = node.memory_bytes - hosted_bytes(node, problem.model, problem.precisions)
    horizon = float(deadlines[-1])
    for p in prompts if problem.batching.pads_prompts else prompts[-1:]:
        for g in outputs if problem.batching.pads_outputs else outputs[-1:]:
            charged = p if problem.batching.pads_prompts else prompt
            long = g if problem.batching.pads_outputs else output
            switches = np.zeros(width)
            if problem.batching.pads_prompts:
                switches[of_prompt] = prompts == p
            if problem.batching.pads_outputs:
                switches[of_output] = outputs == g
            time_row, memory_row = np.zeros(width), np.zeros(width)
            time_row[: len(members)] = cost.member_seconds(charged, long) / horizon
            memory_row[: len(members)] = cost.kv_bytes(charged, long) / cache
            time_row[of_output] = cost.fixed_seconds(outputs) / horizon
            time_row[of_deadline] = -(deadlines - node.radio_seconds) / horizon
            for row, limit in ((time_row, 0.0), (memory_row, 1.0)):
                slack = float(row[row > 0.0].sum())
                rows.append(row + slack * switches)
                limits.append(limit + slack * switches.any() * _num_switches(problem))
    for shares, seconds in (
        (requests.uplink_share, node.uplink_seconds),
        (requests.downlink_share, node.downlink_seconds),
    ):
        if seconds > 0.0:
            row = np.zeros(width)
            row[: len(members)] = shares[members]
            rows.append(row)
            limits.append(1.0)
    value = np.zeros(width)
    value[: len(members)] = requests.value[members]
    groups = tuple(range(place.start, place.stop) for place in (of_deadline, of_output, of_prompt))
    return Programme(value, np.array(rows), np.array(limits), groups)


def _num_switches(problem: Problem) -> int:
    return problem.batching.pads_prompts + problem.batching.pads_outputs


def _highs(programme: Programme, limit_seconds: float) -> tuple[float, bool]:
    highs = highspy.Highs()
    for option, setting in (
        ("output_flag", False),
        ("threads", 1),
        ("mip_rel_gap", 0.0),
        ("mip_abs_gap", 1e-6),
        ("mip_feasibility_tolerance", 1e-9),
        ("primal_feasibility_tolerance", 1e-9),
        ("time_limit", limit_seconds),
    ):
        highs.setOptionValue(option, setting)
    choices = np.array([highs.addBinary() for _ in programme.value])
    for row, limit in zip(programme.rows, programme.limits, strict=True):
        used = np.flatnonzero(row)
        highs.addRow(-highspy.kHighsInf, limit, len(used), used.astype(np.int32), row[used])
    for group in programme.one_hot:
        columns = np.array(group, dtype=np.int32)
        highs.addRow(1.0, 1.0, len(columns), columns, np.ones(len(columns)))
    highs.changeObjectiveSense(highspy.ObjSense.kMaximize)
    columns = np.arange(len(choices), dtype=np.int32)
    highs.changeColsCost(len(columns), columns, programme.value)
    highs.run()
    info = highs.getInfo()
    worth = info.objective_function_value if math.isfinite(info.mip_gap) else 0.0
    return worth, highs.getModelStatus() == highspy.HighsModelStatus.kOptimal


def _cp_sat(programme: Programme, limit_seconds: float) -> tuple[float, bool]:
    model = cp_model.CpModel()
    choices = [model.new_bool_var("") for _ in programme.value]
    for row, limit in zip(programme.rows, programme.limits, strict=True):
        used = np.flatnonzero(row)
        weights = np.floor(row[used] * _SCALE).astype(np.int64).tolist()
        taken = [choices[column] for column in used]
        model.add(cp_model.LinearExpr.weighted_sum(taken, weights) <= math.ceil(limit * _SCALE))
    for group in programme.one_hot:
        model.add_exactly_one(choices[column] for column in group)
    model.maximize(cp_model.LinearExpr.weighted_sum(choices, programme.value.astype(int).tolist()))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    # with large coefficients the presolve of 9.15 loses optima (google/or-tools issue 5293)
    solver.parameters.cp_model_presolve = False
    solver.parameters.max_time_in_seconds = limit_seconds
    status = solver.solve(model)
    known = status in (cp_model.OPTIMAL, cp_model.FEASIBLE)
    return (solver.objective_value if known else 0.0), status == cp_model.OPTIMAL
