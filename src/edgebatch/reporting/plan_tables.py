"""A plan as tables that fit a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from edgebatch.reporting.tables import Column, make_table
from edgebatch.study.investigation import Finding, Status
from edgebatch.study.operation import Operation
from edgebatch.study.plan import Plan
from edgebatch.study.ranking import explanation
from edgebatch.units import GIGA, significant


def plan_tables(plan: Plan) -> list[Table]:
    """Return the ranking, details at the sustainable rates, and what sustains none and why."""
    sustaining = [each for each in plan.findings if each.status is Status.SUSTAINS]
    others = [each for each in plan.findings if each.status is not Status.SUSTAINS]
    tables = []
    if sustaining:
        tables += [_ranking_table(plan, sustaining), _detail_table(sustaining)]
    if others:
        tables.append(_failure_table(others))
    return tables


def _ranking_table(plan: Plan, findings: Sequence[Finding]) -> Table:
    question = plan.question
    rate = question.rate_per_second
    columns = [_NAME, Column("Sustains\nrequests/s")]
    if rate is not None:
        columns.append(Column(f"In time\nat {significant(rate)}/s"))
    columns += [Column("KV GB\nspare"), Column("Binds\nfirst", numeric=False), Column("J each")]
    rows = [
        (
            _name(each),
            _sustained(each),
            *(() if rate is None else (_share(each.at_rate),)),
            _memory(each),
            _binding(each),
            _energy(each),
        )
        for each in findings
    ]
    caption = (
        f"rate at which {100 * question.target:.4g} % are in time under {question.policy}, and its "
        "interval; memory that requests take at the peak, and what is left; of what a quarter "
        "more helps most; energy per request in time if only computing draws the greatest power, "
        "and if it is drawn all the time"
    )
    return make_table(columns, rows, caption=caption)


def _detail_table(findings: Sequence[Finding]) -> Table:
    columns = [_NAME, *(Column(f"{name}\ns") for name in ("p50", "p95", "p99"))]
    columns += [Column("Batch\nbusy"), Column("Quality\nexcluded")]
    rows = [
        (
            _name(each),
            *(_seconds(each.at_sustainable, name) for name in ("p50", "p95", "p99")),
            _use(each.at_sustainable),
            _quality(each),
        )
        for each in findings
    ]
    caption = (
        "time to the whole answer, and below it to the first token; requests running at once and "
        "per cent of time computing; quality of the best precision and per cent of requests "
        "that ask for more"
    )
    return make_table(columns, rows, title="At the sustainable rate", caption=caption)


def _failure_table(findings: Sequence[Finding]) -> Table:
    rows = [(_name(each), explanation(each)) for each in findings]
    columns = [_NAME, Column("No sustainable rate was found", numeric=False)]
    return make_table(columns, rows)


_NAME = Column("Device\nmodel, precision", numeric=False, whole=True)


def _name(finding: Finding) -> str:
    candidate = finding.candidate
    return f"{candidate.device}\n{candidate.model}, {'+'.join(candidate.precisions)}"


def _sustained(finding: Finding) -> str:
    found = finding.saturation
    assert found is not None
    assert found.rate_per_second is not None
    assert found.low_per_second is not None
    if found.high_per_second is None:
        return f">{significant(found.low_per_second)}\n"
    low, high = significant(found.low_per_second), significant(found.high_per_second)
    return f"{significant(found.rate_per_second)}\n{low}–{high}"


def _share(operation: Operation | None) -> str:
    if operation is None:
        return "–"
    share = operation.share
    return f"{100 * share.mean:.1f}%\n{100 * share.low:.1f}–{100 * share.high:.1f}"


def _memory(finding: Finding) -> str:
    operation = finding.at_sustainable
    assert operation is not None
    return f"{operation.kv_peak_bytes / GIGA:.2f}\n{operation.spare_bytes / GIGA:.2f}"


def _binding(finding: Finding) -> str:
    return (finding.binding.budget if finding.binding is not None else None) or "–"


def _energy(finding: Finding) -> str:
    operation = finding.at_sustainable
    energy = operation.energy if operation is not None else None
    if energy is None:
        return "–"
    return f"{significant(energy.computing_joules)}\n{significant(energy.always_on_joules)}"


def _seconds(operation: Operation | None, percentile: str) -> str:
    if operation is None or operation.e2e_seconds is None or operation.ttft_seconds is None:
        return "–"
    whole, first = operation.e2e_seconds[percentile], operation.ttft_seconds[percentile]
    return f"{significant(whole)}\n{significant(first)}"


def _use(operation: Operation | None) -> str:
    assert operation is not None
    return f"{operation.batch_mean:.1f}\n{100 * operation.busy_share:.0f}%"


def _quality(finding: Finding) -> str:
    excluded = 100.0 * finding.feasibility.hopeless.get("quality", 0.0)
    return f"{finding.feasibility.best_quality:.3f}\n{excluded:.3g}%"
