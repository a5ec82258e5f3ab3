"""Fitting the cost model to samples, and the published form beside it.

In each precision a sample's time is linear in seven terms (formulation §3),

    T = F·passes + r·prompts + p·ΣP + p'·ΣP² + a·steps + b·Σcontexts + o·batches,

of which only o is shared by all precisions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgebatch.calibration.least_squares import solve
from edgebatch.calibration.mapping import Coefficients, coefficients_of, onto_fields
from edgebatch.calibration.profile_schema import Errors
from edgebatch.calibration.samples import Sample, Terms
from edgebatch.cost import BatchCost, attention_flops, linear_flops
from edgebatch.errors import InputError
from edgebatch.problem import Model, Node, Precision
from edgebatch.problem.checks import FloatArray


@dataclass(frozen=True, slots=True)
class Estimate:
    """One fitted coefficient.

    Attributes:
        precision: whose; empty for what all share.
        term: what it multiplies, a field of :class:`~edgebatch.calibration.samples.Terms`; in
            the published form ``flops``.
        seconds: its value.
        error_seconds: its standard error, by the scatter of the residuals; None where the value
            lies on its bound of 0, or where no sample has the term.
    """

    precision: str
    term: str
    seconds: float
    error_seconds: float | None


@dataclass(frozen=True, slots=True)
class Fit:
    """The cost model as fitted to samples.

    Attributes:
        node: the node given, with its speeds and overheads replaced by fitted ones.
        model: as given.
        precisions: as given, with factors and overheads replaced by fitted ones.
        estimates: the coefficients behind them.
    """

    node: Node
    model: Model
    precisions: tuple[Precision, ...]
    estimates: tuple[Estimate, ...] = ()

    def predict(self, sample: Sample) -> float:
        """Return the time of a sample's passes by the fitted model, seconds.

        Raises:
            InputError: its precision was not fitted.
        """
        precision = _named(self.precisions, sample.precision)
        cost = BatchCost(self.node, self.model, precision)
        return float(np.dot(coefficients_of(cost), sample.terms))

    def relative_errors(self, samples: Sequence[Sample]) -> FloatArray:
        """Return (predicted − measured) / measured of each sample, shape (n,)."""
        return np.array([self.predict(sample) / sample.seconds - 1.0 for sample in samples])

    def errors(self, samples: Sequence[Sample]) -> Errors:
        """Return figures of the absolute relative errors on at least one sample."""
        sizes = np.abs(self.relative_errors(samples))
        return Errors(
            count=len(sizes),
            median=float(np.median(sizes)),
            p95=float(np.quantile(sizes, 0.95)),
            worst=float(sizes.max()),
        )


def fit_samples(
    samples: Sequence[Sample],
    node: Node,
    model: Model,
    precisions: Sequence[Precision],
    weights: Sequence[float] | None = None,
) -> Fit:
    """Return the cost model fitted to samples.

    Args:
        samples: at least one in each precision.
        node: gives memory and radio; its speeds and overheads are not used.
        model: what was served.
        precisions: give names, bytes and qualities. The first is the reference, in which the
            arithmetic of a prompt's linear layers has factor 1.
        weights: how much each sample counts, above 0; None counts all alike.

    Raises:
        InputError: there is no sample in a precision, or one in another precision.
        MissingExtraError: scipy is not installed.
    """
    _require_samples(samples, precisions)
    width = len(Terms._fields) - 1
    design = np.zeros((len(samples), width * len(precisions) + 1))
    names = [precision.name for precision in precisions]
    for row, sample in enumerate(samples):
        first = width * names.index(sample.precision)
        *own, design[row, -1] = sample.terms
        design[row, first : first + width] = own
    values, errors = solve(design, [sample.seconds for sample in samples], weights)
    blocks = [
        Coefficients._make([*values[width * index : width * (index + 1)], values[-1]])
        for index in range(len(precisions))
    ]
    fitted_node, fitted_precisions = onto_fields(blocks, node, model, precisions)
    labels = [(name, term) for name in names for term in Terms._fields[:-1]]
    labels.append(("", Terms._fields[-1]))
    return Fit(fitted_node, model, fitted_precisions, _estimates(labels, values, errors))


def fit_published(
    samples: Sequence[Sample],
    node: Node,
    model: Model,
    precisions: Sequence[Precision],
    weights: Sequence[float] | None = None,
) -> Fit:
    """Return the published form fitted to samples: β_q·FLOP/C, one rate for each precision.

    Arguments and errors are those of :func:`fit_samples`.
    """
    _require_samples(samples, precisions)
    names = [precision.name for precision in precisions]
    design = np.zeros((len(samples), len(precisions)))
    for row, sample in enumerate(samples):
        terms = sample.terms
        tokens = terms.prompt_tokens + terms.decode_steps
        pairs = terms.prompt_squares + terms.contexts
        arithmetic = linear_flops(model) * tokens + attention_flops(model) * pairs
        design[row, names.index(sample.precision)] = arithmetic
    seconds_per_flop, errors = solve(design, [sample.seconds for sample in samples], weights)
    slowest = 1.0 / float(seconds_per_flop[0])
    bare = node.replace(
        flops=slowest,
        memory_bandwidth=None,
        step_overhead_seconds=0.0,
        batch_overhead_seconds=0.0,
    )
    scaled = tuple(
        Precision(
            precision.name,
            precision.weight_bytes,
            precision.kv_bytes,
            prefill_factor=float(each) * slowest,
            decode_factor=float(each) * slowest,
            quality=precision.quality,
        )
        for precision, each in zip(precisions, seconds_per_flop, strict=True)
    )
    labels = [(name, "flops") for name in names]
    return Fit(bare, model, scaled, _estimates(labels, seconds_per_flop, errors))


def _estimates(
    labels: Sequence[tuple[str, str]], values: FloatArray, errors: FloatArray
) -> tuple[Estimate, ...]:
    return tuple(
        Estimate(*label, float(value), None if np.isnan(error) else float(error))
        for label, value, error in zip(labels, values, errors, strict=True)
    )


def _require_samples(samples: Sequence[Sample], precisions: Sequence[Precision]) -> None:
    for sample in samples:
        _named(precisions, sample.precision)
    measured = {sample.precision for sample in samples}
    for precision in precisions:
        if precision.name not in measured:
            raise InputError("samples", f"there is none in precision {precision.name!r}")


def _named(precisions: Sequence[Precision], name: str) -> Precision:
    for precision in precisions:
        if precision.name == name:
            return precision
    raise InputError("samples", f"{name!r} is not among the precisions that are fitted")
