"""A calibration as tables that fit a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.table import Table

from edgebatch.calibration.calibration import Calibration
from edgebatch.calibration.profile_schema import Errors
from edgebatch.calibration.quality import Estimate, PrecisionQuality
from edgebatch.calibration.samples import Sample
from edgebatch.cost import BatchCost
from edgebatch.reporting.tables import Column, make_details, make_table, quantity
from edgebatch.units import MILLI

_CONTEXT_TOKENS = 128
_SIZES = (1, 8, 32)
_SIZE_GROUPS = ((1, 1), (2, 8), (9, 10_000))


def overview_table(calibration: Calibration) -> Table:
    """Return what was measured, on what, and how much."""
    profile, times = calibration.profile, calibration.together.times
    machine = profile.source.machine
    pairs = [
        ("engine", f"{profile.source.engine} {profile.source.engine_version}".rstrip()),
        ("machine", machine.processor + (f", {machine.cores} cores" if machine.cores else "")),
        ("memory", quantity(machine.memory_bytes, "B")),
        (
            "samples",
            f"{len(times.fitted)} fitted, {len(times.held_out)} held out, {times.rounds} rounds",
        ),
    ]
    return make_details(pairs, title=profile.source.model)


def times_table(calibration: Calibration) -> Table:
    """Return start-up, prefill and step times of each precision, by the fitted model."""
    profile = calibration.profile
    most = calibration.together.info.max_running or max(_SIZES)
    sizes = [size for size in _SIZES if size <= most]
    columns = [
        Column("Precision", numeric=False, whole=True),
        Column("Start, s"),
        Column(f"{_CONTEXT_TOKENS} read, ms"),
        *(Column(f"Step of {size}, ms") for size in sizes),
    ]
    rows = []
    for precision in profile.precisions:
        cost = BatchCost(profile.node, profile.model, precision)
        prefill = cost.step_seconds + cost.prefill_seconds(float(_CONTEXT_TOKENS))
        step = cost.decode_steps_seconds(float(_CONTEXT_TOKENS), 1.0)
        rows.append(
            (
                precision.name,
                f"{calibration.alone.start_seconds[precision.name]:.2f}",
                _milliseconds(prefill),
                *(_milliseconds(cost.step_seconds + size * step) for size in sizes),
            )
        )
    caption = (
        f"fitted: a prompt of {_CONTEXT_TOKENS} tokens read alone; a decode step of "
        f"{', '.join(map(str, sizes))} requests with {_CONTEXT_TOKENS} tokens each"
    )
    return make_table(columns, rows, caption=caption)


def errors_table(calibration: Calibration) -> Table:
    """Return how well held-out batches are predicted, and how well they could be at best."""
    fit = calibration.fit
    figures = calibration.profile.fit
    held_out = calibration.together.times.held_out
    rows: list[tuple[str, Errors | None]] = [("held-out batches", figures.held_out)]
    for least, most in _SIZE_GROUPS:
        group = [sample for sample in held_out if least <= sample.size <= most]
        if group:
            sizes = sorted(sample.size for sample in group)
            rows.append((f"  of {_span(sizes[0], sizes[-1])}", fit.errors(group)))
    for precision in calibration.profile.precisions:
        own = [sample for sample in held_out if sample.precision == precision.name]
        if own:
            rows.append((f"  in {precision.name}", fit.errors(own)))
    rows += [
        ("published form", figures.published),
        ("a perfect model would show", figures.perfect_model),
        ("fitted samples", figures.in_sample),
    ]
    columns = [
        Column("Error, %", numeric=False, whole=True),
        *(Column(heading) for heading in ("Number", "Median", "p95", "Worst")),
    ]
    return make_table(
        columns,
        (_error_row(name, errors) for name, errors in rows if errors is not None),
        caption="of the time from submission to the last token; the published form is fitted to "
        "the same samples",
    )


def memory_table(calibration: Calibration) -> Table | None:
    """Return predicted and measured memory, and how much fits; None if it is not known."""
    profile = calibration.profile
    if not profile.memory:
        return None
    columns = [
        Column("Precision", numeric=False, whole=True),
        Column("Memory of", numeric=False),
        Column("Predicted"),
        Column("Measured"),
    ]
    rows = [
        (
            each.precision,
            each.state,
            quantity(each.predicted_bytes, "B"),
            quantity(each.measured_bytes, "B"),
        )
        for each in profile.memory
    ]
    node = profile.node
    caption = f"everything else: {quantity(node.reserved_bytes, 'B')}, kept as the node's reserve"
    capacity = calibration.together.capacity_tokens
    if capacity is not None:
        each = 2 * _CONTEXT_TOKENS
        largest = min(capacity // each, calibration.together.info.max_running or capacity)
        caption += (
            f"; of requests of {_CONTEXT_TOKENS} + {_CONTEXT_TOKENS} tokens the engine takes "
            f"{largest} at once"
        )
    return make_table(columns, rows, caption=caption)


def quality_table(qualities: Sequence[PrecisionQuality], measure: str) -> Table | None:
    """Return what precisions do to predictions; None if it was not measured."""
    if not qualities:
        return None
    columns = [
        Column("Precision", numeric=False, whole=True),
        Column("Perplexity"),
        Column("16-bit/own"),
        Column("KL, mnat"),
        Column("Agree, %"),
        Column("Perplexity is", numeric=False, whole=True),
    ]
    rows = [
        (
            each.precision,
            _with_error(each.perplexity, 1.0, 1),
            _with_error(each.perplexity_ratio, 1.0, 4),
            _with_error(each.divergence, 1.0 / MILLI, 3),
            _with_error(each.agreement, 100.0, 2),
            _verdict(each),
        )
        for each in qualities
    ]
    first = qualities[0]
    caption = (
        f"± a standard error, on {first.num_tokens:,} tokens; all but perplexity are paired with "
        f"{first.reference}; min_quality refers to {measure}"
    )
    return make_table(columns, rows, caption=caption)


def _verdict(quality: PrecisionQuality) -> str:
    if quality.precision == quality.reference:
        return "reference"
    if not quality.separable:
        return "not separable"
    return "worse" if quality.perplexity_ratio.value < 1.0 else "better"


def _error_row(name: str, errors: Errors) -> tuple[str, ...]:
    shares = (errors.median, errors.p95, errors.worst)
    return (name, str(errors.count), *(f"{100.0 * share:.1f}" for share in shares))


def _with_error(estimate: Estimate | None, scale: float, most_decimals: int) -> str:
    """Return value and standard error, this to two digits or to the most decimals given."""
    if estimate is None:
        return "–"
    value, error = scale * estimate.value, scale * estimate.standard_error
    if error == 0.0:
        return f"{value:.{most_decimals}f}"
    decimals = min(most_decimals, max(0, 1 - math.floor(math.log10(error))))
    return f"{value:.{decimals}f} ±{error:.{decimals}f}"


def _milliseconds(seconds: float) -> str:
    return f"{seconds / MILLI:.3g}"


def _span(least: int, most: int) -> str:
    if least == most:
        return f"{least} request{'s' if least > 1 else ''}"
    return f"{least} to {most} requests"


def sample_record(calibration: Calibration, sample: Sample) -> dict[str, object]:
    """Return a held-out batch as plain data: its lengths, and its time measured and predicted."""
    return {
        "precision": sample.precision,
        "prompt_tokens": [member.tokens for member in sample.members],
        "output_tokens": [member.passes for member in sample.members],
        "seconds": sample.seconds,
        "predicted_seconds": calibration.fit.predict(sample),
        "published_seconds": calibration.published.predict(sample),
    }
