"""The linear programme of the upper bound; its constraints are derived in ``upper_bound``."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgebatch.errors import MissingExtraError
from edgebatch.problem.checks import FloatArray, IntArray

if TYPE_CHECKING:
    import highspy


class Option(NamedTuple):
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


class _Terms(NamedTuple):
    """Coefficients of a block of rows: factor times column, in a row counted from the first."""

    row: IntArray
    column: IntArray
    factor: FloatArray


class Relaxation:
    """The programme as blocks of rows; P options touch K pairs of an option and a slot.

    Columns: x of every option, P of every precision and slot, y of every pair, h of every pair.

    Args:
        options: at least one.
        slot_seconds: Δ.
    """

    def __init__(self, options: list[Option], slot_seconds: float) -> None:
        fields = np.array(options, dtype=np.float64).T
        self._request, self._precision = fields[0].astype(np.int64), fields[1].astype(np.int64)
        self._value, self._starts, self._ends, self._passes, self._work, self._pass = fields[2:]
        self._slot_seconds = slot_seconds
        self._pair_up()
        self._terms: list[_Terms] = []
        self._lower: list[FloatArray] = []
        self._upper: list[FloatArray] = []
        self._add_slots()
        self._add_pairs()
        self._add_requests()

    def solve(self) -> FloatArray:
        """Return x of every option where Σ v·x is largest.

        Raises:
            MissingExtraError: highspy is not installed.
        """
        try:
            import highspy
        except ImportError as error:
            raise MissingExtraError("the upper bound", "solvers") from error

        highs = highspy.Highs()
        highs.setOptionValue("output_flag", False)
        highs.setOptionValue("threads", 1)
        highs.setOptionValue("solver", "ipm")  # several times faster here than the simplex method
        highs.passModel(self._model())
        highs.run()
        assert highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
        return np.array(highs.getSolution().col_value)[: len(self._value)]

    def _pair_up(self) -> None:
        """Number the pairs and the columns; say which part of its slot each pair may use."""
        origin, width = float(self._starts.min()), self._slot_seconds
        first = ((self._starts - origin) // width).astype(np.int64)
        last = ((self._ends - origin) // width).astype(np.int64)
        counts = last - first + 1
        self._num_slots = int(last.max()) + 1
        self._option = np.repeat(np.arange(len(counts)), counts)
        before = np.cumsum(counts) - counts
        self._slot = np.arange(len(self._option)) - (before - first)[self._option]
        begin = origin + self._slot * width
        until = np.minimum(self._ends[self._option], begin + width)
        self._overlap = until - np.maximum(self._starts[self._option], begin)

        num_precisions = int(self._precision.max()) + 1
        self._x = np.arange(len(counts))
        self._ran = len(counts) + np.arange(num_precisions * self._num_slots)
        self._y = int(self._ran[-1]) + 1 + np.arange(len(self._option))
        self._h = self._y + len(self._option)

    def _add_slots(self) -> None:
        """Σ_q F_q·P_qt + Σ_i h_it ≤ Δ."""
        pass_seconds = np.zeros(len(self._ran) // self._num_slots)
        pass_seconds[self._precision] = self._pass
        slots = np.arange(len(self._ran)) % self._num_slots
        self._add(
            np.full(self._num_slots, self._slot_seconds),
            _Terms(slots, self._ran, np.repeat(pass_seconds, self._num_slots)),
            _Terms(self._slot, self._h, np.ones(len(self._h))),
        )

    def _add_pairs(self) -> None:
        """y_it ≤ P_qt, and F_q·y_it + h_it ≤ o_it·x_i."""
        option, pairs, ones = self._option, np.arange(len(self._y)), np.ones(len(self._y))
        ran = self._ran[self._precision[option] * self._num_slots + self._slot]
        self._add(np.zeros(len(pairs)), _Terms(pairs, self._y, ones), _Terms(pairs, ran, -ones))
        self._add(
            np.zeros(len(pairs)),
            _Terms(pairs, self._y, self._pass[option]),
            _Terms(pairs, self._h, ones),
            _Terms(pairs, self._x[option], -self._overlap),
        )

    def _add_requests(self) -> None:
        """Σ_t y_it = n_i·x_i and Σ_t h_it = w_i·x_i; the x of a request add up to 1 at most."""
        for parts, whole in ((self._y, self._passes), (self._h, self._work)):
            self._add(
                np.zeros(len(whole)),
                _Terms(self._option, parts, np.ones(len(parts))),
                _Terms(self._x, self._x, -whole),
                equal=True,
            )
        requests, row = np.unique(self._request, return_inverse=True)
        self._add(np.ones(len(requests)), _Terms(row, self._x, np.ones(len(row))))

    def _add(self, limits: FloatArray, *terms: _Terms, equal: bool = False) -> None:
        """Add a block of rows whose terms add up to at most, or just, their limits."""
        first = sum(map(len, self._upper))
        self._upper.append(limits)
        self._lower.append(limits if equal else np.full(len(limits), -np.inf))
        self._terms += [each._replace(row=first + each.row) for each in terms]

    def _model(self) -> highspy.HighsLp:
        import highspy

        row, column, factor = map(np.concatenate, zip(*self._terms, strict=True))
        order = np.argsort(column, kind="stable")
        num_columns = int(self._h[-1]) + 1
        model = highspy.HighsLp()
        model.sense_ = highspy.ObjSense.kMaximize
        model.num_col_ = num_columns
        model.col_cost_ = np.concatenate((self._value, np.zeros(num_columns - len(self._value))))
        model.col_lower_ = np.zeros(num_columns)
        model.col_upper_ = np.full(num_columns, highspy.kHighsInf)
        model.row_lower_ = np.concatenate(self._lower)
        model.row_upper_ = np.concatenate(self._upper)
        model.num_row_ = len(model.row_upper_)
        matrix = model.a_matrix_
        matrix.format_ = highspy.MatrixFormat.kColwise
        counts = np.bincount(column, minlength=num_columns)
        matrix.start_ = np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
        matrix.index_ = row[order].astype(np.int32)
        matrix.value_ = factor[order]
        return model
