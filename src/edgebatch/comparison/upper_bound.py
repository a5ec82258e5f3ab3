"""What no scheduler can exceed, not even one that knows the future: a linear programme.

Every engine of this package works in passes. A pass in precision q takes F_q, and for each of its
members the member's own prefill or decode step; a request of n tokens is a member of n passes, all
in one precision and all inside its window from arrival + T_U to deadline − T_D. Time is cut into
slots; a pass that lies in several counts in each for the part of its time that it spends there. For
any schedule let, in slot t of length Δ_t,

- P_qt be the passes in precision q,
- y_it those of them in which i is a member, and h_it the time that they spend on i itself,
- x_i be 1 if i is served in time, else 0.

With n_i the tokens of i, w_i its own prefill and decode steps in all, and o_it the part of slot t
that lies in its window, every schedule fulfils

    Σ_q F_q·P_qt + Σ_i h_it ≤ Δ_t                  a pass takes F and what its members take
    y_it ≤ P_qt                                    a pass gives a member one token
    F_q·y_it + h_it ≤ o_it·x_i                     i's passes follow each other, in its window
    Σ_t y_it = n_i·x_i,   Σ_t h_it = w_i·x_i

(take the passes of those served in time; leaving the others out only frees time). So the largest
Σ v_i·x_i under these constraints, with each x_i anywhere between 0 and 1, is a bound. Where several
precisions are hosted, i has variables for each that is good enough, whose x add up to 1 at most.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgebatch.cost import BatchCost, hosted_bytes
from edgebatch.errors import MissingExtraError
from edgebatch.problem.checks import FloatArray, IntArray
from edgebatch.scheduling import Hosting
from edgebatch.units import RELATIVE_TOLERANCE, within_budget
from edgebatch.workload import Arrival

if TYPE_CHECKING:
    import highspy

_SLOTS_PER_WINDOW = 6


def most_value_in_time(
    hosting: Hosting, workload: Iterable[Arrival], *, slot_seconds: float | None = None
) -> float:
    """Return a bound on the value that any scheduler could serve in time.

    It holds for continuous batching and for epochs without padding, with padding all the more. The
    answers' actual lengths count, since a scheduler that knows the future knows them.

    Args:
        hosting: node, model and precisions; each may have the memory beside it to itself.
        workload: who arrives; those without a deadline count as served for nothing.
        slot_seconds: Δ; shorter slots tighten the bound and take longer. None for a sixth of
            the mean window.

    Raises:
        MissingExtraError: highspy is not installed.
    """
    arrivals = list(workload)
    unhurried = math.fsum(each.value for each in arrivals if each.deadline_seconds == math.inf)
    options = [
        option
        for position in range(len(hosting.precisions))
        for option in _options(hosting, position, arrivals)
    ]
    if not options:
        return unhurried
    if slot_seconds is None:
        windows = [option.ends_at - option.starts_at for option in options]
        slot_seconds = sum(windows) / len(windows) / _SLOTS_PER_WINDOW
    return unhurried + _Relaxation(options, slot_seconds).solve()


class _Option(NamedTuple):
    """A request in a precision that is good enough, and fast enough if the node did nothing else.

    Attributes:
        request: index of the request.
        precision: index of the precision.
        value: v.
        starts_at, ends_at: its window.
        passes: n.
        work: w, seconds.
        pass_seconds: F of the precision.
    """

    request: int
    precision: int
    value: float
    starts_at: float
    ends_at: float
    passes: float
    work: float
    pass_seconds: float


def _options(hosting: Hosting, position: int, arrivals: list[Arrival]) -> Iterable[_Option]:
    node, precision = hosting.node, hosting.precisions[position]
    cost = BatchCost(node, hosting.model, precision)
    free_bytes = node.memory_bytes - hosted_bytes(node, hosting.model, (precision,))
    for request, each in enumerate(arrivals):
        starts_at = each.arrival_seconds + node.uplink_seconds
        allowed = each.deadline_seconds * (1.0 + RELATIVE_TOLERANCE)
        ends_at = each.arrival_seconds + allowed - node.downlink_seconds
        passes = float(each.actual_output_tokens)
        work = cost.member_seconds(float(each.prompt_tokens), passes)
        cache = cost.kv_bytes(float(each.prompt_tokens), passes)
        if (
            math.isfinite(ends_at)
            and passes * cost.step_seconds + work <= ends_at - starts_at
            and within_budget(each.min_quality, precision.quality)
            and within_budget(cache, free_bytes)
        ):
            yield _Option(
                request, position, each.value, starts_at, ends_at, passes, work, cost.step_seconds
            )


class _Relaxation:
    """The linear programme, column by column as triplets (row, column, coefficient).

    Columns: x of every option, P of every precision and slot, y and h of every pair of an option
    and a slot that its window touches.
    """

    def __init__(self, options: list[_Option], slot_seconds: float) -> None:
        columns = np.array(options, dtype=np.float64).T
        request, precision, self._value, starts, ends, passes, work, pass_seconds = columns
        origin = float(starts.min())
        first = ((starts - origin) // slot_seconds).astype(np.int64)
        last = ((ends - origin) // slot_seconds).astype(np.int64)
        num_options, num_slots = len(options), int(last.max()) + 1
        option = np.repeat(np.arange(num_options), last - first + 1)
        before = np.concatenate(([0], np.cumsum(last - first + 1)[:-1]))
        slot = np.arange(len(option)) - before[option] + first[option]
        slot_starts = origin + slot * slot_seconds
        overlap = np.minimum(ends[option], slot_starts + slot_seconds)
        overlap = overlap - np.maximum(starts[option], slot_starts)

        self._triplets: list[tuple[IntArray, IntArray, FloatArray]] = []
        self._lower: list[FloatArray] = []
        self._upper: list[FloatArray] = []
        num_pairs, num_precisions = len(option), int(precision.max()) + 1
        x, pairs = np.arange(num_options), np.arange(num_pairs)
        grid = num_options + np.arange(num_precisions * num_slots)
        ran = grid[precision[option].astype(np.int64) * num_slots + slot]
        y = num_options + len(grid) + pairs
        h = y + num_pairs
        self._num_columns = int(h[-1]) + 1

        of_grid = np.zeros(num_precisions)
        of_grid[precision.astype(np.int64)] = pass_seconds
        self._add_rows(
            np.full(num_slots, slot_seconds),
            (np.arange(len(grid)) % num_slots, grid, np.repeat(of_grid, num_slots)),
            (slot, h, np.ones(num_pairs)),
        )
        self._add_rows(
            np.zeros(num_pairs), (pairs, y, np.ones(num_pairs)), (pairs, ran, -np.ones(num_pairs))
        )
        self._add_rows(
            np.zeros(num_pairs),
            (pairs, y, pass_seconds[option]),
            (pairs, h, np.ones(num_pairs)),
            (pairs, x[option], -overlap),
        )
        for shares, whole in ((y, passes), (h, work)):
            self._add_rows(
                np.zeros(num_options),
                (option, shares, np.ones(num_pairs)),
                (x, x, -whole),
                equal=True,
            )
        _, of_request = np.unique(request, return_inverse=True)
        self._add_rows(np.ones(int(of_request.max()) + 1), (of_request, x, np.ones(num_options)))

    def _add_rows(
        self,
        limits: FloatArray,
        *triplets: tuple[IntArray, IntArray, FloatArray],
        equal: bool = False,
    ) -> None:
        """Add rows Σ coefficient·column ≤ limit, or = limit; row indices count from these rows."""
        first = sum(map(len, self._upper))
        self._upper.append(limits)
        self._lower.append(limits if equal else np.full(len(limits), -np.inf))
        self._triplets += [(first + row, column, factor) for row, column, factor in triplets]

    def solve(self) -> float:
        """Return the largest Σ v·x."""
        try:
            import highspy
        except ImportError as error:
            raise MissingExtraError("the upper bound", "solvers") from error

        highs = highspy.Highs()
        highs.setOptionValue("output_flag", False)
        highs.setOptionValue("threads", 1)
        import os

        for kv in os.environ.get("HO", "").split(","):
            if kv:
                highs.setOptionValue(*kv.split("="))
        highs.passModel(self._model())
        highs.run()
        assert highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
        return float(highs.getInfo().objective_function_value)

    def _model(self) -> highspy.HighsLp:
        import highspy

        row, column, factor = map(np.concatenate, zip(*self._triplets, strict=True))
        order = np.argsort(column, kind="stable")
        counts = np.bincount(column, minlength=self._num_columns)
        model = highspy.HighsLp()
        model.sense_ = highspy.ObjSense.kMaximize
        model.num_col_ = self._num_columns
        model.col_cost_ = np.concatenate(
            (self._value, np.zeros(self._num_columns - len(self._value)))
        )
        model.col_lower_ = np.zeros(self._num_columns)
        model.col_upper_ = np.full(self._num_columns, highspy.kHighsInf)
        model.row_lower_, model.row_upper_ = (
            np.concatenate(self._lower),
            np.concatenate(self._upper),
        )
        model.num_row_ = len(model.row_upper_)
        matrix = model.a_matrix_
        matrix.format_ = highspy.MatrixFormat.kColwise
        matrix.start_ = np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
        matrix.index_ = row[order].astype(np.int32)
        matrix.value_ = factor[order]
        return model
