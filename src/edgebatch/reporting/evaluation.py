"""The published evaluation as tables and as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import astuple, fields
from statistics import fmean
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from edgebatch.comparison.evaluation import (
    Gap,
    Observation,
    Plan,
    SearchEffort,
    Setting,
    Study,
    gaps,
)
from edgebatch.reporting.tables import Column, make_table

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

EXPECTED_ORDER = (("dftsp", "static"), ("static", "none"))
CLAIMED_SAVING = 0.45
"""The published claim: DFTSP visits at least so many fewer nodes than brute force."""


def csv_text(rows: Sequence[DataclassInstance]) -> str:
    """Return dataclasses of one kind, at least one, as CSV with their fields as columns."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(field.name for field in fields(rows[0]))
    writer.writerows(astuple(row) for row in rows)
    return text.getvalue()


def tables_text(*tables: Table) -> str:
    """Return tables as plain text, a blank line between, in lines of at most 100 characters."""
    console = Console(width=100, file=io.StringIO(), force_terminal=False, record=True)
    for number, table in enumerate(tables):
        if number:
            console.print()
        console.print(table)
    return "\n".join(line.rstrip() for line in console.export_text().splitlines()) + "\n"


def throughput_table(
    observations: Sequence[Observation], study: Study, setting: Setting, num_seeds: int
) -> Table:
    """Return mean throughput of one study in one setting, a column a point."""
    rows = []
    for model in setting.models:
        for policy in study.policies:
            cells = []
            for point in study.points:
                served = [
                    each.throughput_per_second
                    for each in observations
                    if (each.study, each.setting, each.model) == (study.name, setting.name, model)
                    and (each.point, each.policy) == (point.label, policy)
                ]
                cells.append(f"{fmean(served):.2f}")
            rows.append((model, policy_label(policy), *cells))
    columns = [Column("Model", numeric=False), Column("Policy", numeric=False)]
    columns += [Column(point.label) for point in study.points]
    return make_table(
        columns,
        rows,
        title=f"Against {study.axis}: {setting.title}",
        caption=f"requests served in time per second, mean over {num_seeds} seed(s)",
    )


def order_table(observations: Sequence[Observation], plan: Plan) -> Table:
    """Return, for each study and setting, at how many points the expected order held."""
    rows = []
    for study in plan.studies:
        for setting in study.settings:
            of_setting = [
                each
                for each in observations
                if (each.study, each.setting) == (study.name, setting.name)
            ]
            upper, lower = (gaps(of_setting, *pair) for pair in EXPECTED_ORDER)
            rows.append((study.name, setting.title, _held(upper), _ratios(upper), _held(lower)))
    return make_table(
        [
            Column("Varied", numeric=False),
            Column("Setting", numeric=False),
            Column("DFTSP\n≥ StB"),
            Column("DFTSP / StB"),
            Column("StB\n≥ NoB"),
        ],
        rows,
        title="Where the published order held",
        caption="points (models × values) at which it held, of all; least and greatest ratio of "
        "mean throughputs where StB serves any",
    )


def exceptions_table(observations: Sequence[Observation]) -> Table | None:
    """Return every point at which the expected order did not hold; None if it always did."""
    missed = [gap for pair in EXPECTED_ORDER for gap in gaps(observations, *pair) if not gap.holds]
    if not missed:
        return None
    rows = [
        (
            f"{gap.study}\n{gap.setting}",
            f"{gap.model}\nat {gap.point}",
            f"{_NAMES[gap.upper]} < {_NAMES[gap.lower]}\n"
            f"{gap.upper_per_second:.2f} < {gap.lower_per_second:.2f}",
            f"{gap.difference_per_second:.3f}\n± {gap.standard_error:.3f}",
        )
        for gap in missed
    ]
    columns = [Column(heading, False, True) for heading in ("Where", "Model", "Order")]
    return make_table(
        [*columns, Column("Difference")],
        rows,
        title="Where it did not",
        caption="requests served in time per second, means over seeds; standard error of the "
        "difference over the same requests",
    )


def search_table(efforts: Sequence[SearchEffort], plan: Plan) -> Table:
    """Return how many fewer nodes DFTSP visited, a row an arrival rate."""
    hosted = [(setting.name, model) for setting in plan.search.settings for model in setting.models]
    of_cell: dict[tuple[str, str, int], list[SearchEffort]] = defaultdict(list)
    for each in efforts:
        of_cell[each.setting, each.model, each.rate_per_second].append(each)
    rows = [
        (f"{rate}/s", *(_saving(of_cell[setting, model, rate]) for setting, model in hosted))
        for rate in plan.search.rates_per_second
    ]
    columns = [Column("Rate"), *(Column(f"{setting}\n{model}") for setting, model in hosted)]
    return make_table(
        columns,
        rows,
        title="How many fewer nodes DFTSP visits than brute force",
        caption=f"over the decisions looked at; below, how many of them brute force finished "
        f"within {plan.search.node_limit:,} nodes. The others count with those nodes, so the "
        f"saving is then at least (≥) that. Claimed: at least {100 * CLAIMED_SAVING:.0f}%",
    )


_NAMES = {"dftsp": "DFTSP", "static": "StB", "none": "NoB"}


def policy_label(policy: str) -> str:
    """Return a policy as the published evaluation calls it, and as ours if it is."""
    name, _, knobs = policy.partition(":")
    label = _NAMES.get(name, name.upper())
    return f"{label}, batches ≤ {knobs.partition('=')[2]} s (ours)" if knobs else label


def _held(compared: Sequence[Gap]) -> str:
    return f"{sum(gap.holds for gap in compared)}/{len(compared)}"


def _ratios(compared: Sequence[Gap]) -> str:
    ratios = [
        gap.upper_per_second / gap.lower_per_second
        for gap in compared
        if gap.lower_per_second > 0.0
    ]
    return f"{min(ratios):.2f}–{max(ratios):.2f}" if ratios else "–"


def _saving(efforts: Sequence[SearchEffort]) -> str:
    finished = sum(each.brute_force_finished for each in efforts)
    if not efforts or not all(each.dftsp_finished for each in efforts):
        return "–"
    visited = sum(each.dftsp_nodes for each in efforts)
    saving = 1.0 - visited / sum(each.brute_force_nodes for each in efforts)
    at_least = "" if finished == len(efforts) else "≥ "
    return f"{at_least}{_percent(saving)}\n{finished}/{len(efforts)}"


def _percent(part: float) -> str:
    """Return a part in per cent, cut off and not rounded, so that 100 % means all."""
    return f"{math.floor(1e4 * part) / 100.0:.2f}%"
